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

import shlex

from opskit.checks.interface import (
    Evidence,
    Finding,
    Fix,
    failed,
    observed,
    passed,
    reported,
    undecided,
)
from opskit.checks.remedy import restart_commands
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
    fix = None
    if password and login.user == database.instance.master_username:
        fix = Fix(
            "sets the master password to what the parameter holds; open connections stay",
            (_reset(name, database.instance.identifier), *restart_commands(app, probe)),
            "If somebody changed it in the database on purpose, write that value into the parameter instead.",
        )
    return failed(
        f"{database.instance.identifier} refuses the password of {login.user} that {name}{version} holds",
        *evidence,
        fix=fix,
    )


def _reset(parameter: str, identifier: str) -> str:
    """Through a pipe: the password is in no argument of a command and on no screen."""
    name, instance = shlex.quote(parameter), shlex.quote(identifier)
    return (
        f"aws ssm get-parameter --name {name} --with-decryption --query Parameter.Value --output text"
        " | tr -d '\\n'"
        f" | aws rds modify-db-instance --db-instance-identifier {instance} --apply-immediately"
        " --master-user-password file:///dev/stdin --query DBInstance.DBInstanceStatus"
        # The status may still say `available` just after the call.
        f" && sleep 5 && aws rds wait db-instance-available --db-instance-identifier {instance}"
    )
