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
from opskit.checks.interface import (
    Evidence,
    Finding,
    failed,
    not_reached,
    observed,
    passed,
    reported,
)
from opskit.checks.parameter_value_fixes import put_values
from opskit.checks.seen import Seen, is_true, one_of
from opskit.checks.symptoms import PARAMETERS, kinds_of, login_place
from opskit.config import Target
from opskit.credential_source import source_of
from opskit.engine.interface import AFTER_AUTHENTICATION, LoginFailure
from opskit.facts.database import Database
from opskit.facts.database_engine import DatabaseEngine
from opskit.facts.interface import Fact, Known
from opskit.facts.login import LoginAttemptResult
from opskit.facts.probe import InstanceProbe
from opskit.facts.stored_credential import StoredCredential
from opskit.symptom import SymptomKind, place, symptom
from opskit.workload.interface import Workload

passes_on = one_of(Seen(LoginAttemptResult, "succeeded", is_true))
leads_to = (SymptomKind.SETTINGS_DIFFER,)
symptoms = (SymptomKind.LOGIN_REFUSED,)


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
        return not_reached(
            f"a login from {login.tried_from} did not get as far as role and database: {login.message}",
            kinds_of(login.failure),
            "a login with the right password",
            place=login_place(login.failure, None),
        )
    text = f"the server does not let {login.user} in: {login.message}"
    seen = observed(f"a login from {login.tried_from}")
    known = parameters.value if isinstance(parameters, Known) else StoredCredential((), (), ())
    advice = database_engine.engine.advice
    if login.failure is LoginFailure.ROLE_REFUSED:
        return _refused(login, text, seen, fix=Advice(advice.role_refused(login.user)))
    if login.failure is LoginFailure.DATABASE_DENIED:
        name = known.value("database") or "the database"
        return _refused(login, text, seen, fix=Advice(advice.database_denied(login.user, name)))
    created = database.value.instance.database_name if isinstance(database, Known) else None
    parameter = known.get("database")
    if not created or parameter is None or parameter.value == created:
        name_or_none = parameter.value if parameter else None
        missing = Advice(advice.database_missing(login.user, name_or_none))
        return _refused(login, text, seen, fix=missing)
    fix: Remedy = put_values(
        source_of(target),
        known,
        [(parameter, created)],
        f"names {created}, the database that RDS created with the instance, and restarts the app",
        restart_commands(app, probe),
        caution="If the app has a database of its own there, its name is the right one.",
    )
    return _refused(login, text, seen, reported(f"RDS names {created} as its database"), fix=fix)


def _refused(login: LoginAttemptResult, text: str, *evidence: Evidence, fix: Remedy) -> Finding:
    """The failure, which a flaw of the parameters' values may explain."""
    return failed(
        text,
        *evidence,
        fix=fix,
        place=place(parameters=PARAMETERS[login.failure] if login.failure else ()),
        symptom=symptom(
            SymptomKind.LOGIN_REFUSED,
            login_place(login.failure, None),
            (SymptomKind.WRONG_ADDRESS,),
            is_fault=True,
        ),
    )
