"""The app says that it is healthy.

Means: users get errors, or the load balancer takes the instance out.
Found by: the app's own health path on the instance; without it the load balancer's health checks.
Looks alike: a health path that does not query the database stays green while every page fails.
Fix: the cause that the app's answer names; opskit shows its beginning, and which log to read.
Not the fix: a health path that always succeeds.
"""

from __future__ import annotations

import re

from opskit.checks.containers import app_containers
from opskit.checks.fix import Advice
from opskit.checks.interface import (
    Evidence,
    Finding,
    failed,
    not_reached,
    observed,
    passed,
    reported,
    skipped,
    warned,
)
from opskit.checks.seen import Seen, is_true, one_of
from opskit.checks.symptoms import app_place, failure_in_answer, kinds_of
from opskit.config import Target
from opskit.denial_message import NO_CREDENTIALS
from opskit.engine.interface import LoginFailure
from opskit.engine.tls_modes import TlsMode
from opskit.facts.database_engine import DatabaseEngine
from opskit.facts.interface import Fact, Known, Unknown
from opskit.facts.probe import InstanceProbe
from opskit.facts.target_health import TargetHealth, TargetHealths
from opskit.probe.response import Health
from opskit.symptom import NO_DATABASE, Kinds, Symptom, SymptomKind, symptom
from opskit.workload.ec2_instance import container_logs
from opskit.workload.interface import Workload

symptoms = (SymptomKind.UNHEALTHY, SymptomKind.TARGET_UNHEALTHY)

SHOWN = 200
"""Characters of the app's answer in the sentence; the evidence contains all of it."""
ABOUT_LOGIN = {
    LoginFailure.PASSWORD: "The database refuses its password: compare the user and password that it has "
    "with the parameters'.",
    LoginFailure.DENIED: "The database refuses its login and does not say why: compare the user and "
    "password that it has with the parameters'.",
    LoginFailure.IAM_AUTH: "Its database user logs in with a token of IAM, and the app sent none that the "
    "database accepts.",
    LoginFailure.PASSWORD_EXPIRED: "The password of its database user has expired: rotate it.",
    LoginFailure.ACCOUNT_LOCKED: "Its database user is locked: an administrator of the database unlocks it.",
    LoginFailure.TLS_REQUIRED: "It connects without TLS, which the database requires: let its client use "
    "{verifying} with the RDS bundle.",
    LoginFailure.NOT_ADMITTED: "The database does not admit its address, user or database name.",
    LoginFailure.HOST_BLOCKED: "The database has blocked its address after connections that ended without a "
    "login: find what opens them, then let an administrator of the database lift the block.",
    LoginFailure.DATABASE_MISSING: "It asks for a database that does not exist: compare its database name "
    "with the parameter's.",
    LoginFailure.DATABASE_DENIED: "Its database user lacks a right: grant it, or let the app use the "
    "parameters' user.",
    LoginFailure.ROLE_REFUSED: "Its database user lacks a right: grant it, or let the app use the "
    "parameters' user.",
    LoginFailure.SLOTS: "The database has no connection slot free: let its pool open fewer connections.",
    LoginFailure.USER_LIMIT: "Its database user has as many connections as it may have: let its pool open "
    "fewer, or raise the limit.",
    LoginFailure.NOT_READY: "The database is starting or stopping: ask again in some minutes.",
    LoginFailure.READ_ONLY: "It writes to a server that only reads: compare its host with the writer's "
    "endpoint.",
    LoginFailure.IDLE_CLOSED: "The database closed a session that was idle: let its pool test a connection "
    "before it uses it.",
    LoginFailure.CERTIFICATE: "Its client does not trust the database's certificate: give it the RDS "
    "bundle.",
    LoginFailure.METHOD: "Its client does not allow the authentication method that the database asks for.",
    LoginFailure.METHOD_UNKNOWN: "Its client is too old for the authentication method that the database "
    "asks for: update it.",
    LoginFailure.METHOD_NEEDS_TLS: "The authentication method that the database asks for needs TLS: let its "
    "client use {verifying} with the RDS bundle.",
    LoginFailure.REFUSED: "Nothing listens at the address that it connects to: compare its host and port "
    "with the parameter's.",
    LoginFailure.NO_ANSWER: "It gets no answer in time from the address that it connects to.",
    LoginFailure.NO_NAME: "The name that it connects to does not resolve for it; a container can have "
    "another resolver than its host.",
}
"""Meanings of an app's error messages about its login, and the step to take; {verifying} is the client
setting that verifies the server."""
ABOUT_AWS = (
    (
        r"ParameterNotFound|do(es)? not exist.*/|InvalidParameters",
        "It asks for a parameter that does not exist: compare the path and the Region that it asks with "
        "the target's.",
    ),
    (
        r"AccessDenied|not authorized to perform",
        "Its role is refused what it asks of AWS: the message names the action.",
    ),
    (
        NO_CREDENTIALS.pattern,
        "It gets no credentials of a role: in a container behind a bridge network the metadata needs a "
        "hop limit of 2, and it has to have a role.",
    ),
)
"""Meanings of an app's error messages about AWS, and the step to take."""
STATES = {
    "initial": "The load balancer still makes its first checks: ask again in a minute.",
    "draining": "The load balancer is taking it out: a deployment or a person deregistered it. Register "
    "it again if that is not meant.",
    "unused": "No listener sends requests to the group, or its zone is not enabled at the load balancer: "
    "add the rule or the zone.",
    "unavailable": "Health checks are switched off for the group: switch them on.",
}
"""Descriptions of a target's other states than healthy and unhealthy."""
passes_on = one_of(
    Seen(InstanceProbe, "health.is_good", is_true),
    Seen(TargetHealths, "all", lambda rows: any(t.state == "healthy" for t in rows)),
)


def check(
    target: Target,
    probe: Fact[InstanceProbe],
    targets: Fact[TargetHealths],
    app: Fact[Workload],
    database_engine: Fact[DatabaseEngine],
) -> Finding:
    """Judge the app's answer, then the load balancer's target health."""
    load_balancer = _load_balancer(targets)
    if isinstance(probe, Known) and probe.value.health is not None:
        health = probe.value.health
        if health.is_good:
            return passed(f"{health.url} answers {health.status}", *load_balancer)
        answer = f"answers {health.status}" if health.status else "does not answer"
        body = f": {health.body[:SHOWN]}" if health.body else ""
        advice = Advice(f"{_meaning(health, database_engine)} {_log(probe.value, app)}".strip())
        rest = f": {health.body}" if len(health.body) > SHOWN else ""
        source = observed(f"asked on {target.workload_kind.definite}{rest}")
        return failed(
            f"{health.url} {answer}{body}",
            source,
            *_other_port(probe.value, health),
            *load_balancer,
            fix=advice,
            symptom=_symptom(probe.value, health, database_engine),
        )
    if isinstance(targets, Known) and targets.value.all:
        return _by_balancer(targets.value.all, load_balancer, target)
    if isinstance(probe, Unknown):
        return not_reached(probe.reason, probe.waits_for, *probe.missing)
    return skipped("no health path is known (--health-url)")


def _other_port(probe: InstanceProbe, health: Health) -> tuple[Evidence, ...]:
    """Evidence that the app runs and does not have the health URL's port; none where it may have it."""
    running = [c for c in app_containers(probe) if c.is_running]
    if not health.is_refused or not running or any(c.serves_health is not False for c in running):
        return ()
    names, verb = ", ".join(c.name for c in running), "run" if len(running) > 1 else "runs"
    return (
        observed(
            f"{names} {verb}, but neither listens on the port of {health.url} nor publishes it"
        ),
    )


def _by_balancer(
    targets: tuple[TargetHealth, ...], load_balancer: tuple[Evidence, ...], target: Target
) -> Finding:
    bad = next((t for t in targets if t.state == "unhealthy"), None)
    if bad is not None:
        advice = Advice(
            f"Let opskit ask the app itself on {target.workload_kind.definite}: --health-url "
            f"http://127.0.0.1:{bad.group.port or 'PORT'}{bad.group.health_path or '/'}"
        )
        text = f"{bad.group.name} finds the app unhealthy ({bad.reason} {bad.description})"
        shown = symptom(
            SymptomKind.TARGET_UNHEALTHY, through=(*NO_DATABASE, SymptomKind.NOT_RUNNING)
        )
        return failed(text, *load_balancer, fix=advice, symptom=shown)
    states = ", ".join(f"{t.group.name} {t.state}" for t in targets)
    others = dict.fromkeys(t.state for t in targets if t.state != "healthy")
    if not others:
        return passed(states, *load_balancer)
    unknown = "The load balancer's console says more of this state."
    return warned(
        states, *load_balancer, fix=Advice(" ".join(STATES.get(state, unknown) for state in others))
    )


def _symptom(
    probe: InstanceProbe, health: Health, database_engine: Fact[DatabaseEngine]
) -> Symptom:
    """The symptom of an unhealthy app, through what its answer names; through all where it names nothing."""
    failure = failure_in_answer(health, database_engine)
    through: Kinds = NO_DATABASE if failure is None else kinds_of(failure)
    if health.status is None:
        through = (*NO_DATABASE, SymptomKind.NOT_RUNNING)
    elif _about_aws(health):
        through = (SymptomKind.CREDENTIAL_UNREADABLE,)
    return symptom(SymptomKind.UNHEALTHY, app_place(probe, failure), through)


def _about_aws(health: Health) -> str:
    """The meaning of an answer that quotes AWS; empty for another one."""
    return next((text for pattern, text in ABOUT_AWS if re.search(pattern, health.body)), "")


def _load_balancer(targets: Fact[TargetHealths]) -> tuple[Evidence, ...]:
    if not isinstance(targets, Known):
        return ()
    return tuple(
        reported(f"the load balancer says {t.state} of it in {t.group.name} {t.reason}".strip())
        for t in targets.value.all
    )


def _meaning(health: Health, database_engine: Fact[DatabaseEngine]) -> str:
    """The cause that the app's answer names; empty where it is not recognized."""
    if health.status is None:
        return (
            "The app has to listen at that address and to answer within 5 s; it does not. Where it runs, "
            "compare the port that it is told to listen on with that of the URL and of the target group."
        )
    about_aws, failure = _about_aws(health), failure_in_answer(health, database_engine)
    if about_aws or failure is None or not isinstance(database_engine, Known):
        return about_aws
    verifying = database_engine.value.engine.tls.setting(TlsMode.VERIFY_IDENTITY)
    return ABOUT_LOGIN.get(failure, "").format(verifying=verifying)


def _log(probe: InstanceProbe, app: Fact[Workload]) -> str:
    """The log to read for details."""
    names = [c.name for c in app_containers(probe)] or list(probe.result.serving)
    logs = app.value.log_words(names) if isinstance(app, Known) else container_logs(names)
    return f"{logs} says more."
