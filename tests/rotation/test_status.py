"""Checks that --status describes what --resume then does, and that every stop has a next step."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from opskit.rotation.protocol.interface import ControlPlaneState
from opskit.rotation.protocol.journal import Record
from opskit.rotation.protocol.state_machine import (
    CredentialState,
    DatabaseState,
    Direction,
    Observation,
    StopReason,
)
from opskit.rotation.status import (
    RotationStatus,
    logins_fail_now,
    resume_words,
    rollback_words,
    stop_advice,
)
from tests.rotation.test_records import intent

RECORD = Record(1, None, (), datetime(2026, 1, 1, tzinfo=UTC))
SIGHT = Observation(
    None, False, False, DatabaseState.NEW, False, True, CredentialState.NEW, True, False
)
HERE = RotationStatus(RECORD, intent(), SIGHT, ControlPlaneState(False, ""))


def test_status_does_not_promise_what_resume_refuses() -> None:
    stopped = replace(HERE, stops="no known password logs in: tried without success: a, b")
    for words in (resume_words(stopped), rollback_words(stopped, 1200)):
        assert words.startswith("stops: no known password logs in")


@pytest.mark.parametrize(
    ("stop", "parts"),
    [
        (StopReason.LOCKED_OUT, ("an administrator", "--password-stdin", "--resume   goes on")),
        (StopReason.OVERWRITTEN, ("repair --prefix /l   writes", "--resume   goes on")),
        (StopReason.CHANGED, ("repair --prefix /l   writes", "--resume   goes on")),
        (StopReason.DELETED, ("repair --prefix /l   writes", "--resume   goes on")),
        (StopReason.REPLACED, ("--resume --take-over",)),
        (StopReason.UNHEALTHY, ("--resume   restarts", "--resume --restart none")),
        (StopReason.ROLLBACK_REFUSED, ()),
    ],
)
def test_every_stop_has_a_way_on(stop: StopReason, parts: tuple[str, ...]) -> None:
    advice = stop_advice(stop, intent(), "--prefix /l")
    assert bool(advice) is bool(parts)
    for part in parts:
        assert any(part in line for line in advice), advice


def test_a_deleted_parameter_is_urgent() -> None:
    assert logins_fail_now(replace(HERE, observation=replace(SIGHT, stored=CredentialState.ABSENT)))
    assert not logins_fail_now(HERE)


def test_too_late_for_the_old_password_names_the_way_to_it() -> None:
    decided = replace(HERE, observation=replace(SIGHT, decision=Direction.FORWARD))
    assert "--previous-password" in rollback_words(decided, 1200)
    over = replace(HERE, observation=replace(SIGHT, decision=Direction.SUPERSEDED))
    assert "too late" in rollback_words(over, 1200)
    assert "follow" in resume_words(over)
