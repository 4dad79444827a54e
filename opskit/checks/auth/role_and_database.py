"""The role may log in and the database exists.

Means: the password is right, but the server rejects the login for another reason.
Found by: the server's answer after the password was accepted: 3D000, 42501, 28000.
Looks alike: a wrong password hides a missing database.
Fix: the right name in the parameter, or the missing privilege in the database.
Not the fix: a new password.
"""

from __future__ import annotations

from opskit.checks.fix import Advice, Remedy
from opskit.checks.fix_commands import restart_commands
from opskit.checks.interface import Finding, failed, observed, passed, reported, undecided
from opskit.checks.parameter_value_fixes import put_values
from opskit.checks.seen import Seen, is_true, one_of
from opskit.config import Target
from opskit.credential_source import source_of
from opskit.engine.interface import AFTER_AUTHENTICATION, LoginFailure
from opskit.facts.database import Database
from opskit.facts.database_engine import DatabaseEngine
from opskit.facts.interface import Fact, Known
from opskit.facts.login import LoginAttemptResult
from opskit.facts.probe import InstanceProbe
from opskit.facts.stored_credential import StoredCredential
from opskit.workload.interface import Workload

explains = ("app",)
passes_on = one_of(Seen(LoginAttemptResult, "succeeded", is_true))


def check(
    target: Target,
    login: LoginAttemptResult,
    database_engine: DatabaseEngine,
    database: Fact[Database],
    parameters: Fact[StoredCredential],
    app: Fact[Workload],
    probe: Fact[InstanceProbe],
) -> Finding:
    """Judge the login's failure."""
    if login.succeeded:
        return passed(f"{login.user} may log in, and the database exists")
    if login.failure not in AFTER_AUTHENTICATION:
        return undecided(
            f"a login from {login.tried_from} did not get as far as role and database: {login.message}",
            "a login with the right password",
        )
    text = f"the server does not let {login.user} in: {login.message}"
    seen = observed(f"a login from {login.tried_from}")
    known = parameters.value if isinstance(parameters, Known) else StoredCredential((), (), ())
    advice = database_engine.engine.advice
    if login.failure is LoginFailure.ROLE_REFUSED:
        return failed(text, seen, fix=Advice(advice.role_refused(login.user)))
    if login.failure is LoginFailure.DATABASE_DENIED:
        name = known.value("database") or "the database"
        return failed(text, seen, fix=Advice(advice.database_denied(login.user, name)))
    created = database.value.instance.database_name if isinstance(database, Known) else None
    parameter = known.get("database")
    if not created or parameter is None or parameter.value == created:
        name_or_none = parameter.value if parameter else None
        return failed(text, seen, fix=Advice(advice.database_missing(login.user, name_or_none)))
    fix: Remedy = put_values(
        source_of(target),
        known,
        [(parameter, created)],
        f"names {created}, the database that RDS created with the instance, and restarts the app",
        restart_commands(app, probe),
        caution="If the app has a database of its own there, its name is the right one.",
    )
    return failed(text, seen, reported(f"RDS names {created} as its database"), fix=fix)
