"""The measured login outage, and the described effects of --resume and --rollback."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from opskit.rotation.protocol.interface import ControlPlaneState, DatabaseCredential
from opskit.rotation.protocol.journal import Record
from opskit.rotation.protocol.login_outage import LoginOutage
from opskit.rotation.protocol.state_machine import (
    CredentialState,
    DatabaseState,
    Direction,
    Observation,
)
from opskit.rotation.status import RotationStatus, logins_fail_now, resume_words, rollback_words
from opskit.secret import Secret
from tests.rotation.test_records import intent

SOUND = (DatabaseState.OLD, CredentialState.OLD)
APART = (DatabaseState.NEW, CredentialState.OLD)


def test_it_begins_with_the_last_login_that_was_sound() -> None:
    outage = LoginOutage()
    outage.observed(*SOUND, 0.0, 0.1)
    outage.change_sent(1.0)
    outage.observed(*SOUND, 2.0, 2.1)
    outage.observed(*APART, 3.0, 3.1)
    outage.parameter_written(3.5)
    outage.restarted(5.0)
    assert outage.seconds == pytest.approx(1.5)
    assert outage.restarts_s == pytest.approx(3.0)


def test_a_change_that_is_in_force_at_once_is_measured_from_its_sending() -> None:
    outage = LoginOutage()
    outage.observed(*SOUND, 0.0, 0.1)
    outage.change_sent(1.0)
    outage.observed(*APART, 1.2, 1.3)
    outage.parameter_written(1.4)
    assert outage.seconds == pytest.approx(0.4)


def test_what_never_changed_never_failed() -> None:
    outage = LoginOutage()
    outage.observed(*SOUND, 0.0, 0.1)
    outage.change_sent(1.0)
    outage.observed(*SOUND, 2.0, 2.1)
    assert (outage.seconds, outage.restarts_s) == (None, None)


def test_going_back_counts_until_the_database_is_back() -> None:
    outage = LoginOutage()
    outage.change_sent(1.0)
    outage.observed(*APART, 2.0, 2.1)
    outage.observed(*APART, 3.0, 3.1)
    outage.observed(*SOUND, 4.0, 4.1)
    assert outage.seconds == pytest.approx(3.1)


def test_who_comes_later_has_not_seen_the_beginning() -> None:
    outage = LoginOutage()
    outage.observed(*APART, 1.0, 1.1)
    outage.parameter_written(1.5)
    assert outage.seconds is None


def situation(**changes: Any) -> RotationStatus:
    observation = Observation(
        decision=None, is_closed=False, has_joiners=False, database=DatabaseState.OLD, is_pending=False,
        is_stable=True, stored=CredentialState.OLD, was_published=False, fence_is_over=False,
    )  # fmt: skip
    record = Record(3, datetime.now(UTC), (), datetime.now(UTC))
    return RotationStatus(
        record,
        intent(),
        replace(observation, **changes),
        ControlPlaneState(True, "linkbox-db is modifying", "linkbox-db"),
    )


NEW_NEW = {"database": DatabaseState.NEW, "stored": CredentialState.NEW, "was_published": True}


@pytest.mark.parametrize(
    ("changes", "resume", "rollback", "logins_failing"),
    [
        ({}, "gives linkbox the new password", "nothing has to be undone", False),
        ({"database": DatabaseState.NEW}, "writes the new password to /linkbox/db-password", "gives linkbox its old", True),
        (NEW_NEW, "restarts the app on the new", "writes it back to /linkbox/db-password", False),
        ({**NEW_NEW, "decision": Direction.FORWARD}, "closes it", "too late", False),
        ({"decision": Direction.ROLLBACK}, "goes on going back", "nothing has to be undone", False),
        ({**NEW_NEW, "database": DatabaseState.OLD}, "gives linkbox the new", "writes it back", True),
        ({"is_pending": True}, "waits until linkbox-db is available", "nothing has to be undone", False),
        ({"is_pending": True, "database": DatabaseState.NEW}, "writes the new password", "gives linkbox its old", True),
    ],
)  # fmt: skip
def test_the_resting_states_in_words(
    changes: dict[str, object], resume: str, rollback: str, logins_failing: bool
) -> None:
    found = situation(**changes)
    assert resume in resume_words(found)
    assert rollback in rollback_words(found, 1200)
    assert logins_fail_now(found) is logins_failing


def test_two_users_need_no_undoing() -> None:
    found = situation(database=DatabaseState.NEW)
    turns = intent(new=DatabaseCredential("linkbox_clone", Secret("x")))
    found = replace(found, intent=turns)
    assert not logins_fail_now(found)
    assert "nothing has to be undone" in rollback_words(found, 60)
    assert logins_fail_now(
        replace(found, observation=replace(found.observation, stored=CredentialState.MIXED))
    )
