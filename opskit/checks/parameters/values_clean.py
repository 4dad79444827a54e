"""The parameters' values carry no stray newline, blank or quote.

Means: a login with "word plus newline" is a login with another password.
Found by: the form of the values; the values themselves are never shown.
Looks alike: a wrong password (AUT001): the database gives the same answer.
Fix: put the value again without what was added; write values with `printf %s`, not `echo`.
Not the fix: a new password, which would be stored by the same command.
"""

from __future__ import annotations

from opskit.checks.fix import Command, Fix, OpskitCommand
from opskit.checks.fix_commands import put_parameter, restart_commands
from opskit.checks.interface import Finding, failed, passed, reported, warned
from opskit.facts.app_instance import AppInstance
from opskit.facts.interface import Fact, Known
from opskit.facts.login import Login
from opskit.facts.parameters import Parameter, Parameters
from opskit.facts.probe import InstanceProbe

explains = ("dns", "auth", "app")


def check(
    parameters: Parameters,
    login: Fact[Login],
    app: Fact[AppInstance],
    probe: Fact[InstanceProbe],
) -> Finding:
    """Name the flaw of each value."""
    stained = [p for p in parameters.found if p.blemishes]
    if not stained:
        return passed("the values carry no stray newline, blank or quote")
    text = "; ".join(f"{p.name} has {' and '.join(p.blemishes)}" for p in stained)
    if isinstance(login, Known) and login.value.succeeded:
        return warned(text + "; the login works all the same", reported("read from SSM"))
    return failed(
        text,
        *(reported(f"{p.name}, version {p.version}, was read and looked at") for p in stained),
        fix=Fix(
            (
                *(_clean(p) for p in stained),
                *restart_commands(app, probe),
            ),
            "puts the same values without it, and restarts the app",
        ),
    )


def _clean(parameter: Parameter) -> Command:
    if parameter.value is not None:
        return put_parameter(parameter.name, parameter.kind, parameter.value.strip("\"'"))
    return OpskitCommand(("rotate-password", "repair"), ("--yes",))
