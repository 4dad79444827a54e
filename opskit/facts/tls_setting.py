"""Whether the database's parameter group forces TLS."""

from __future__ import annotations

from dataclasses import dataclass

from opskit.aws_protocols import paginate
from opskit.facts.database import Database
from opskit.facts.database_engine import DatabaseEngine
from opskit.facts.interface import FactUnavailable, Rds


@dataclass(frozen=True, slots=True)
class TlsSetting:
    """The engine's TLS parameter in the database's parameter group.

    Attributes:
        value: as text; None when the group does not name the parameter.
        apply_status: the group's, such as `in-sync` or `pending-reboot`.
        is_forced: whether the value makes the database reject clients without TLS.
    """

    group: str
    parameter: str
    value: str | None
    apply_status: str
    is_forced: bool


def read(rds: Rds, database: Database, database_engine: DatabaseEngine) -> TlsSetting:
    """Read the one parameter, with the only filter that the operation supports."""
    if not database.instance.parameter_groups:
        raise FactUnavailable(f"{database.instance.identifier} names no parameter group")
    group, status = database.instance.parameter_groups[0]
    tls = database_engine.engine.tls
    name = tls.parameter
    rows = paginate(
        rds.describe_db_parameters,
        "Parameters",
        token="Marker",
        DBParameterGroupName=group,
        Filters=[{"Name": "parameter-name", "Values": [name]}],
    )
    value = next((p.get("ParameterValue") for p in rows if p["ParameterName"] == name), None)
    return TlsSetting(group, name, value, status, is_forced=value in tls.parameter_on)
