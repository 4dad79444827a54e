"""A cluster's readers accept a change later than its writer: nothing is closed before they have it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from opskit.engine.interface import LoginFailure, LoginResult
from opskit.rotation.protocol.fence import Fence
from opskit.rotation.protocol.interface import ControlPlaneState
from opskit.rotation.protocol.journal import JournalEntry, Record
from opskit.rotation.protocol.runner import Rotation
from opskit.rotation.protocol.services import RotationServices
from opskit.rotation.protocol.state_machine import (
    CallOutcome,
    CredentialState,
    Direction,
    RunnerState,
)
from opskit.rotation.steps.credential_writer import CredentialSnapshot
from opskit.secret import Secret
from tests.rotation.test_records import NEW, intent

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class FakeConnector:
    """Connector that accepts the new password after some logins; never: it is unreachable."""

    description = "from this machine"

    def __init__(self, behind: int | None = 0) -> None:
        self.behind = behind

    def try_login(self, _: str, password: Secret) -> LoginResult:
        if self.behind is None:
            return LoginResult(False, LoginFailure.NO_ANSWER, "timeout expired", 1.0)
        self.behind -= 1
        has = self.behind < 0 and password == NEW
        return LoginResult(has, None if has else LoginFailure.PASSWORD, "", 1.0)


class Journal:
    """Journal with a forward decision; keeps the records written."""

    def __init__(self) -> None:
        self.entries = [JournalEntry("decision", {"direction": "forward"}, NOW)]

    def read(self, number: int) -> Record:
        return Record(number, NOW, tuple(self.entries), NOW)

    def write(self, _: int, name: str, body: dict[str, Any]) -> CallOutcome:
        self.entries.append(JournalEntry(name, body, NOW))
        return CallOutcome.APPLIED


class NewWriter:
    """Parameters that hold the new password."""

    def read(self) -> CredentialSnapshot:
        return CredentialSnapshot(CredentialState.NEW, (2,))


class Strategy:
    """Strategy without pending changes."""

    needs_no_login, is_synchronous = True, False

    def control(self) -> ControlPlaneState:
        return ControlPlaneState(False, "")


def run(**readers: FakeConnector) -> tuple[Journal, list[float]]:
    journal, slept = Journal(), list[float]()
    made: dict[str, Any] = {
        "journal": journal, "writer": NewWriter(), "strategy": Strategy(), "connector": FakeConnector(),
        "fence": Fence(1200), "other_candidates": lambda: [], "restart": lambda _: None,
        "ask_instance": lambda: (True, ""), "on_event": lambda _: None, "readers": readers,
        "sleep": slept.append,
    }  # fmt: skip
    state = RunnerState(Direction.FORWARD, opened=True)
    result = Rotation(
        RotationServices(**made), 1, intent(), [], state, who={"run": "r1"}, stall_timeout_s=60
    ).run()
    assert result.direction is Direction.FORWARD
    return journal, slept


def test_it_waits_for_a_reader_that_is_behind() -> None:
    journal, slept = run(near=FakeConnector(), far=FakeConnector(behind=2))
    assert len(slept) == 2
    verified = journal.entries[-1].body["verified"]
    assert "login at near" in verified
    assert "login at far" in verified
    assert journal.entries[-1].is_close


def test_a_reader_that_cannot_be_reached_is_named_and_not_waited_for() -> None:
    journal, slept = run(away=FakeConnector(behind=None))
    assert slept == []
    assert "not judged: away" in journal.entries[-1].body["verified"]
