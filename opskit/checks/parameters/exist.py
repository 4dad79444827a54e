"""All four parameters exist.

Means: the app cannot be configured at its next start; until then it may go on with what it read.
Found by: ssm:GetParameters with the four names, and each unknown name asked again by itself.
Looks alike: another Region or account (both are printed in the first line), another spelling (names
are case-sensitive and the leading slash counts), a parameter that an expiration policy deleted.
Fix: put the parameter back; opskit prints the value where RDS itself knows it.
Not the fix: a default value in the app, which hides the next mistake too.
"""

from __future__ import annotations

from opskit.checks.fix import Command, Fix, OpskitCommand
from opskit.checks.fix_commands import call, restart_if_unhealthy
from opskit.checks.interface import Finding, failed, passed, reported
from opskit.facts.app_instance import AppInstance
from opskit.facts.database import Database
from opskit.facts.interface import Fact, Known
from opskit.facts.parameters import Parameters
from opskit.facts.probe import InstanceProbe

explains = ("iam", "auth", "app")


def check(
    parameters: Parameters,
    database: Fact[Database],
    app: Fact[AppInstance],
    probe: Fact[InstanceProbe],
) -> Finding:
    """Name those that are missing."""
    if not parameters.missing:
        names = len(parameters.found) + len(parameters.refused)
        return passed(f"{names} parameters exist")
    names_text = " and ".join(name for _, name in parameters.missing)
    verb = "does" if len(parameters.missing) == 1 else "do"
    present = ", ".join(p.name for p in parameters.found)
    known = database.value if isinstance(database, Known) else None
    commands = tuple(_put(purpose, name, known) for purpose, name in parameters.missing)
    return failed(
        f"parameter {names_text} {verb} not exist",
        reported("ssm:GetParameter answered ParameterNotFound for it"),
        reported(f"its neighbours are there: {present}"),
        fix=Fix(
            (*commands, *restart_if_unhealthy(app, probe)),
            "creates what is missing, changes nothing else",
        ),
    )


def _put(purpose: str, name: str, database: Database | None) -> Command:
    if purpose == "password":
        return OpskitCommand(("rotate-password", "repair"))
    value = ""
    if database is not None:
        value = {
            "endpoint": database.host,
            "username": database.instance.master_username,
            "database": database.instance.database_name,
        }[purpose] or ""
    return call("ssm", "PutParameter", Name=name, Type="String", Value=value)
