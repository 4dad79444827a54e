"""The running app has the password that the parameter holds.

Means: a process keeps the environment it started with; its pool works until it reconnects, then
every login fails.
Found by: fingerprints of the container's password and of the parameter's, made under one key.
Looks alike: a wrong password in the parameter (AUT001): there a login with the parameter fails too, and
a restart would load it.
Fix: restart the container that has the old one, if it fetches its settings when it starts; if they were
set when it was created, correct the file that holds them and recreate the container.
Not the fix: the old password back in the database.
"""

from __future__ import annotations

from dataclasses import replace

from opskit import utc
from opskit.checks.fix import Advice
from opskit.checks.interface import (
    Evidence,
    Finding,
    failed,
    not_reached,
    observed,
    passed,
    skipped,
    warned,
)
from opskit.checks.parameters.unread import parameter_was_read, unread
from opskit.checks.seen import Seen, one_of
from opskit.checks.settings_reload import CorrectSettings, SettingDifference, choose_fix
from opskit.checks.symptoms import CREDENTIAL, containers_place
from opskit.commands import OpskitCommand
from opskit.config import Target
from opskit.credential_source import source_of
from opskit.facts.database import Database
from opskit.facts.dns import OperatorDns
from opskit.facts.interface import Fact, Known, Unknown
from opskit.facts.login import LoginAttemptResult
from opskit.facts.probe import InstanceProbe
from opskit.facts.stored_credential import CredentialPiece, StoredCredential
from opskit.probe.response import Container
from opskit.symptom import Place, Symptom, SymptomKind, symptom
from opskit.workload.interface import Workload

passes_on = one_of(
    (
        parameter_was_read("password"),
        Seen(InstanceProbe, "running", lambda rows: any(c.setting("password") for c in rows)),
    )
)
leads_to = (SymptomKind.LOGIN_REFUSED,)
symptoms = (SymptomKind.SETTINGS_DIFFER,)


def check(
    target: Target,
    parameters: StoredCredential,
    login: Fact[LoginAttemptResult],
    app: Fact[Workload],
    probe: Fact[InstanceProbe],
    database: Fact[Database],
    dns: Fact[OperatorDns],
) -> Finding:
    """Compare the fingerprints of every running container with the parameter's."""
    password = parameters.get("password")
    if password is None:
        return unread(source_of(target), parameters, "password")
    for fact in (app, probe):
        if isinstance(fact, Unknown):
            text = f"no container was asked: {fact.reason}"
            return not_reached(text, fact.waits_for, *fact.missing)
    assert isinstance(probe, Known)  # noqa: S101  the loop has returned otherwise
    assert isinstance(app, Known)  # noqa: S101  as above
    named = [c for c in probe.value.running if c.setting("password")]
    if not named:
        return skipped("no running container shows a database password")
    stale = {c: [d] for c in named if (d := _difference(c, password))}
    if not stale:
        names, verb = ", ".join(c.name for c in named), "have" if len(named) > 1 else "has"
        return passed(f"{names} {verb} the password of version {password.version}")
    names, verb = " and ".join(c.name for c in stale), "run" if len(stale) > 1 else "runs"
    text = f"{names} {verb} with another password than {password.name}, version {password.version}, holds"
    evidence = [e for container in stale for e in _seen(container, probe.value)]
    if not (isinstance(login, Known) and login.value.succeeded) and all(
        _logs_in(c, probe.value) for c in stale
    ):
        return warned(text + "; its own still works", *evidence, fix=_keep(password))
    truth = CorrectSettings(parameters, database, dns, login)
    clients = containers_place(*stale)
    attempts = [probe.value.attempt_of(c.name) for c in stale]
    is_refused = any(a is not None and not a.succeeded for a in attempts)
    return failed(
        text,
        *evidence,
        fix=choose_fix(stale, app.value, truth),
        place=replace(clients, parameters=frozenset(CREDENTIAL)),
        symptom=None if is_refused else _differs(clients),
    )


def _differs(clients: Place) -> Symptom:
    """The symptom of a password that was not tried: where the parameter is wrong, it may be right."""
    where = replace(clients, parameters=frozenset(["password"]))
    return symptom(SymptomKind.SETTINGS_DIFFER, where, is_fault=True)


def _difference(container: Container, password: CredentialPiece) -> SettingDifference | None:
    own = container.setting("password")
    if own is None or own.value == password.fingerprint:
        return None
    return SettingDifference(own, password.fingerprint, password)


def _logs_in(container: Container, probe: InstanceProbe) -> bool:
    attempt = probe.attempt_of(container.name)
    return attempt is not None and attempt.succeeded


def _seen(container: Container, probe: InstanceProbe) -> list[Evidence]:
    since = utc.second_of(container.started_at)
    started = f"{container.name} was started at {since}; the fingerprints differ"
    attempt = probe.attempt_of(container.name)
    if attempt is None:
        return [observed(started)]
    outcome = "succeeds" if attempt.succeeded else f"fails: {attempt.message}"
    return [observed(started), observed(f"a login as {container.name} does it {outcome}")]


def _keep(password: CredentialPiece) -> Advice:
    return Advice(
        f"A restart is not offered: it would take the password of {password.name}, which is not known to "
        "log in, in place of one that does. Bring the right password into the parameter first: repair finds "
        "and writes it.",
        (OpskitCommand(("rotate-password", "repair")),),
    )
