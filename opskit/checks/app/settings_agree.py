"""The running app uses the host, user and database that the parameters name.

Means: the app talks to another database, or to none, while the parameters look right.
Found by: the container's settings against the parameters' values.
Looks alike: a stale password (APP002), from the same cause.
Fix: make the app fetch its settings anew.
Not the fix: changing the parameters to what an old container has.
"""

from __future__ import annotations

from opskit.checks.fix import Fix
from opskit.checks.fix_commands import restart_commands
from opskit.checks.interface import Finding, failed, observed, passed, skipped
from opskit.facts.app_instance import AppInstance
from opskit.facts.database import Database
from opskit.facts.interface import Fact, Known
from opskit.facts.parameters import Parameters
from opskit.facts.probe import InstanceProbe
from opskit.instance.probe import Container

explains = ("APP003",)


def check(
    parameters: Parameters,
    database: Fact[Database],
    app: Fact[AppInstance],
    probe: Fact[InstanceProbe],
) -> Finding:
    """Name every setting that differs."""
    if not isinstance(probe, Known) or not probe.value.containers:
        return skipped("no container was read")
    port = parameters.port or (database.value.port if isinstance(database, Known) else None)
    wanted = {
        "host": parameters.host,
        "port": str(port) if port else None,
        "user": parameters.value("username"),
        "database": parameters.value("database"),
    }
    for container in probe.value.containers:
        other = _differences(container, wanted)
        if other:
            commands = restart_commands(app, probe)
            return failed(
                f"{container.name} uses {'; '.join(other)}",
                observed(f"its environment, started at {container.started_at[:19]}"),
                fix=Fix(commands, "makes the app fetch its settings again") if commands else None,
            )
    return passed("the app's settings agree with the parameters")


def _differences(container: Container, wanted: dict[str, str | None]) -> list[str]:
    found = []
    for name, value in wanted.items():
        own = container.setting(name)
        if own is not None and value is not None and own.value.lower() != value.lower():
            found.append(f"{name} {own.value}, the parameters say {value}")
    return found
