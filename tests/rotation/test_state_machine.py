"""The state machine, the fence's clock and the journal's key in a table: what a mutant would change."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from opskit.rotation.protocol import fence
from opskit.rotation.protocol.journal import Journal
from opskit.rotation.protocol.state_machine import (
    Action,
    ActionKind,
    CallOutcome,
    DatabaseState,
    Direction,
    Observation,
    ParameterState,
    RunnerState,
    StopReason,
    decide,
    record_outcome,
)
from tests.fake_aws import FakeClient
from tests.rotation.test_records import NAME, intent, published

SIGHT = Observation(
    None,
    False,
    True,
    DatabaseState.OLD,
    False,
    True,
    ParameterState.OLD,
    False,
    True,
    fingerprint="1@a",
)
BACK = replace(SIGHT, decision=Direction.ROLLBACK, was_published=True)
NEW = replace(
    SIGHT,
    database=DatabaseState.NEW,
    parameter=ParameterState.NEW,
    was_published=True,
    fingerprint="2@b",
)
BY_HAND = replace(
    NEW, database=DatabaseState.HELD, parameter=ParameterState.OTHER, fingerprint="3@c"
)
FORWARD, GOES_BACK = (
    RunnerState(Direction.FORWARD, joined=True),
    RunnerState(Direction.ROLLBACK, joined=True),
)
CHANGE = Action(ActionKind.CHANGE, ParameterState.NEW, Direction.FORWARD)
RESTART = Action(ActionKind.RESTART, ParameterState.OLD, fingerprint="1@a")


def then(
    observation: Observation,
    state: RunnerState,
    *,
    restarts: bool = True,
    needs_no_login: bool = True,
) -> Action:
    return decide(observation, state, restarts=restarts, needs_no_login=needs_no_login)


@pytest.mark.parametrize(
    ("needs_no_login", "kind", "stop"),
    [(True, ActionKind.CHANGE, None), (False, ActionKind.STOP, StopReason.LOCKED_OUT)],
)
@pytest.mark.parametrize("parameter", [ParameterState.OLD, ParameterState.ABSENT])
def test_only_who_needs_no_login_goes_on_without_one(
    parameter: ParameterState, needs_no_login: bool, kind: ActionKind, stop: StopReason | None
) -> None:
    observation = replace(SIGHT, database=DatabaseState.NONE, parameter=parameter)
    found = then(observation, FORWARD, needs_no_login=needs_no_login)
    assert (found.kind, found.stop) == (kind, stop)


@pytest.mark.parametrize(
    ("outcome", "sent", "is_clean"),
    [
        (CallOutcome.NOT_APPLIED, None, True),
        (CallOutcome.APPLIED, ParameterState.NEW, True),
        (CallOutcome.UNKNOWN, ParameterState.NEW, False),
        (CallOutcome.REFUSED, None, True),
    ],
)
def test_a_change_that_was_not_applied_was_not_sent(
    outcome: CallOutcome, sent: ParameterState | None, is_clean: bool
) -> None:
    state = record_outcome(FORWARD, CHANGE, outcome)
    assert (state.sent, state.is_clean) == (sent, is_clean)
    assert state.change_refused is (outcome is CallOutcome.REFUSED)


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (CallOutcome.APPLIED, ActionKind.CLOSE),
        (CallOutcome.NOT_APPLIED, ActionKind.RESTART),
        (CallOutcome.UNHEALTHY, ActionKind.STOP),
    ],
)
def test_the_way_back_ends_only_with_the_app_on_it(outcome: CallOutcome, kind: ActionKind) -> None:
    assert then(BACK, GOES_BACK) == replace(RESTART)
    found = then(BACK, record_outcome(GOES_BACK, RESTART, outcome))
    assert found.kind is kind
    assert found.stop is (StopReason.UNHEALTHY if kind is ActionKind.STOP else None)
    assert then(BACK, GOES_BACK, restarts=False).kind is ActionKind.CLOSE


def test_a_restart_is_about_one_version() -> None:
    """A delayed request came and went while the app started, so the app may have read the other password."""
    state = record_outcome(GOES_BACK, RESTART, CallOutcome.APPLIED)
    assert then(replace(BACK, fingerprint="3@c"), state).kind is ActionKind.RESTART


def test_a_decision_for_the_new_password_says_nothing_once_it_was_written_again() -> None:
    observation = replace(NEW, decision=Direction.FORWARD, is_app_current=True)
    assert then(observation, FORWARD).kind is ActionKind.CLOSE
    assert then(replace(observation, is_app_current=False), FORWARD).kind is ActionKind.RESTART


@pytest.mark.parametrize("decision", [None, Direction.FORWARD, Direction.ROLLBACK])
def test_what_others_have_replaced_needs_consent(decision: Direction | None) -> None:
    observation = replace(BY_HAND, decision=decision)
    assert then(observation, FORWARD).stop is StopReason.REPLACED
    found = then(observation, replace(FORWARD, takes_over=True))
    assert (found.kind, found.direction) == (ActionKind.DECIDE, Direction.SUPERSEDED)
    half = replace(observation, database=DatabaseState.OLD)
    assert then(half, replace(FORWARD, takes_over=True)).stop is StopReason.OVERWRITTEN


def test_what_is_superseded_follows_the_parameter_and_waits_for_the_fence() -> None:
    observation = replace(BY_HAND, decision=Direction.SUPERSEDED)
    late = replace(observation, database=DatabaseState.NEW)
    assert then(late, FORWARD) == Action(
        ActionKind.CHANGE, ParameterState.OTHER, Direction.SUPERSEDED
    )
    state = replace(FORWARD, restarted_on="3@c", opened=True)
    assert then(replace(observation, has_joiners=False), state).kind is ActionKind.CLOSE
    assert then(replace(observation, fence_is_over=False), state).kind is ActionKind.AWAIT_FENCE


@pytest.mark.parametrize(
    ("observation", "to"),
    [(replace(NEW, parameter=ParameterState.ABSENT), ParameterState.NEW), (replace(BACK, parameter=ParameterState.ABSENT), ParameterState.OLD)],
)  # fmt: skip
def test_a_deleted_parameter_is_written_again(observation: Observation, to: ParameterState) -> None:
    found = then(observation, FORWARD)
    assert (found.kind, found.to) == (ActionKind.PUBLISH, to)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, ActionKind.CLOSE_IMMEDIATELY),
        ({"has_joiners": True}, ActionKind.AWAIT_FENCE),
        ({"is_clean": False}, ActionKind.AWAIT_FENCE),
        ({"opened": False}, ActionKind.AWAIT_FENCE),
    ],
)
def test_only_the_opener_of_an_undisturbed_one_closes_without_the_fence(
    changes: dict[str, Any], kind: ActionKind
) -> None:
    memory = {name: value for name, value in changes.items() if name != "has_joiners"}
    state = replace(GOES_BACK, **{"opened": True, "restarted_on": "1@a", **memory})
    joined = changes.get("has_joiners", False)
    assert then(replace(BACK, has_joiners=joined, fence_is_over=False), state).kind is kind


def test_without_a_restart_nothing_is_said_of_the_app() -> None:
    assert "runs" not in then(NEW, FORWARD, restarts=False).why


def test_the_fence_goes_by_a_clock_that_runs_while_the_machine_sleeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept = {"s": 0.0}
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    monkeypatch.setattr(time, "clock_gettime", lambda c: slept["s"] if c == clock else 0.0)
    found = fence.Fence(1200)
    found.mark_observed()
    found.check()
    slept["s"] = found.max_observation_age_s - 0.1
    found.check()
    slept["s"] = found.max_observation_age_s + 0.1
    with pytest.raises(fence.StaleObservation):
        found.check()


@pytest.mark.parametrize("key_id", ["alias/linkbox", None])
def test_the_record_of_both_passwords_is_under_the_parameters_own_key(key_id: str | None) -> None:
    sent: list[dict[str, Any]] = []

    class Changing(FakeClient):
        def put_parameter(self, **named: Any) -> None:
            sent.append(named)

    journal = Journal(FakeClient(), Changing(), NAME)
    journal.open(1, intent(published=(published(key_id=key_id),)))
    [named] = sent
    assert named["Type"] == "SecureString"
    assert named.get("KeyId") == key_id
    assert named["Overwrite"] is False
