"""The doubt whether the diagnosed database is the app's, and the fixes that are withheld for it.

With another team's endpoint in the parameter, a fix would open that team's database to the app, or give
the app its values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from opskit.checks.resolved_database import ResolvedDatabase
from opskit.commands import AwsCall, Command, OpskitCommand
from opskit.config import Target
from opskit.facts.database import Database
from opskit.facts.login import LoginAttemptResult
from opskit.facts.private_zones import PrivateZones
from opskit.facts.rds import DbInstance
from opskit.facts.routes import RouteTables
from opskit.facts.snapshot import Snapshot
from opskit.facts.subnets import NetworkAcls
from opskit.reachability.database_paths import DatabasePaths
from opskit.reachability.path import PathOutcome
from opskit.workload.interface import Workload


def of(snapshot: Snapshot) -> str:
    """Why the diagnosed database may be another team's; empty with enough evidence."""
    database: Database | None = snapshot.value(Database)
    login: LoginAttemptResult | None = snapshot.value(LoginAttemptResult)
    doubt = leads_elsewhere(snapshot)
    if database is None:
        return ""
    if not doubt and not (login is not None and login.succeeded):
        doubt = database.doubt
    name = database.instance.identifier
    return f"{doubt}. If {name} is meant, --db-instance {name} confirms it" if doubt else ""


def leads_elsewhere(snapshot: Snapshot) -> str:
    """Why the app's host is another database's; empty where it is not, or the user named the database.

    A login that succeeds there confirms the other database, not the diagnosed one.
    """
    target: Target | None = snapshot.value(Target)
    resolved: ResolvedDatabase | None = snapshot.value(ResolvedDatabase)
    is_named = target is not None and target.db_instance
    return resolved.doubt if resolved is not None and not is_named else ""


def concerns(snapshot: Snapshot, command: Command) -> bool:
    """Whether a command changes the database or its network, or copies its description."""
    if isinstance(command, OpskitCommand):
        return command.arguments[:1] == ("rotate-password",)
    database = snapshot.value(Database)
    if database is None or not isinstance(command, AwsCall):
        return False
    instance = database.instance
    if command.operation == "PutParameter":
        if leads_elsewhere(snapshot):
            return False
        copied = (database.host, f"{database.host}:{database.port}", instance.master_username)
        return command.parameters.get("Value") in {*copied, instance.database_name}
    return bool(_network_of(instance, snapshot) & set(_values(command.parameters.values())))


def _network_of(instance: DbInstance, snapshot: Snapshot) -> set[Any]:
    """The ids of the database and of all that leads to it: its groups, subnets, ACLs, tables, zones."""
    subnets = {s.subnet_id for s in instance.subnets}
    acls: NetworkAcls | None = snapshot.value(NetworkAcls)
    tables: RouteTables | None = snapshot.value(RouteTables)
    zones: PrivateZones | None = snapshot.value(PrivateZones)
    app: Workload | None = snapshot.value(Workload)
    is_apart = app is None or app.vpc_id != instance.vpc_id
    return {
        instance.identifier,
        *instance.security_group_ids,
        *subnets,
        *(a.acl_id for a in (acls.all if acls else ()) if subnets & set(a.subnet_ids)),
        *(t.table_id for t in (tables.all if tables else ()) if subnets & set(t.subnet_ids)),
        *(z.zone_id for z in (zones.covering if zones else ())),
        *((instance.vpc_id,) if is_apart else ()),
    }


def changes_paths(before: Snapshot, after: Snapshot) -> bool:
    """Whether a fix opens or closes any checkpoint between the app and the doubted database.

    A fix that points the app to another database has other paths, which is its purpose.
    """
    return _identifier(before) == _identifier(after) and _outcomes(before) != _outcomes(after)


def _identifier(snapshot: Snapshot) -> str:
    database = snapshot.value(Database)
    return database.instance.identifier if database else ""


def _outcomes(snapshot: Snapshot) -> Sequence[Sequence[PathOutcome]]:
    """The outcome of every checkpoint on every path between the app and the database."""
    paths: DatabasePaths | None = snapshot.value(DatabasePaths)
    if paths is None:
        return ()
    alternatives = (*paths.after_failover, *paths.from_other_subnets)
    judged = (paths.current, *(alternative.path for alternative in alternatives))
    return [[checkpoint.outcome for checkpoint in path.checkpoints] for path in judged]


def _values(values: Iterable[Any]) -> Iterable[Any]:
    """The strings in a call's parameters, those in lists included."""
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from (item for item in value if isinstance(item, str))
