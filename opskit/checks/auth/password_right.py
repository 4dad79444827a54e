"""The database takes the password in the parameter.

Means: every new connection is turned away; pools keep what they have until they reconnect.
Found by: a login with the parameters' values, from here or on the instance, where the password never
leaves the instance. One text stands for five causes: wrong password, unknown role, expired role,
MD5 verifier under scram, ciphertext used as password.
Looks alike: with sslmode=prefer the last line blames pg_hba: that is the second attempt, without
TLS. The first line counts.
Fix: set the master password in RDS to what the parameter holds, or put the right value back.
Not the fix: a hand-typed password in the app's environment, nor forced TLS switched off.
"""

from __future__ import annotations

from opskit.checks.fix import Fix, OpskitCommand
from opskit.checks.fix_commands import restart_commands
from opskit.checks.interface import (
    Evidence,
    Finding,
    failed,
    observed,
    passed,
    reported,
    undecided,
)
from opskit.facts.app_instance import AppInstance
from opskit.facts.database import Database
from opskit.facts.interface import Fact, Known
from opskit.facts.login import Login
from opskit.facts.parameters import Parameters
from opskit.facts.probe import InstanceProbe

explains = ("app", "AUT002", "AUT003", "AUT004")
is_essential = True


def check(
    login: Login,
    database: Database,
    parameters: Fact[Parameters],
    app: Fact[AppInstance],
    probe: Fact[InstanceProbe],
) -> Finding:
    """Judge the login."""
    tls = f" ({login.tls_version})" if login.tls_version else ""
    if login.succeeded:
        return passed(
            f"{login.user} logs in from {login.tried_from}{tls} in {login.milliseconds:.0f} ms",
            observed(f"a login from {login.tried_from} and one question"),
        )
    if not login.is_wrong_password:
        return undecided(
            f"a login from {login.tried_from} did not get as far as the password: {login.message}",
            "a login that reaches the password",
        )
    password = parameters.value.get("password") if isinstance(parameters, Known) else None
    name = password.name if password else "the password parameter"
    version = f", version {password.version}," if password else ""
    evidence: list[Evidence] = [observed(f"a login from {login.tried_from}: {login.message}")]
    if password and password.modified_at:
        when = f"{password.modified_at:%Y-%m-%d %H:%M} UTC"
        evidence.append(reported(f"{name} was last written on {when}"))
    fix = Fix(
        (
            OpskitCommand(("rotate-password", "repair"), ("--yes",)),
            *restart_commands(app, probe),
        ),
        "finds the password that logs in, and writes it where it is missing",
    )
    return failed(
        f"{database.instance.identifier} refuses the password of {login.user} that {name}{version} holds",
        *evidence,
        fix=fix,
    )
