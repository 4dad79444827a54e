"""The database has connection slots free and is ready.

Means: the server is up but accepts no new connections, or not yet.
Found by: the login's answer, or the server's first answer before any password: 53300, 57P03. That one
does not show that the slots of ordinary users are exhausted, as long as reserved ones are free.
Looks alike: an app whose own pool is exhausted: there the server has free slots.
Fix: end idle sessions, make pools smaller; wait while it starts.
Not the fix: restarting the app in a loop, which takes more slots.
"""

from __future__ import annotations

from opskit.checks.fix import Advice
from opskit.checks.interface import (
    Evidence,
    Finding,
    failed,
    not_reached,
    observed,
    passed,
    warned,
)
from opskit.checks.seen import Seen, is_true, one_of
from opskit.checks.symptoms import kinds_of, login_place
from opskit.engine.interface import AFTER_SLOTS, NO_SERVICE, LoginFailure
from opskit.facts.database_engine import DatabaseEngine
from opskit.facts.interface import Fact, Known, Unknown
from opskit.facts.login import LoginAttemptResult
from opskit.facts.probe import InstanceProbe
from opskit.symptom import SymptomKind, symptom

leads_to = (SymptomKind.NO_SLOT,)
symptoms = (SymptomKind.NOT_READY,)
NOT_READY = (
    "The server is starting, stopping or recovering: wait a minute, then diagnose again. If it stays so, "
    "RDS's events say why: aws rds describe-events --source-type db-instance --duration 60."
)
passes_on = one_of(
    Seen(LoginAttemptResult, "succeeded", is_true),
    Seen(LoginAttemptResult, "failure", lambda failure: failure in AFTER_SLOTS),
)


def check(
    login: Fact[LoginAttemptResult], probe: Fact[InstanceProbe], database_engine: DatabaseEngine
) -> Finding:
    """Judge the login, and the server's first answers where the login did not get that far."""
    engine, tried = database_engine.engine, login.value if isinstance(login, Known) else None
    if tried is not None and tried.failure in NO_SERVICE:
        seen = observed(f"a login from {tried.tried_from}")
        return _no_service(tried.failure, tried.message, seen, database_engine)
    refusal = _first_refusal(probe, database_engine)
    if tried is not None and (tried.succeeded or tried.failure in AFTER_SLOTS):
        if refusal is not None and refusal[0] is LoginFailure.SLOTS:
            return warned(
                f"a login from {tried.tried_from} got a slot, yet at the same time the server took no "
                f"connection: {refusal[1]}",
                refusal[2],
                fix=Advice(engine.advice.slots()),
            )
        return passed("a connection slot was free")
    if refusal is not None:
        return _no_service(*refusal, database_engine)
    if isinstance(login, Unknown):
        return not_reached(login.reason, login.waits_for, *login.missing)
    return not_reached(
        f"a login from {login.value.tried_from} did not get as far as a slot: {login.value.message}",
        kinds_of(login.value.failure),
        "a login with the right password",
        place=login_place(login.value.failure, None),
    )


def _no_service(
    failure: LoginFailure, message: str, seen: Evidence, database_engine: DatabaseEngine
) -> Finding:
    advice = database_engine.engine.advice
    remedy = advice.slots() if failure is LoginFailure.SLOTS else NOT_READY
    # The state of the database may say why it is not ready; nothing else says why it is full.
    not_ready = symptom(SymptomKind.NOT_READY, is_fault=True)
    return failed(
        f"the server takes no connection: {message}",
        seen,
        fix=Advice(remedy),
        symptom=None if failure is LoginFailure.SLOTS else not_ready,
    )


def _first_refusal(
    probe: Fact[InstanceProbe], database_engine: DatabaseEngine
) -> tuple[LoginFailure, str, Evidence] | None:
    """The refusal of every login in the server's first answers; None without one."""
    if not isinstance(probe, Known):
        return None
    greeting = probe.value.greeting
    for answer in (greeting.with_tls, greeting.without_tls):
        if answer is None or answer.allows_authentication is not None:
            continue
        failure = database_engine.engine.classify(answer.message, answer.code)
        if failure in NO_SERVICE:
            where = f"its first answer, before any password, seen from {probe.value.workload_noun}"
            return failure, answer.message or answer.code, observed(where)
    return None
