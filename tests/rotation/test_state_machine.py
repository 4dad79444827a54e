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
    CredentialState,
    DatabaseState,
    Direction,
    Observation,
    PasswordVersion,
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
    CredentialState.OLD,
    False,
    True,
    fingerprint="1@a",
)
BACK = replace(SIGHT, decision=Direction.ROLLBACK, was_published=True)
NEW = replace(
    SIGHT,
    database=DatabaseState.NEW,
    stored=CredentialState.NEW,
    was_published=True,
    fingerprint="2@b",
)
BY_HAND = replace(NEW, database=DatabaseState.HELD, stored=CredentialState.OTHER, fingerprint="3@c")
FORWARD, GOES_BACK = (
    RunnerState(Direction.FORWARD, joined=True),
    RunnerState(Direction.ROLLBACK, joined=True),
)
CHANGE = Action(ActionKind.CHANGE, PasswordVersion.NEW, Direction.FORWARD)
RESTART = Action(ActionKind.RESTART, PasswordVersion.OLD, fingerprint="1@a")


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
@pytest.mark.parametrize("stored", [CredentialState.OLD, CredentialState.ABSENT])
def test_only_who_needs_no_login_goes_on_without_one(
    stored: CredentialState, needs_no_login: bool, kind: ActionKind, stop: StopReason | None
) -> None:
    observation = replace(SIGHT, database=DatabaseState.NONE, stored=stored)
    found = then(observation, FORWARD, needs_no_login=needs_no_login)
    assert (found.kind, found.stop) == (kind, stop)


@pytest.mark.parametrize(
    ("outcome", "sent", "is_clean"),
    [
        (CallOutcome.NOT_APPLIED, None, True),
        (CallOutcome.APPLIED, PasswordVersion.NEW, True),
        (CallOutcome.UNKNOWN, PasswordVersion.NEW, False),
        (CallOutcome.REFUSED, None, True),
    ],
)
def test_a_change_that_was_not_applied_was_not_sent(
    outcome: CallOutcome, sent: PasswordVersion | None, is_clean: bool
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
        ActionKind.CHANGE, PasswordVersion.OTHER, Direction.SUPERSEDED
    )
    state = replace(FORWARD, restarted_on="3@c", opened=True)
    assert then(replace(observation, has_joiners=False), state).kind is ActionKind.CLOSE
    assert then(replace(observation, fence_is_over=False), state).kind is ActionKind.AWAIT_FENCE


@pytest.mark.parametrize(
    ("observation", "to"),
    [(replace(NEW, stored=CredentialState.ABSENT), PasswordVersion.NEW), (replace(BACK, stored=CredentialState.ABSENT), PasswordVersion.OLD)],
)  # fmt: skip
def test_a_deleted_parameter_is_written_again(
    observation: Observation, to: PasswordVersion
) -> None:
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


def wait(why: str, to: PasswordVersion | None = None) -> Action:
    return Action(ActionKind.WAIT, to, why=why)


def stop(reason: StopReason) -> Action:
    return Action(ActionKind.STOP, stop=reason)


def change(to: PasswordVersion, direction: Direction) -> Action:
    return Action(ActionKind.CHANGE, to, direction)


def publish(to: PasswordVersion, direction: Direction) -> Action:
    return Action(ActionKind.PUBLISH, to, direction)


def decision(direction: Direction, why: str, fingerprint: str = "") -> Action:
    return Action(ActionKind.DECIDE, direction=direction, why=why, fingerprint=fingerprint)


NEW_UNPUBLISHED = replace(NEW, stored=CredentialState.OLD, was_published=False)
SUPERSEDED = replace(BY_HAND, decision=Direction.SUPERSEDED)
PENDING = "the database applies a change"
NOT_APPLIED_YET = "the database has not applied the change yet"
MAY_NOT_SHOW = "an accepted change may not show yet"
RUNS, NOT_RESTARTED = "the app runs on the new one", "the app is not restarted by opskit"


@pytest.mark.parametrize(
    ("observation", "state", "expected"),
    [
        pytest.param(replace(SIGHT, is_closed=True), RunnerState(Direction.FORWARD), Action(ActionKind.FINISHED), id="closed, also for who has not joined"),
        pytest.param(SIGHT, RunnerState(Direction.FORWARD), Action(ActionKind.JOIN), id="joins before anything else"),
        pytest.param(replace(SIGHT, database=DatabaseState.UNJUDGED), FORWARD, wait("no login can be judged"), id="no login can be judged"),
        pytest.param(replace(SIGHT, is_pending=True), FORWARD, wait(PENDING), id="forward, pending, the old one logs in"),
        pytest.param(replace(BACK, database=DatabaseState.NEW, is_pending=True), GOES_BACK, wait(PENDING), id="back, pending, the new one logs in"),
        pytest.param(replace(NEW_UNPUBLISHED, is_pending=True), FORWARD, publish(PasswordVersion.NEW, Direction.FORWARD), id="what logs in is published while the database is busy"),
        pytest.param(replace(NEW, is_pending=True, decision=Direction.FORWARD, is_app_current=True), FORWARD, wait(PENDING), id="not closed while the database is busy"),
        pytest.param(replace(SIGHT, database=DatabaseState.OTHER), FORWARD, stop(StopReason.CHANGED), id="an earlier password was set"),
        pytest.param(BY_HAND, FORWARD, stop(StopReason.REPLACED), id="replaced by hand"),
        pytest.param(BY_HAND, replace(FORWARD, takes_over=True), decision(Direction.SUPERSEDED, "another user has replaced the password"), id="replaced by hand, with consent"),
        pytest.param(replace(BY_HAND, database=DatabaseState.OLD), FORWARD, stop(StopReason.OVERWRITTEN), id="what is written by hand does not log in"),
        pytest.param(replace(BACK, has_joiners=False), replace(GOES_BACK, opened=True, restarted_on="1@a"), Action(ActionKind.CLOSE_IMMEDIATELY, direction=Direction.ROLLBACK), id="its opener closes what nobody disturbed"),
        pytest.param(SIGHT, FORWARD, CHANGE, id="forward begins with the database"),
        pytest.param(SIGHT, replace(FORWARD, sent=PasswordVersion.NEW), CHANGE, id="a stable observation shows that a sent change is not applied"),
        pytest.param(replace(SIGHT, is_stable=False), FORWARD, CHANGE, id="nothing was sent: nothing to wait for"),
        pytest.param(replace(SIGHT, is_stable=False), replace(FORWARD, sent=PasswordVersion.NEW), wait(NOT_APPLIED_YET, PasswordVersion.NEW), id="a sent change may still show"),
        pytest.param(replace(SIGHT, is_stable=False), replace(FORWARD, sent=PasswordVersion.OLD), CHANGE, id="what was sent was the other one"),
        pytest.param(NEW_UNPUBLISHED, FORWARD, publish(PasswordVersion.NEW, Direction.FORWARD), id="forward: the parameter is second"),
        pytest.param(NEW, FORWARD, Action(ActionKind.RESTART, PasswordVersion.NEW, fingerprint="2@b"), id="forward: the app is third"),
        pytest.param(NEW, replace(FORWARD, restarted_on="2@b"), decision(Direction.FORWARD, RUNS, "2@b"), id="forward is decided when the app runs"),
        pytest.param(replace(NEW, decision=Direction.FORWARD), replace(FORWARD, restarted_on="2@b"), Action(ActionKind.CLOSE, direction=Direction.FORWARD), id="forward is closed"),
        pytest.param(replace(NEW, decision=Direction.FORWARD, fence_is_over=False), replace(FORWARD, restarted_on="2@b"), Action(ActionKind.CLOSE, direction=Direction.FORWARD), id="forward is closed without the fence"),
        pytest.param(replace(NEW, is_app_current=True), replace(FORWARD, wants=Direction.ROLLBACK), decision(Direction.ROLLBACK, "it was asked for"), id="a way back that is asked for is decided first"),
        pytest.param(SIGHT, replace(FORWARD, change_refused=True), decision(Direction.ROLLBACK, str(StopReason.CHANGE_REFUSED)), id="turns back: the database refused"),
        pytest.param(NEW_UNPUBLISHED, replace(FORWARD, change_refused=True), publish(PasswordVersion.NEW, Direction.FORWARD), id="a refused change was applied after all"),
        pytest.param(NEW_UNPUBLISHED, replace(FORWARD, publish_refused=True), decision(Direction.ROLLBACK, str(StopReason.PUBLISH_REFUSED)), id="turns back: the parameter refused"),
        pytest.param(replace(NEW, is_app_current=True), replace(FORWARD, publish_refused=True), decision(Direction.FORWARD, RUNS, "2@b"), id="a refused write was applied after all"),
        pytest.param(NEW, replace(FORWARD, unhealthy_on="2@b"), decision(Direction.ROLLBACK, str(StopReason.NEW_UNHEALTHY)), id="turns back: the app is not healthy"),
        pytest.param(NEW, replace(FORWARD, unhealthy_on="2@b", stops_on_unhealthy=True), stop(StopReason.NEW_UNHEALTHY), id="stops in place of turning back"),
        pytest.param(SIGHT, replace(FORWARD, change_refused=True, stops_on_unhealthy=True), decision(Direction.ROLLBACK, str(StopReason.CHANGE_REFUSED)), id="the app was healthy: a refusal turns back all the same"),
        pytest.param(NEW, replace(FORWARD, unhealthy_on="1@a"), Action(ActionKind.RESTART, PasswordVersion.NEW, fingerprint="2@b"), id="the app was unhealthy on an earlier value"),
        pytest.param(NEW_UNPUBLISHED, replace(FORWARD, unhealthy_on="2@b"), publish(PasswordVersion.NEW, Direction.FORWARD), id="the app was unhealthy on the old one"),
        pytest.param(BACK, replace(GOES_BACK, undo_refused=True), stop(StopReason.ROLLBACK_REFUSED), id="the way back was refused"),
        pytest.param(replace(BACK, database=DatabaseState.NEW), GOES_BACK, change(PasswordVersion.OLD, Direction.ROLLBACK), id="back begins with the database"),
        pytest.param(replace(BACK, database=DatabaseState.NEW, is_stable=False), replace(GOES_BACK, sent=PasswordVersion.OLD), wait(NOT_APPLIED_YET, PasswordVersion.OLD), id="the way back may still show"),
        pytest.param(replace(BACK, stored=CredentialState.NEW), GOES_BACK, publish(PasswordVersion.OLD, Direction.ROLLBACK), id="back: the parameter is second"),
        pytest.param(replace(BACK, was_published=False), GOES_BACK, Action(ActionKind.CLOSE, direction=Direction.ROLLBACK), id="the app never saw the new one"),
        pytest.param(replace(BACK, was_published=False, is_stable=False), GOES_BACK, wait(MAY_NOT_SHOW), id="back waits until the description is stable"),
        pytest.param(replace(BACK, was_published=False, fence_is_over=False), GOES_BACK, Action(ActionKind.AWAIT_FENCE), id="back waits for the fence"),
        pytest.param(replace(SUPERSEDED, stored=CredentialState.ABSENT), FORWARD, stop(StopReason.DELETED), id="deleted after it was replaced by hand"),
        pytest.param(replace(SUPERSEDED, stored=CredentialState.MIXED), FORWARD, stop(StopReason.DELETED), id="two parameters disagree"),
        pytest.param(SUPERSEDED, replace(FORWARD, undo_refused=True), stop(StopReason.FOLLOW_REFUSED), id="the database refused what the parameter holds"),
        pytest.param(SUPERSEDED, FORWARD, Action(ActionKind.RESTART, PasswordVersion.OTHER, fingerprint="3@c"), id="the app follows the parameter"),
        pytest.param(SUPERSEDED, replace(FORWARD, unhealthy_on="3@c"), stop(StopReason.UNHEALTHY), id="the app is unhealthy on what the parameter holds"),
        pytest.param(SUPERSEDED, replace(FORWARD, restarted_on="3@c"), Action(ActionKind.CLOSE, direction=Direction.SUPERSEDED), id="superseded is closed"),
        pytest.param(replace(NEW, decision=Direction.SUPERSEDED), replace(FORWARD, restarted_on="2@b"), Action(ActionKind.CLOSE, direction=Direction.SUPERSEDED), id="both hold the new one: nothing to follow"),
        pytest.param(replace(NEW, decision=Direction.SUPERSEDED, database=DatabaseState.OLD), FORWARD, change(PasswordVersion.NEW, Direction.SUPERSEDED), id="a delayed request wrote the parameter"),
        pytest.param(replace(SUPERSEDED, database=DatabaseState.OLD, is_stable=False), replace(FORWARD, sent=PasswordVersion.OTHER), wait(NOT_APPLIED_YET, PasswordVersion.OTHER), id="what was sent to follow may still show"),
    ],
)  # fmt: skip
def test_the_next_action(observation: Observation, state: RunnerState, expected: Action) -> None:
    assert then(observation, state) == expected


@pytest.mark.parametrize(
    ("observation", "state", "expected"),
    [
        (NEW, FORWARD, decision(Direction.FORWARD, NOT_RESTARTED, "2@b")),
        (SUPERSEDED, FORWARD, Action(ActionKind.CLOSE, direction=Direction.SUPERSEDED)),
        (BACK, GOES_BACK, Action(ActionKind.CLOSE, direction=Direction.ROLLBACK)),
    ],
)
def test_an_app_that_is_not_restarted_holds_nothing_up(
    observation: Observation, state: RunnerState, expected: Action
) -> None:
    assert then(observation, state, restarts=False) == expected


JOIN = Action(ActionKind.JOIN)
BACKWARD = change(PasswordVersion.OLD, Direction.ROLLBACK)
PUBLISH_NEW = publish(PasswordVersion.NEW, Direction.FORWARD)
PUBLISH_OLD = publish(PasswordVersion.OLD, Direction.ROLLBACK)
UNHEALTHY = replace(FORWARD, unhealthy_on="1@a")


@pytest.mark.parametrize(
    ("state", "action", "outcome", "changes"),
    [
        pytest.param(RunnerState(Direction.FORWARD), JOIN, CallOutcome.APPLIED, {"joined": True}, id="joined"),
        pytest.param(RunnerState(Direction.FORWARD), JOIN, CallOutcome.EXISTS, {}, id="the name was taken"),
        pytest.param(FORWARD, JOIN, CallOutcome.UNKNOWN, {}, id="who has joined stays joined"),
        pytest.param(UNHEALTHY, CHANGE, CallOutcome.APPLIED, {"sent": PasswordVersion.NEW, "unhealthy_on": ""}, id="the missing change may have made the app unhealthy"),
        pytest.param(UNHEALTHY, CHANGE, CallOutcome.REFUSED, {"change_refused": True}, id="a refused change heals nothing"),
        pytest.param(FORWARD, BACKWARD, CallOutcome.REFUSED, {"undo_refused": True}, id="the way back was refused"),
        pytest.param(FORWARD, PUBLISH_NEW, CallOutcome.APPLIED, {}, id="published"),
        pytest.param(FORWARD, PUBLISH_NEW, CallOutcome.UNKNOWN, {"is_clean": False}, id="a write without an answer"),
        pytest.param(replace(FORWARD, is_clean=False), PUBLISH_NEW, CallOutcome.APPLIED, {}, id="an answer does not clean what was before"),
        pytest.param(FORWARD, PUBLISH_NEW, CallOutcome.REFUSED, {"publish_refused": True}, id="the parameter refused the new one"),
        pytest.param(FORWARD, PUBLISH_OLD, CallOutcome.REFUSED, {"undo_refused": True}, id="the parameter refused the old one"),
        pytest.param(FORWARD, PUBLISH_OLD, CallOutcome.APPLIED, {}, id="published the old one"),
        pytest.param(replace(FORWARD, publish_refused=True, undo_refused=True), PUBLISH_NEW, CallOutcome.APPLIED, {}, id="a refusal is remembered"),
        pytest.param(UNHEALTHY, RESTART, CallOutcome.APPLIED, {"restarted_on": "1@a", "unhealthy_on": ""}, id="healthy again"),
        pytest.param(FORWARD, RESTART, CallOutcome.UNHEALTHY, {"unhealthy_on": "1@a"}, id="not healthy"),
        pytest.param(UNHEALTHY, RESTART, CallOutcome.UNKNOWN, {}, id="a restart that nobody saw"),
        pytest.param(FORWARD, Action(ActionKind.CLOSE), CallOutcome.UNKNOWN, {}, id="a close is judged by the next observation"),
    ],
)  # fmt: skip
def test_what_a_runner_remembers(
    state: RunnerState, action: Action, outcome: CallOutcome, changes: dict[str, Any]
) -> None:
    assert record_outcome(state, action, outcome) == replace(state, **changes)


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
