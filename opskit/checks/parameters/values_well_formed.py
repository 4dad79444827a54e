"""The values have no stray newline, blank or quote; endpoint and password are well-formed.

Means: a login with "password plus newline" is a login with another password; so is one with a whole JSON
secret, a URL, percent-encoded text or a placeholder. An app cannot connect to a URL or a path instead of
a host name, and opskit does not try to.
Found by: the form of the values; the values themselves are never shown.
Looks alike: a wrong password (AUT001): the database gives the same answer.
Fix: write a public value again without the stray characters at its ends, and the database's host name
instead of an endpoint that is no host; `opskit rotate-password repair` finds the part of the password's
value that logs in. Write values with `printf %s`, not `echo`.
Not the fix: a new password, which would be stored by the same command.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from opskit.checks.containers import gave_up, stopped_apps
from opskit.checks.fix import Advice, Remedy
from opskit.checks.fix_commands import restart_commands
from opskit.checks.interface import (
    Finding,
    failed,
    observed,
    passed,
    reported,
    skipped,
    undecided,
    warned,
)
from opskit.checks.parameter_value_fixes import is_healthy, password_remedy, put_values
from opskit.checks.parameters.unread import unreadable
from opskit.checks.seen import Seen, one_of
from opskit.checks.symptoms import PARAMETERS, app_place, failure_in_answer
from opskit.commands import Command
from opskit.config import Target
from opskit.credential_source import source_of
from opskit.credential_source.interface import CredentialSource
from opskit.denial_message import names_denial
from opskit.endpoint import BAD_PORT, form_flaw
from opskit.engine.interface import AFTER_AUTHENTICATION, LoginFailure
from opskit.facts.database import Database
from opskit.facts.database_engine import DatabaseEngine
from opskit.facts.interface import Fact, Known
from opskit.facts.login import LoginAttemptResult
from opskit.facts.probe import InstanceProbe
from opskit.facts.stored_credential import CredentialPiece, StoredCredential
from opskit.facts.value_form import trimmed
from opskit.probe.response import Health
from opskit.symptom import Place, SymptomKind, place
from opskit.workload.interface import Workload

passes_on = one_of(Seen(StoredCredential, "existing"))
leads_to = (SymptomKind.NOT_RESOLVED, SymptomKind.LOGIN_REFUSED, SymptomKind.SETTINGS_DIFFER)


def check(
    target: Target,
    parameters: StoredCredential,
    login: Fact[LoginAttemptResult],
    database: Fact[Database],
    database_engine: Fact[DatabaseEngine],
    app: Fact[Workload],
    probe: Fact[InstanceProbe],
) -> Finding:
    """Name the flaw of each value."""
    tried = login.value if isinstance(login, Known) else None
    is_refused = tried is not None and tried.is_wrong_password
    stained = [p for p in parameters.existing if _flaws(p, is_refused=is_refused)]
    if not stained:
        return _untried(parameters, tried, probe) or _clean(parameters)
    text = "; ".join(f"{p.name} {_flaws(p, is_refused=is_refused)}" for p in stained)
    public = [p for p in stained if p.value is not None]
    password = next((p for p in stained if p.value is None), None)
    known = database.value if isinstance(database, Known) else None
    correct = partial(_correct, source_of(target), parameters, public, known)
    looked = [reported(f"{p.name}, version {p.version}, was read and looked at") for p in stained]
    # A login that succeeds was made at the database's own host where the endpoint names none.
    harmless = ("", BAD_PORT) if is_healthy(probe) else ("",)
    if (
        tried is not None
        and tried.succeeded
        and all(_endpoint_flaw(p) in harmless for p in stained)
    ):
        broken = _broken_app(public, probe, database_engine)
        if broken is not None:
            return failed(
                f"{text}; a login with the trimmed value succeeds, but the app is not healthy",
                *looked,
                observed(f"{broken.url}: {broken.body or 'no good answer'}"),
                fix=correct(restart_commands(app, probe)),
                place=_place_in_app(public, probe),
            )
        # Without a restart the app's settings would differ from the parameter (APP004).
        remedy = _of_working(password) if password else correct(restart_commands(app, probe))
        return warned(text + "; the login works all the same", *looked, fix=remedy)
    if password is None:
        remedy = correct(restart_commands(app, probe))
    else:
        user, failure = parameters.value("username") or "its user", tried.failure if tried else None
        instance = known.instance if known else None
        advice = database_engine.value.engine.advice if isinstance(database_engine, Known) else None
        remedy = password_remedy(user, failure, advice, instance, password, app, probe)
        remedy = _both(correct(()), remedy) if public else remedy
    return failed(text, *looked, fix=remedy, place=_place(stained, probe))


def _broken_app(
    public: Sequence[CredentialPiece],
    probe: Fact[InstanceProbe],
    database_engine: Fact[DatabaseEngine],
) -> Health | None:
    """The answer of an app that a flaw of a public value may have broken; None where it works.

    opskit connects and logs in with the trimmed values, the app with what it reads.
    """
    health = probe.value.health if isinstance(probe, Known) else None
    if not isinstance(probe, Known) or health is None or health.is_good:
        return None
    if health.status is None:
        ended = stopped_apps(probe.value)
        return health if public and ended and gave_up(ended) else None
    if names_denial(health.body):
        return None
    failure = failure_in_answer(health, database_engine)
    if failure is LoginFailure.NO_NAME:
        purposes: tuple[str, ...] = ("endpoint",)
    else:
        purposes = PARAMETERS.get(failure, ()) if failure else ()
    is_named = failure is None or any(p.purpose in purposes for p in public)
    return health if public and is_named else None


def _place_in_app(public: Sequence[CredentialPiece], probe: Fact[InstanceProbe]) -> Place:
    """The parameters as the app reads them: a login of opskit has the trimmed values."""
    clients = app_place(probe.value, None).clients if isinstance(probe, Known) else ()
    return place(parameters=[p.purpose for p in public], clients=clients)


def _place(stained: Sequence[CredentialPiece], probe: Fact[InstanceProbe]) -> Place:
    """The parameters; of the endpoint alone those of the app, since opskit connects to no such host."""
    purposes = [p.purpose for p in stained]
    if purposes != ["endpoint"]:
        return place(parameters=purposes)
    in_app = _place_in_app(stained, probe)
    return in_app if in_app.clients else place(hosts=[stained[0].raw or ""], parameters=purposes)


def _untried(
    parameters: StoredCredential,
    login: LoginAttemptResult | None,
    probe: Fact[InstanceProbe],
) -> Finding | None:
    """The finding for a password of an odd form that no login has tried; None where there is none."""
    password = parameters.get("password")
    if password is None or not password.form.suspicions:
        return None
    if login is not None and (login.succeeded or login.failure in AFTER_AUTHENTICATION):
        return None
    text = f"{password.name} {' and '.join(password.form.suspicions)}, and no login has tried it"
    if is_healthy(probe):
        return undecided(text, "a login with the password")
    return warned(
        text,
        reported(f"{password.name}, version {password.version}, was read and looked at"),
        fix=Advice(
            "No command is offered: an app may read such a value by itself. If this one does not, the "
            f"password alone belongs into {password.name}. Once the database can be reached, diagnose tries "
            "it, and `opskit rotate-password repair` finds the part of it that logs in."
        ),
    )


def _clean(parameters: StoredCredential) -> Finding:
    """The finding where no value that was read has a flaw."""
    if parameters.refused:
        names = " and ".join(dict.fromkeys(r.name for r in parameters.refused))
        return unreadable(f"you could not read {names}", parameters.refused)
    if not parameters.existing:
        return skipped("there is no value: none of the parameters exists")
    return passed("the values carry no stray newline, blank or quote")


def _flaws(parameter: CredentialPiece, *, is_refused: bool) -> str:
    """The flaw of a value, as a predicate; its form counts only where the database rejects it."""
    ends = f"has {' and '.join(parameter.format_problems)}" if parameter.format_problems else ""
    odd = parameter.form.suspicions if is_refused else (_endpoint_flaw(parameter),)
    return " and ".join(filter(None, (ends, *odd)))


def _endpoint_flaw(parameter: CredentialPiece) -> str:
    """Why the endpoint's trimmed value is no host; empty for every other parameter."""
    return form_flaw(_trimmed(parameter)) if parameter.purpose == "endpoint" else ""


def _trimmed(parameter: CredentialPiece) -> str:
    return trimmed(parameter.raw if parameter.raw is not None else parameter.value or "")


def _of_working(password: CredentialPiece) -> Remedy:
    return Advice(
        f"The database accepts the password as {password.name} holds it, so it stays as it is. The next "
        "`opskit rotate-password` makes one that no shell and no editor changes."
    )


def _correct(
    source: CredentialSource,
    parameters: StoredCredential,
    public: Sequence[CredentialPiece],
    database: Database | None,
    more: tuple[Command, ...],
) -> Remedy:
    """The fix that writes the trimmed values, and a host name where the endpoint is none."""
    wrong = [p for p in public if _endpoint_flaw(p)]
    host = database.host if database else None
    if wrong and host is None:
        return Advice(f"Write the host name of the app's database into {wrong[0].name}.")
    values = [(p, host if host and p in wrong else _trimmed(p)) for p in public]
    does = "writes the database's host name" if wrong else "puts the same values without it"
    return put_values(source, parameters, values, does, more)


def _both(public: Remedy, password: Remedy) -> Remedy:
    """One remedy for both; the password is repaired after the public values are right."""
    if isinstance(public, Advice) or isinstance(password, Advice):
        texts = [r.text for r in (public, password) if isinstance(r, Advice)]
        return Advice(" ".join(texts))
    return replace(
        password,
        commands=(*public.commands, *password.commands),
        does=f"{public.does}; {password.does}",
        undo=(),
    )
