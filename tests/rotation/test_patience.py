"""A runner's waiting times, and its messages about them."""

from __future__ import annotations

from typing import Any

from opskit.engine.interface import LoginFailure, LoginResult
from opskit.rotation.protocol.fence import Fence, StaleObservation
from opskit.rotation.protocol.runner import Rotation
from opskit.rotation.protocol.services import RotationResult, RotationServices
from opskit.rotation.protocol.state_machine import (
    CallOutcome,
    CredentialState,
    Direction,
    RunnerState,
    StopReason,
)
from opskit.rotation.steps.credential_writer import CredentialSnapshot
from opskit.secret import Secret
from tests.rotation.test_readers import Journal, Strategy
from tests.rotation.test_records import OLD, intent


class FakeConnector:
    """Connector to a database that accepts the old password."""

    description = "from this machine"

    def try_login(self, _: str, password: Secret) -> LoginResult:
        has = password == OLD
        return LoginResult(has, None if has else LoginFailure.PASSWORD, "", 1.0)


class OldWriter:
    """Parameters that hold the old password."""

    def read(self) -> CredentialSnapshot:
        return CredentialSnapshot(CredentialState.OLD, (1,))


class Slow(Journal):
    """A client that replies so late that nothing is sent on its observation."""

    def write(self, _: int, name: str, body: dict[str, Any]) -> CallOutcome:
        raise StaleObservation


def go_back(
    journal: Journal, stall_timeout_s: float, parameters: OldWriter | None = None
) -> RotationResult:
    now = [100.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    journal.entries = [e for e in journal.entries if e.name != "decision"]
    made: dict[str, Any] = {
        "journal": journal, "writer": parameters or OldWriter(), "strategy": Strategy(), "connector": FakeConnector(),
        "fence": Fence(1200), "other_candidates": lambda: [], "restart": lambda _: None,
        "ask_instance": lambda: (True, ""), "on_event": lambda _: None, "readers": {},
        "sleep": sleep, "clock": lambda: now[0],
    }  # fmt: skip
    state = RunnerState(Direction.ROLLBACK, opened=True)
    return Rotation(
        RotationServices(**made),
        1,
        intent(),
        [],
        state,
        who={"run": "r1"},
        stall_timeout_s=stall_timeout_s,
    ).run()


def test_a_short_wait_outlasts_the_hold_down() -> None:
    """Each run holds it down from its own beginning, so that a shorter one would never close."""
    assert go_back(Journal(), 5).direction is Direction.ROLLBACK


def test_a_way_too_slow_for_the_fence_is_named() -> None:
    result = go_back(Slow(), 60)
    assert result.direction is None
    assert "--fence" in result.why


def test_what_is_over_is_no_reason_any_more() -> None:
    """The decision's reason is not the reason of a later stop."""
    journal = Journal()

    class Overwritten(OldWriter):
        def read(self) -> CredentialSnapshot:
            return CredentialSnapshot(
                CredentialState.OTHER if journal.entries else CredentialState.OLD, (1,)
            )

    assert go_back(journal, 60, Overwritten()).why == StopReason.OVERWRITTEN
