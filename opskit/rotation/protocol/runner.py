"""Runs one process's part of a rotation: observe, decide, act, record the outcome, repeat."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from opskit.errors import AwsError, OpskitError
from opskit.rotation.protocol.fence import StaleObservation
from opskit.rotation.protocol.interface import (
    ChangeOutcome,
    ControlPlaneState,
    RotationIntent,
)
from opskit.rotation.protocol.journal import SUPERSEDED
from opskit.rotation.protocol.login_outage import LoginOutage
from opskit.rotation.protocol.login_verification import verify_logins
from opskit.rotation.protocol.messages import describe
from opskit.rotation.protocol.observe import Observer
from opskit.rotation.protocol.services import Event, RotationResult, RotationServices
from opskit.rotation.protocol.state_machine import (
    Action,
    ActionKind,
    CallOutcome,
    Direction,
    Observation,
    PasswordVersion,
    RunnerState,
    StopReason,
    decide,
    record_outcome,
)
from opskit.rotation.steps.restart import RestartResult
from opskit.workload.interface import RestartTarget

log = logging.getLogger("opskit.rotation")
POLL_S = 0.5
"""New processes of the app fail from when the database applies the change until this poll notices it."""
SLOW_POLL_S = 5.0
LONGEST_PAUSE_S = 8.0
PUBLISH_TRIES = 3
SLOW_WAY = "AWS answers too slowly for so short a fence (--fence), or this machine slept"
NOT_VERIFIED = "app: not verified"
WRITES_RECORDS = frozenset(
    {ActionKind.JOIN, ActionKind.DECIDE, ActionKind.CLOSE, ActionKind.CLOSE_IMMEDIATELY}
)


class Rotation:
    """A run of one rotation until it is closed or has to stop.

    Args:
        restart_targets: what is restarted, in this order; empty: nothing, and the app is not verified.
        state: what this runner has done so far.
        who: goes into every record that it writes.
        stall_timeout_s: the longest time without progress, the fence not counted.
    """

    def __init__(
        self,
        services: RotationServices,
        number: int,
        intent: RotationIntent,
        restart_targets: Sequence[RestartTarget],
        state: RunnerState,
        *,
        who: Mapping[str, str],
        stall_timeout_s: float,
    ) -> None:
        self._services, self._number, self._intent = services, number, intent
        self._restart_targets, self.state, self._who = tuple(restart_targets), state, dict(who)
        # With less, a rotation that is rolled back could never be closed.
        self._stall_timeout_s = max(stall_timeout_s, 1.5 * services.fence.hold_down_s)
        self._publish_tries = 0
        self._verified: dict[PasswordVersion, list[str]] = {}
        self._healthy: dict[RestartTarget, str] = {}
        self._why = ""
        self._outage = LoginOutage()
        self._observer = Observer(services, number, intent, self._outage)

    @property
    def control(self) -> ControlPlaneState:
        """The control plane's state at the last observation."""
        return self._observer.control

    def run(self) -> RotationResult:
        """Continue until the rotation is closed, or no further step is possible.

        Raises:
            OpskitError: it cannot continue; the rotation stays unfinished.
        """
        idle_since, pause = self._services.clock(), POLL_S
        while True:
            observation, trouble = self._try_to_look()
            if observation is None:
                action, outcome = Action(ActionKind.WAIT, why=trouble), CallOutcome.NOT_APPLIED
            else:
                log.debug("observed: %s", replace(observation, fingerprint=""))
                action = self._decide(observation)
                if action.kind in (ActionKind.STOP, ActionKind.FINISHED):
                    return self._result(action)
                outcome = self._act(action)
            log.debug("%s %s: %s", action.kind, action.to or action.direction or "", outcome)
            self.state = record_outcome(self.state, action, outcome)
            if outcome is CallOutcome.APPLIED and action.kind not in (
                ActionKind.WAIT,
                ActionKind.AWAIT_FENCE,
            ):
                idle_since, pause, self._why = self._services.clock(), POLL_S, ""
                continue
            if action.kind is ActionKind.AWAIT_FENCE:
                idle_since = self._services.clock()
            elif self._services.clock() - idle_since > self._stall_timeout_s:
                why = action.why or f"{action.kind} did not succeed: {self._why}"
                return self._result(
                    Action(ActionKind.STOP, why=f"{why} (for {self._stall_timeout_s:.0f} s)")
                )
            if (
                action.kind not in (ActionKind.WAIT, ActionKind.AWAIT_FENCE)
                and outcome is not CallOutcome.EXISTS
            ):
                pause = min(LONGEST_PAUSE_S, 2 * pause)
            self._services.sleep(
                pause if action.kind is not ActionKind.AWAIT_FENCE else self._hold_pause()
            )

    def observe(self) -> Observation:
        """Observe database, parameters and journal.

        Raises:
            AwsError, OpskitError: something could not be read.
        """
        observation = self._observer.observe(self.state.wants)
        self._why = self._observer.candidates.why or self._why
        return observation

    def next_action(self, observation: Observation, wants: Direction) -> Action:
        """Return what a process that joins now would do next, without doing it."""
        return self._decide(observation, RunnerState(wants, joined=True))

    def describe_stop(self, action: Action) -> str:
        """Return why the action stops, with the evidence; empty if it does not stop."""
        return self._describe_stop(action) if action.kind is ActionKind.STOP else ""

    def _decide(self, observation: Observation, state: RunnerState | None = None) -> Action:
        restarts, resets = bool(self._restart_targets), self._services.strategy.needs_no_login
        return decide(observation, state or self.state, restarts=restarts, needs_no_login=resets)

    def _try_to_look(self) -> tuple[Observation | None, str]:
        """Observe; on an AWS error that a retry may cure, return the reason instead."""
        try:
            return self.observe(), ""
        except AwsError as error:
            if not error.may_have_been_applied:
                raise OpskitError(
                    f"it cannot be seen how far the rotation is: {error.permission}: {error.code}"
                ) from None
            return None, f"{error.permission} failed: {error.code}"

    def _act(self, action: Action) -> CallOutcome:
        started = self._services.clock()
        log.debug("%s begins", action.kind)
        try:
            outcome = self._do(action)
        except StaleObservation:
            # The request was not sent.
            limit_s = self._services.fence.max_observation_age_s
            self._why = f"{limit_s:.1f} s after a look nothing is sent on it: {SLOW_WAY}"
            return CallOutcome.NOT_APPLIED
        except AwsError as error:
            self._why = f"{error.permission}: {error.code}: {error.message[:200]}"
            if not error.may_have_been_applied and action.kind in WRITES_RECORDS:
                raise OpskitError(f"the journal cannot be written: {self._why}") from None
            return CallOutcome.NOT_APPLIED
        if action.kind not in (ActionKind.WAIT, ActionKind.AWAIT_FENCE):
            self._tell(action, outcome, self._services.clock() - started)
        return outcome

    def _do(self, action: Action) -> CallOutcome:
        kind, direction = action.kind, action.direction
        assert self._observer.record is not None  # noqa: S101  set by every observation
        if kind in (ActionKind.WAIT, ActionKind.AWAIT_FENCE):
            self._say_wait(action)
            return CallOutcome.APPLIED
        if kind is ActionKind.JOIN:
            body = {"kind": "join", **self._who}
            return self._write(f"slot-{self._observer.record.free_slot}", body)
        if kind is ActionKind.CHANGE:
            return self._change(action)
        if kind is ActionKind.PUBLISH:
            return self._publish(action.to or PasswordVersion.NEW)
        if kind is ActionKind.RESTART:
            return self._restart(action)
        if kind is ActionKind.DECIDE and direction is not None:
            return self._write_decision(action, direction)
        return self._close(action)

    def _write_decision(self, action: Action, direction: Direction) -> CallOutcome:
        self._why = action.why
        body = {"direction": direction, "why": action.why, **self._who}
        if self._restart_targets and action.fingerprint:
            body["app_runs_on"] = action.fingerprint
        return self._write(SUPERSEDED if direction is Direction.SUPERSEDED else "decision", body)

    def _change(self, action: Action) -> CallOutcome:
        self._outage.change_sent(self._services.clock())
        login = self._observer.credential_of(action.to or PasswordVersion.NEW)
        direction = action.direction or Direction.FORWARD
        change = self._services.strategy.change(login, direction, self._observer.candidates.works)
        self._observer.change_sent_at = self._services.clock()
        return self._heard(change)

    def _publish(self, to: PasswordVersion) -> CallOutcome:
        began = self._services.clock()
        outcome = self._heard(self._services.writer.publish(to))
        if outcome is CallOutcome.APPLIED and self._intent.is_alternating:
            # Both users can log in all the time. Only with two parameters may a reader mix the logins.
            is_single = len(self._intent.published) == 1
            self._outage.seconds = 0.0 if is_single else self._services.clock() - began
        elif outcome is CallOutcome.APPLIED:
            self._outage.parameter_written(self._services.clock())
        if outcome is CallOutcome.REFUSED:
            # A permission granted just now may need a moment. After the last try the database is rolled back.
            self._publish_tries += 1
            if self._publish_tries < PUBLISH_TRIES:
                return CallOutcome.NOT_APPLIED
        return outcome

    def _restart(self, action: Action) -> CallOutcome:
        """Restart every target that is not yet healthy with this value.

        An unhealthy target does not stop the remaining restarts, unless it causes a rollback.
        """
        to, fingerprint = action.to or PasswordVersion.NEW, action.fingerprint
        ill, lost = list[str](), list[str]()
        for restart_target in self._restart_targets:
            if self._healthy.get(restart_target) == fingerprint:
                continue
            self._services.on_event(Event("wait", "restart", f"restarting {restart_target}"))
            result = self._services.restart(restart_target)
            if result.is_healthy:
                self._healthy[restart_target] = fingerprint
                continue
            (lost if result.is_unknown else ill).append(f"{restart_target}: {result.why}")
            if not result.is_unknown and self._goes_back_after(result, to):
                break
        if ill or lost:
            self._why = "; ".join([*ill, *lost])
            return CallOutcome.UNHEALTHY if ill else CallOutcome.NOT_APPLIED
        self._outage.restarted(self._services.clock())
        self._verified.setdefault(to, []).append("the app is healthy")
        return CallOutcome.APPLIED

    def _goes_back_after(self, result: RestartResult, to: PasswordVersion) -> bool:
        """Whether an unhealthy app is a reason for a rollback."""
        if not result.is_about_login or not self._intent.was_healthy:
            # Another cause than the password: a rollback would not fix it.
            self.state = replace(self.state, stops_on_unhealthy=True)
        is_decided = (
            self._observer.record is not None and self._observer.record.decision is not None
        )
        return to is PasswordVersion.NEW and not is_decided and not self.state.stops_on_unhealthy

    def _close(self, action: Action) -> CallOutcome:
        assert action.direction is not None  # noqa: S101  every close action has one
        password = self._observer.password_after(action.direction)
        assert password is not None  # noqa: S101  a runner stops where the locations disagree
        problem, logins = verify_logins(
            self._services, self._observer.credential_of(password), f"the {password} password"
        )
        if problem:
            self._why = problem
            return CallOutcome.NOT_APPLIED
        app = self._verified.get(password, []) if self._restart_targets else [NOT_VERIFIED]
        self._verified[password] = verified = list(dict.fromkeys([*app, *logins]))
        # The check took time, so the state is observed once more right before closing.
        if self._decide(self.observe()) != action:
            return CallOutcome.NOT_APPLIED
        body = {
            "direction": action.direction,
            "strategy": self._intent.strategy,
            "verified": verified,
            "app_verified": bool(self._restart_targets),
            "versions": list(self._observer.versions),
            "window_s": self._outage.seconds,
            **self._who,
        }
        if action.kind is ActionKind.CLOSE_IMMEDIATELY:
            return self._write("slot-2", {"kind": "close", **body})
        return self._write("done", body)

    def _write(self, name: str, body: Mapping[str, Any]) -> CallOutcome:
        return self._services.journal.write(self._number, name, body)

    def _heard(self, change: ChangeOutcome) -> CallOutcome:
        if change.why:
            self._why = change.why
        return change.outcome

    def _hold_pause(self) -> float:
        return min(SLOW_POLL_S, max(POLL_S, self._services.fence.seconds / 20))

    def _say_wait(self, action: Action) -> None:
        text = action.why
        decision = self._observer.record.decided_by if self._observer.record else None
        if (
            action.kind is ActionKind.AWAIT_FENCE
            and decision is not None
            and self._observer.record is not None
        ):
            left = self._services.fence.seconds + 1 - self._observer.record.age_s(decision.at)
            text = (
                "database and parameter agree; a late request may still arrive, so this is closed in "
                f"{max(0.0, left):.0f} s"
            )
        elif self._observer.control.is_pending:
            text = f"{text} ({self._observer.control.description})"
        is_long = action.kind is ActionKind.AWAIT_FENCE
        self._services.on_event(Event("wait", str(action.kind), text, is_long=is_long))

    def _tell(self, action: Action, outcome: CallOutcome, seconds: float) -> None:
        text = describe(action, outcome, self._intent, self._why)
        details = {"outcome": str(outcome), "versions": list(self._observer.versions)}
        self._services.on_event(Event("step", str(action.kind), text, seconds, details))

    def _result(self, action: Action) -> RotationResult:
        record = self._observer.record
        versions = self._observer.versions
        if action.kind is ActionKind.STOP:
            why = self._describe_stop(action)
            outage = self._outage
            return RotationResult(
                None, why, versions, outage.seconds, outage.restarts_s, (), stop=action.stop
            )
        close = record.close if record else None
        direction = Direction(close.body["direction"]) if close else Direction.FORWARD
        decision = record.decided_by if record else None
        why = str(decision.body.get("why", "")) if decision else ""
        password = self._observer.password_after(direction)
        verified = tuple(self._verified.get(password, ())) if password else ()
        is_app_verified = bool(self._restart_targets)
        if not verified and close is not None:
            verified = tuple(close.body.get("verified", ()))
            is_app_verified = bool(close.body.get("app_verified"))
        return RotationResult(
            direction,
            why,
            versions,
            self._outage.seconds,
            self._outage.restarts_s,
            verified,
            is_app_verified=is_app_verified,
        )

    def _describe_stop(self, action: Action) -> str:
        """Return why it stops, with the evidence."""
        why = str(action.stop or action.why)
        evidence = self._why
        if action.stop in (StopReason.OVERWRITTEN, StopReason.REPLACED):
            evidence = self._services.describe_writer()
        elif action.stop is StopReason.LOCKED_OUT:
            evidence = f"tried without success: {', '.join(self._observer.candidates.tried)}"
        elif action.stop is StopReason.UNHEALTHY:
            evidence = f"still on a dead password, or not seen to be well: {self._why}"
        return f"{why}: {evidence}" if evidence and evidence not in why else why
