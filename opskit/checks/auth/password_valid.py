"""The database takes the password in the parameter.

Means: every new connection is rejected; pools keep their connections until they reconnect.
Found by: a login with the parameters' values, from here or on the instance, where the password never
leaves the instance. One message has five causes: wrong password, unknown role, expired role,
MD5 verifier under scram, ciphertext used as password.
Looks alike: with sslmode=prefer the last line blames pg_hba: that is the second attempt, without
TLS. The first line counts. A user name in another case is another role.
Fix: `opskit rotate-password repair`, which tries every known password by a login, and writes the one
that works; for the master user it can set the parameter's value through RDS, if that is a password.
Not the fix: a hand-typed password in the app's environment, nor forced TLS switched off.
"""

from __future__ import annotations

from dataclasses import replace

from opskit import utc
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
from opskit.checks.parameter_value_fixes import password_remedy, put_values
from opskit.checks.seen import Seen, is_true, one_of
from opskit.checks.symptoms import kinds_of, login_place
from opskit.commands import Command
from opskit.config import Target
from opskit.credential_source import source_of
from opskit.credential_source.interface import CredentialSource
from opskit.engine.interface import AFTER_AUTHENTICATION, LoginFailure
from opskit.facts.database import Database
from opskit.facts.database_engine import DatabaseEngine
from opskit.facts.interface import Fact, Known
from opskit.facts.login import LoginAttemptResult
from opskit.facts.probe import InstanceProbe
from opskit.facts.stored_credential import CredentialPiece, StoredCredential
from opskit.symptom import SymptomKind, place, symptom
from opskit.workload.interface import Workload

leads_to = (SymptomKind.SETTINGS_DIFFER,)
symptoms = (SymptomKind.LOGIN_REFUSED,)
is_essential = True
passes_on = one_of(
    Seen(LoginAttemptResult, "succeeded", is_true),
    Seen(LoginAttemptResult, "failure", lambda failure: failure in AFTER_AUTHENTICATION),
)


def check(
    target: Target,
    login: LoginAttemptResult,
    database: Database,
    database_engine: DatabaseEngine,
    parameters: Fact[StoredCredential],
    app: Fact[Workload],
    probe: Fact[InstanceProbe],
) -> Finding:
    """Judge the login with the parameters' values."""
    tls = f" ({login.tls_version})" if login.tls_version else ""
    if login.succeeded:
        return passed(
            f"{login.user} logs in from {login.tried_from}{tls} in {login.milliseconds:.0f} ms",
            observed(f"a login from {login.tried_from}"),
        )
    if login.failure in AFTER_AUTHENTICATION:
        return passed(
            f"{database.instance.identifier} accepts the password of {login.user}, and refuses the login "
            "for another reason",
            observed(f"a login from {login.tried_from}: {login.message}"),
        )
    if login.failure not in (LoginFailure.PASSWORD, LoginFailure.IAM_AUTH):
        return not_reached(
            f"a login from {login.tried_from} did not get as far as the password: {login.message}",
            kinds_of(login.failure),
            "a login that reaches the password",
            place=login_place(login.failure, None),
        )
    known = parameters.value if isinstance(parameters, Known) else StoredCredential((), (), ())
    refused = symptom(
        SymptomKind.LOGIN_REFUSED,
        login_place(login.failure, known.host or database.host),
        (SymptomKind.WRONG_ADDRESS,),
        is_fault=True,
    )
    user, password = known.get("username"), known.get("password")
    name, master = database.instance.identifier, database.instance.master_username
    remedy = password_remedy(
        login.user,
        login.failure,
        database_engine.engine.advice,
        database.instance,
        password,
        app,
        probe,
    )
    if login.failure is LoginFailure.IAM_AUTH:
        return failed(
            f"{name} wants a token of IAM from {login.user}, no password",
            observed(f"a login from {login.tried_from}: {login.message}"),
            fix=remedy,
            place=place(parameters=["username", "password"]),
            symptom=refused,
        )
    evidence = [observed(f"a login from {login.tried_from}: {login.message}"), *_seen(password)]
    if user and _differs_in_case(user, master):
        return failed(
            f"{name} refuses {user.value}, which differs from its master user {master} in upper and lower "
            "case only: to the database that is another user",
            *evidence,
            reported(f"the master user of {name} is {master}"),
            fix=_master_name(source_of(target), known, user, master, restart_commands(app, probe)),
            place=place(parameters=["username"]),
            symptom=refused,
        )
    if user and user.value != master:
        if isinstance(remedy, Advice):
            text = f"{remedy.text} If {user.value} is the user of another app, correct {user.name}."
            remedy = replace(remedy, text=text)
        return failed(
            f"{name} refuses {login.user} with the password that {_named(password)} holds: the password is "
            "another one, or there is no such user",
            *evidence,
            reported(f"the master user of {name} is {master}; of other users RDS knows nothing"),
            fix=remedy,
            place=place(parameters=["username", "password"]),
            symptom=refused,
        )
    return failed(
        f"{name} refuses the password of {login.user} that {_named(password)} holds",
        *evidence,
        fix=remedy,
        place=place(parameters=["password"]),
        symptom=refused,
    )


def _named(password: CredentialPiece | None) -> str:
    return f"{password.name}, version {password.version}," if password else "the password parameter"


def _seen(password: CredentialPiece | None) -> list[Evidence]:
    """Evidence of the password's last write and of its value's form."""
    if password is None:
        return []
    evidence = []
    if password.modified_at:
        when = utc.minute(password.modified_at)
        evidence.append(reported(f"{password.name} was last written on {when}"))
    form = password.form
    predicates = form.suspicions or ((form.unsuitable,) if form.unsuitable else ())
    return [*evidence, *(reported(f"the value of {password.name} {text}") for text in predicates)]


def _differs_in_case(user: CredentialPiece, master: str) -> bool:
    name = user.value or ""
    return name != master and name.lower() == master.lower()


def _master_name(
    source: CredentialSource,
    parameters: StoredCredential,
    user: CredentialPiece,
    master: str,
    restart: tuple[Command, ...],
) -> Remedy:
    return put_values(
        source,
        parameters,
        [(user, master)],
        f"writes the master user as RDS has it, {master}, and restarts the app",
        restart,
        caution=f"If a role {user.value} was created as well, its password is the one to look at.",
    )
