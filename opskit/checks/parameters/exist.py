"""All four parameters exist.

Means: the app cannot be configured at its next start; until then it may go on with what it read.
Found by: ssm:GetParameters with the four names, and each unknown name asked again by itself.
Looks alike: another Region or account (both are printed in the first line), another spelling (names
are case-sensitive and the leading slash counts), a parameter that an expiration policy deleted.
Fix: put the parameter back; opskit prints the value where RDS itself knows it.
Not the fix: a default value in the app, which hides the next mistake too.
"""

from __future__ import annotations

from opskit.checks.interface import Finding, Fix, failed, passed, reported
from opskit.checks.remedy import aws, restart_if_unhealthy
from opskit.facts.app_instance import AppInstance
from opskit.facts.database import Database
from opskit.facts.interface import Fact, Known
from opskit.facts.key import Key
from opskit.facts.parameters import Parameters
from opskit.facts.probe import InstanceProbe

explains = ("iam", "auth", "app")


def check(
    parameters: Parameters,
    database: Fact[Database],
    key: Fact[Key],
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
    key_name = key.value.named_as if isinstance(key, Known) else None
    commands = tuple(_put(purpose, name, known, key_name) for purpose, name in parameters.missing)
    return failed(
        f"parameter {names_text} {verb} not exist",
        reported("ssm:GetParameter answered ParameterNotFound for it"),
        reported(f"its neighbours are there: {present}"),
        fix=Fix(
            "creates what is missing, changes nothing else",
            (*commands, *restart_if_unhealthy(app, probe)),
            "A password is read from the terminal: type it, then Ctrl-D."
            if any(purpose == "password" for purpose, _ in parameters.missing)
            else "",
        ),
    )


def _put(purpose: str, name: str, database: Database | None, key: str | None) -> str:
    if purpose == "password":
        options = {"name": name, "type": "SecureString", "value": "file:///dev/stdin"}
        return aws("ssm", "put-parameter", **options, **({"key_id": key} if key else {}))
    value = ""
    if database is not None:
        value = {
            "endpoint": database.host,
            "username": database.instance.master_username,
            "database": database.instance.database_name,
        }[purpose] or ""
    return aws("ssm", "put-parameter", name=name, type="String", value=value or "file:///dev/stdin")
