"""The address ranges of the prefix lists that rules and routes refer to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from opskit.aws_protocols import paginate
from opskit.facts.database import Database
from opskit.facts.interface import Ec2, Fact, Known, run_concurrently
from opskit.facts.routes import RouteTables
from opskit.facts.security_groups import SecurityGroups
from opskit.workload.interface import Workload


@dataclass(frozen=True, slots=True)
class PrefixLists:
    """Address ranges by the id of their prefix list."""

    cidrs_of: Mapping[str, tuple[str, ...]]


def read(
    ec2: Ec2,
    groups: SecurityGroups,
    tables: Fact[RouteTables],
    app: Fact[Workload],
    database: Database,
) -> PrefixLists:
    """Read the lists that the app's and database's groups and the route tables refer to."""
    carried = list(database.instance.security_group_ids)
    if isinstance(app, Known):
        carried += app.value.group_ids
    wanted = {p for g in carried for p in groups.prefix_list_ids_of(g)}
    if isinstance(tables, Known):
        wanted |= {
            r.destination
            for t in tables.value.all
            for r in t.routes
            if r.destination.startswith("pl-")
        }
    ids = sorted(wanted)
    answers = run_concurrently([lambda i=i: _entries(ec2, i) for i in ids])  # type: ignore[misc]
    return PrefixLists(dict(zip(ids, answers, strict=True)))


def _entries(ec2: Ec2, prefix_list_id: str) -> tuple[str, ...]:
    call = ec2.get_managed_prefix_list_entries
    return tuple(
        str(e["Cidr"])
        for e in paginate(call, "Entries", PrefixListId=prefix_list_id, MaxResults=100)
    )
