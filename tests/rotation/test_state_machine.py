"""The state machine, the fence's clock and the journal's key, in a table: what a mutant of one would change."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from opskit.rotation.protocol import fence
from opskit.rotation.protocol.journal import Journal
from opskit.rotation.protocol.state_machine import (
    LOCKED_OUT,
    OVERWRITTEN,
    REPLACED,
    UNHEALTHY,
    Accepts,
    Action,
    Direction,
    Kind,
    Outcome,
    Runner,
    Sight,
    Which,
    decide,
    learn,
)
from tests.rotation.test_records import NAME, opening, published

SIGHT = Sight(None, False, True, Accepts.OLD, False, True, Which.OLD, False, True, held="1@a")
BACK = replace(SIGHT, decision=Direction.BACK, was_published=True)
NEW = replace(SIGHT, database=Accepts.NEW, parameter=Which.NEW, was_published=True, held="2@b")
BY_HAND = replace(NEW, database=Accepts.HELD, parameter=Which.OTHER, held="3@c")
FORWARD, GOES_BACK = Runner(Direction.FORWARD, joined=True), Runner(Direction.BACK, joined=True)
CHANGE = Action(Kind.CHANGE, Which.NEW, Direction.FORWARD)
RESTART = Action(Kind.RESTART, Which.OLD, held="1@a")


def then(sight: Sight, me: Runner, *, restarts: bool = True, resets: bool = True) -> Action:
    return decide(sight, me, restarts=restarts, resets=resets)


@pytest.mark.parametrize(
    ("resets", "kind", "why"), [(True, Kind.CHANGE, ""), (False, Kind.STOP, LOCKED_OUT)]
)
@pytest.mark.parametrize("parameter", [Which.OLD, Which.ABSENT])
def test_only_who_needs_no_login_goes_on_without_one(
    parameter: Which, resets: bool, kind: Kind, why: str
) -> None:
    sight = replace(SIGHT, database=Accepts.NONE, parameter=parameter)
    found = then(sight, FORWARD, resets=resets)
    assert (found.kind, found.why) == (kind, why)


@pytest.mark.parametrize(
    ("outcome", "sent", "is_clean"),
    [
        (Outcome.MISSED, None, True),
        (Outcome.APPLIED, Which.NEW, True),
        (Outcome.UNKNOWN, Which.NEW, False),
        (Outcome.REFUSED, None, True),
    ],
)
def test_a_change_that_was_missed_was_not_sent(
    outcome: Outcome, sent: Which | None, is_clean: bool
) -> None:
    me = learn(FORWARD, CHANGE, outcome)
    assert (me.sent, me.is_clean) == (sent, is_clean)
    assert me.change_refused is (outcome is Outcome.REFUSED)


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (Outcome.APPLIED, Kind.CLOSE),
        (Outcome.MISSED, Kind.RESTART),
        (Outcome.UNHEALTHY, Kind.STOP),
    ],
)
def test_the_way_back_ends_only_with_the_app_on_it(outcome: Outcome, kind: Kind) -> None:
    assert then(BACK, GOES_BACK) == replace(RESTART)
    found = then(BACK, learn(GOES_BACK, RESTART, outcome))
    assert found.kind is kind
    assert found.why == (UNHEALTHY if kind is Kind.STOP else "")
    assert then(BACK, GOES_BACK, restarts=False).kind is Kind.CLOSE


def test_a_restart_is_about_one_version() -> None:
    """A late request came and went while the app started: what it read then may be the other password."""
    me = learn(GOES_BACK, RESTART, Outcome.APPLIED)
    assert then(replace(BACK, held="3@c"), me).kind is Kind.RESTART


def test_a_decision_for_the_new_password_says_nothing_once_it_was_written_again() -> None:
    sight = replace(NEW, decision=Direction.FORWARD, is_app_current=True)
    assert then(sight, FORWARD).kind is Kind.CLOSE
    assert then(replace(sight, is_app_current=False), FORWARD).kind is Kind.RESTART


@pytest.mark.parametrize("decision", [None, Direction.FORWARD, Direction.BACK])
def test_what_others_have_replaced_needs_consent(decision: Direction | None) -> None:
    sight = replace(BY_HAND, decision=decision)
    assert then(sight, FORWARD).why == REPLACED
    found = then(sight, replace(FORWARD, takes_over=True))
    assert (found.kind, found.direction) == (Kind.DECIDE, Direction.SUPERSEDED)
    half = replace(sight, database=Accepts.OLD)
    assert then(half, replace(FORWARD, takes_over=True)).why == OVERWRITTEN


def test_what_is_superseded_follows_the_parameter_and_waits_for_the_fence() -> None:
    sight = replace(BY_HAND, decision=Direction.SUPERSEDED)
    late = replace(sight, database=Accepts.NEW)
    assert then(late, FORWARD) == Action(Kind.CHANGE, Which.OTHER, Direction.SUPERSEDED)
    me = replace(FORWARD, restarted_on="3@c", opened=True)
    assert then(replace(sight, has_joiners=False), me).kind is Kind.CLOSE
    assert then(replace(sight, fence_is_over=False), me).kind is Kind.HOLD


@pytest.mark.parametrize(
    ("sight", "to"),
    [(replace(NEW, parameter=Which.ABSENT), Which.NEW), (replace(BACK, parameter=Which.ABSENT), Which.OLD)],
)  # fmt: skip
def test_a_deleted_parameter_is_written_again(sight: Sight, to: Which) -> None:
    found = then(sight, FORWARD)
    assert (found.kind, found.to) == (Kind.PUBLISH, to)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, Kind.CLOSE_CLEAN),
        ({"has_joiners": True}, Kind.HOLD),
        ({"is_clean": False}, Kind.HOLD),
        ({"opened": False}, Kind.HOLD),
    ],
)
def test_only_the_opener_of_an_undisturbed_one_closes_without_the_fence(
    changes: dict[str, bool], kind: Kind
) -> None:
    joined = changes.pop("has_joiners", False)
    me = replace(GOES_BACK, **{"opened": True, "restarted_on": "1@a", **changes})
    assert then(replace(BACK, has_joiners=joined, fence_is_over=False), me).kind is kind


def test_without_a_restart_nothing_is_said_of_the_app() -> None:
    assert "runs" not in then(NEW, FORWARD, restarts=False).why


def test_the_fence_goes_by_a_clock_that_runs_while_the_machine_sleeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept = {"s": 0.0}
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    monkeypatch.setattr(time, "clock_gettime", lambda c: slept["s"] if c == clock else 0.0)
    found = fence.Fence(1200)
    found.looked()
    found.check()
    slept["s"] = found.look_s - 0.1
    found.check()
    slept["s"] = found.look_s + 0.1
    with pytest.raises(fence.TooOld):
        found.check()


@pytest.mark.parametrize("key_id", ["alias/linkbox", None])
def test_the_record_of_both_passwords_is_under_the_parameters_own_key(key_id: str | None) -> None:
    sent: list[dict[str, Any]] = []

    class Changing:
        def put_parameter(self, **named: Any) -> None:
            sent.append(named)

    journal = Journal(None, Changing(), NAME)  # type: ignore[arg-type]
    journal.open(1, opening(published=(published(key_id=key_id),)))
    [named] = sent
    assert named["Type"] == "SecureString"
    assert named.get("KeyId") == key_id
    assert named["Overwrite"] is False
