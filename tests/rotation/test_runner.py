"""Restarts of several targets, and a runner's messages about a rotation that it cannot complete."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.engine.interface import LoginFailure, LoginResult
from opskit.rotation.protocol.fence import Fence
from opskit.rotation.protocol.interface import DatabaseCredential
from opskit.rotation.protocol.journal import JournalEntry
from opskit.rotation.protocol.runner import Rotation
from opskit.rotation.protocol.services import RotationResult, RotationServices
from opskit.rotation.protocol.state_machine import (
    CredentialState,
    Direction,
    RunnerState,
    StopReason,
)
from opskit.rotation.steps.credential_writer import CredentialSnapshot
from opskit.rotation.steps.restart import RestartResult
from opskit.secret import Secret
from opskit.workload.interface import RestartTarget
from tests.rotation.test_readers import NOW, Journal, Strategy
from tests.rotation.test_records import NEW, OLD, intent

WEB, WORKER = RestartTarget("container", "web", "i-1"), RestartTarget("container", "worker", "i-1")
ILL, LOST = RestartResult(False, "503"), RestartResult.lost("the agent is offline")


class FakeConnector:
    """Connector to a database that accepts one password."""

    description = "from this machine"

    def __init__(self, password: Secret) -> None:
        self.password = password

    def try_login(self, _: str, password: Secret) -> LoginResult:
        has = password == self.password
        return LoginResult(has, None if has else LoginFailure.PASSWORD, "", 1.0)


class FakeWriter:
    """Parameters that hold one value."""

    def __init__(self, which: CredentialState, version: int = 3, value: Secret = OLD) -> None:
        self.seen = CredentialSnapshot(which, (version,), (value,))

    def read(self) -> CredentialSnapshot:
        return self.seen


class Sql(Strategy):
    """Strategy that needs a login of its own."""

    needs_no_login, is_synchronous = False, True


def run(
    *restarts: RestartResult, decision: str = "rollback", restart_targets: tuple[RestartTarget, ...] = (WEB, WORKER), **world: Any
) -> tuple[RotationResult, list[RestartTarget]]:  # fmt: skip
    """Run forward or back with database and parameter already right: only the app is left."""
    went, now, todo = list[RestartTarget](), [0.0], list(restarts)

    def restart(batch: RestartTarget) -> RestartResult:
        went.append(batch)
        return todo.pop(0)

    is_back = decision == "rollback"
    journal = Journal()
    journal.entries = [JournalEntry("decision", {"direction": decision}, NOW)] if decision else []
    made: dict[str, Any] = {
        "journal": journal, "writer": FakeWriter(CredentialState.OLD if is_back else CredentialState.NEW),
        "strategy": Sql(), "connector": FakeConnector(OLD if is_back else NEW), "fence": Fence(1200),
        "other_candidates": lambda: [], "restart": restart, "ask_instance": lambda: (True, ""),
        "on_event": lambda _: None, "sleep": lambda s: now.__setitem__(0, now[0] + s),
        "clock": lambda: now[0], **world,
    }  # fmt: skip
    state = RunnerState(Direction.FORWARD, opened=True)
    rotation = Rotation(
        RotationServices(**made),
        1,
        intent(),
        restart_targets,
        state,
        who={"run": "r1"},
        stall_timeout_s=60,
    )
    return rotation.run(), went


def test_a_failure_does_not_keep_the_rest_from_it() -> None:
    result, went = run(ILL, RestartResult(True))
    assert went == [WEB, WORKER]
    assert (result.direction, result.stop) == (None, StopReason.UNHEALTHY)
    assert "container web on i-1: 503" in result.why
    assert "worker" not in result.why


def test_only_what_is_not_healthy_is_repeated() -> None:
    result, went = run(LOST, RestartResult(True), LOST, RestartResult(True))
    assert went == [WEB, WORKER, WEB, WEB]
    assert result.direction is Direction.ROLLBACK
    assert "the app is healthy" in result.verified


def test_what_was_healthy_on_an_earlier_version_is_restarted_again() -> None:
    """A delayed request wrote the parameter while the second target started."""
    writer = FakeWriter(CredentialState.OLD)
    before, after = writer.seen, replace(writer.seen, versions=(4,))
    seen = [before, before]
    writer.read = lambda: seen.pop() if seen else after  # type: ignore[method-assign]
    result, went = run(*[RestartResult(True)] * 4, writer=writer)
    assert went == [WEB, WORKER, WEB, WORKER] or went[-2:] == [WEB, WORKER]
    assert result.direction is Direction.ROLLBACK


@pytest.mark.parametrize("restart_targets", [(), (WEB,)])
def test_a_decision_says_on_which_version_the_app_was_well(
    restart_targets: tuple[RestartTarget, ...],
) -> None:
    journal = Journal()
    journal.entries = []
    result, _ = run(
        RestartResult(True), decision="", restart_targets=restart_targets, journal=journal
    )
    assert result.direction is Direction.FORWARD
    [decision] = [e.body for e in journal.entries if e.name == "decision"]
    assert decision.get("app_runs_on") == ("3@None" if restart_targets else None)


def test_a_transport_that_stays_away_leaves_it_open() -> None:
    result, went = run(*[LOST] * 60)
    assert result.direction is None
    assert "the agent is offline" in result.why
    assert set(went) == {WEB, WORKER}


def test_before_the_decision_the_first_that_is_ill_turns_it_back() -> None:
    """The other targets still run on the password that is restored."""
    writer = FakeWriter(CredentialState.NEW)
    result, went = run(ILL, decision="", writer=writer, strategy=Refuses())
    assert went == [WEB]
    assert result.direction is None
    assert "the way back was refused" in result.why


class Refuses(Sql):
    """Strategy that refuses to restore the old password."""

    def change(self, *_: object) -> Any:
        from opskit.rotation.protocol.interface import ChangeOutcome
        from opskit.rotation.protocol.state_machine import CallOutcome

        return ChangeOutcome(CallOutcome.REFUSED)


def test_without_a_restart_it_closes_and_says_that_the_app_was_not_verified() -> None:
    result, went = run(restart_targets=())
    assert went == []
    assert result.direction is Direction.ROLLBACK
    assert result.verified[0] == "app: not verified"
    assert not result.is_app_verified
    result, _ = run(decision="", restart_targets=())
    assert result.direction is Direction.FORWARD
    assert "runs" not in result.why


@pytest.mark.parametrize("app_verified", [True, False])
def test_what_another_process_has_verified_is_in_its_record(app_verified: bool) -> None:
    journal = Journal()
    body = {"direction": "forward", "verified": ["login"], "app_verified": app_verified}
    journal.entries = [JournalEntry("done", body, NOW)]
    result, went = run(journal=journal)
    assert (result.verified, result.is_app_verified) == (("login",), app_verified)
    assert went == []


def test_where_no_password_logs_in_the_candidates_are_named() -> None:
    secret = Secret("Another-Password-9")
    others = [("/l/p, version 2", DatabaseCredential("linkbox", secret))]
    result, _ = run(connector=FakeConnector(Secret("lost")), other_candidates=lambda: others)
    assert result.stop is StopReason.LOCKED_OUT
    for where in ("the new password of this rotation", "the old password", "/l/p, version 2"):
        assert where in result.why
    assert secret.reveal() not in result.why


def test_somebody_elses_write_is_told_with_its_writer() -> None:
    writer = FakeWriter(CredentialState.OTHER, value=Secret("by-hand"))
    result, _ = run(writer=writer, describe_writer=lambda: "version 7 by her")
    assert result.stop is StopReason.OVERWRITTEN
    assert "version 7 by her" in result.why


@pytest.mark.parametrize(("written_at", "restarted"), [(None, []), (NOW.replace(year=2027), [WEB])])
def test_a_parameter_that_was_created_again_counts_as_written(
    written_at: Any, restarted: list[RestartTarget]
) -> None:
    """Its version tells nothing: versions restart at 1."""
    writer = FakeWriter(CredentialState.OLD, version=1)
    writer.seen = replace(writer.seen, written_at=(written_at,))
    result, went = run(RestartResult(True), restart_targets=(WEB,), writer=writer)
    assert result.direction is Direction.ROLLBACK
    assert went == restarted
