"""For how long logins could fail, from what looks showed; and what the ways on would do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from opskit.rotation.protocol.interface import Login
from opskit.rotation.protocol.journal import Record
from opskit.rotation.protocol.login_outage import Window
from opskit.rotation.protocol.state_machine import Accepts, Direction, Sight, Which
from opskit.rotation.status import Situation, is_urgent, resume_words, rollback_words
from opskit.secret import Secret
from tests.rotation.test_records import opening

SOUND = (Accepts.OLD, Which.OLD)
APART = (Accepts.NEW, Which.OLD)


def test_it_begins_with_the_last_login_that_was_sound() -> None:
    window = Window()
    window.saw(*SOUND, 0.0, 0.1)
    window.changes(1.0)
    window.saw(*SOUND, 2.0, 2.1)
    window.saw(*APART, 3.0, 3.1)
    window.published(3.5)
    window.restarted(5.0)
    assert window.seconds == pytest.approx(1.5)
    assert window.restarts_s == pytest.approx(3.0)


def test_a_change_that_is_in_force_at_once_is_measured_from_its_sending() -> None:
    window = Window()
    window.saw(*SOUND, 0.0, 0.1)
    window.changes(1.0)
    window.saw(*APART, 1.2, 1.3)
    window.published(1.4)
    assert window.seconds == pytest.approx(0.4)


def test_what_never_changed_never_failed() -> None:
    window = Window()
    window.saw(*SOUND, 0.0, 0.1)
    window.changes(1.0)
    window.saw(*SOUND, 2.0, 2.1)
    assert (window.seconds, window.restarts_s) == (None, None)


def test_going_back_counts_until_the_database_is_back() -> None:
    window = Window()
    window.changes(1.0)
    window.saw(*APART, 2.0, 2.1)
    window.saw(*APART, 3.0, 3.1)
    window.saw(*SOUND, 4.0, 4.1)
    assert window.seconds == pytest.approx(3.1)


def test_who_comes_later_has_not_seen_the_beginning() -> None:
    window = Window()
    window.saw(*APART, 1.0, 1.1)
    window.published(1.5)
    assert window.seconds is None


def situation(**changes: object) -> Situation:
    sight = Sight(
        decision=None, is_closed=False, has_joiners=False, database=Accepts.OLD, is_pending=False,
        is_settled=True, parameter=Which.OLD, was_published=False, fence_is_over=False,
    )  # fmt: skip
    record = Record(3, datetime.now(UTC), (), datetime.now(UTC))
    return Situation(record, opening(), replace(sight, **changes), "linkbox-db is modifying")  # type: ignore[arg-type]


NEW_NEW = {"database": Accepts.NEW, "parameter": Which.NEW, "was_published": True}


@pytest.mark.parametrize(
    ("changes", "resume", "rollback", "urgent"),
    [
        ({}, "gives linkbox the new password", "nothing has to be undone", False),
        ({"database": Accepts.NEW}, "writes the new password to /linkbox/db-password", "gives linkbox its old", True),
        (NEW_NEW, "restarts the app on the new", "writes it back to /linkbox/db-password", False),
        ({**NEW_NEW, "decision": Direction.FORWARD}, "closes it", "too late", False),
        ({"decision": Direction.BACK}, "goes on going back", "nothing has to be undone", False),
        ({**NEW_NEW, "database": Accepts.OLD}, "gives linkbox the new", "writes it back", True),
        ({"is_pending": True}, "waits until linkbox-db is available", "nothing has to be undone", False),
        ({"is_pending": True, "database": Accepts.NEW}, "writes the new password", "gives linkbox its old", True),
    ],
)  # fmt: skip
def test_the_resting_states_in_words(
    changes: dict[str, object], resume: str, rollback: str, urgent: bool
) -> None:
    found = situation(**changes)
    assert resume in resume_words(found)
    assert rollback in rollback_words(found, 1200)
    assert is_urgent(found) is urgent


def test_two_users_need_no_undoing() -> None:
    found = situation(database=Accepts.NEW)
    turns = opening(new=Login("linkbox_clone", Secret("x")))
    found = replace(found, opening=turns)
    assert not is_urgent(found)
    assert "nothing has to be undone" in rollback_words(found, 60)
    assert is_urgent(replace(found, sight=replace(found.sight, parameter=Which.MIXED)))
