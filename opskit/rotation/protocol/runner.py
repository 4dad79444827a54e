"""Runs one process's part of a rotation: observe, decide, act, record the outcome, repeat."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from opskit.engine.interface import LoginFailure
from opskit.errors import AwsError, OpskitError
from opskit.facts.interface import run_concurrently
from opskit.rotation.protocol.fence import StaleObservation
from opskit.rotation.protocol.interface import (
    ChangeOutcome,
    ControlPlaneState,
    DatabaseCredential,
    RotationIntent,
)
from opskit.rotation.protocol.journal import SUPERSEDED, Record
from opskit.rotation.protocol.login_outage import LoginOutage
from opskit.rotation.protocol.messages import describe
from opskit.rotation.protocol.observe import PasswordCandidates
from opskit.rotation.protocol.services import Event, RotationResult, RotationServices
from opskit.rotation.protocol.state_machine import (
    LOCKED_OUT,
    OVERWRITTEN,
    REPLACED,
    UNHEALTHY,
    Action,
    ActionKind,
    CallOutcome,
    DatabaseState,
    Direction,
    Observation,
    ParameterState,
    RunnerState,
    decide,
    record_outcome,
)
from opskit.rotation.steps.parameter import ParameterSnapshot
from opskit.rotation.steps.restart import RestartResult, RestartTarget

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
        world: RotationServices,
        number: int,
        intent: RotationIntent,
        restart_targets: Sequence[RestartTarget],
        state: RunnerState,
        *,
        who: Mapping[str, str],
        stall_timeout_s: float,
    ) -> None:
        self._world, self._number, self._intent = world, number, intent
        self._restart_targets, self.state, self._who = tuple(restart_targets), state, dict(who)
        # Whoever waits for less could never close a rotation that went back.
        self._stall_timeout_s = max(stall_timeout_s, 1.5 * world.fence.hold_down_s)
        self._record: Record | None = None
        self._seen: ParameterSnapshot | None = None
        self._control = ControlPlaneState(False, "")
        self._sent_at: float | None = None
        self._quiet_since: float | None = None
        self._publish_tries = 0
        self._verified: dict[ParameterState, list[str]] = {}
        self._healthy: dict[RestartTarget, str] = {}
        self._candidates = PasswordCandidates(world, intent)
        self._why = ""
        self._outage = LoginOutage()

    @property
    def control_plane_description(self) -> str:
        """The control plane's state at the last observation, as text."""
        return self._control.description

    def run(self) -> RotationResult:
        """Continue until the rotation is closed, or no further step is possible.

        Raises:
            OpskitError: it cannot continue; the rotation stays unfinished.
        """
        idle_since, pause = self._world.clock(), POLL_S
        while True:
            observation, trouble = self._try_to_look()
            if observation is None:
                action, outcome = Action(ActionKind.WAIT, why=trouble), CallOutcome.NOT_APPLIED
            else:
                action = self._decide(observation)
                if action.kind in (ActionKind.STOP, ActionKind.FINISHED):
                    return self._result(action)
                outcome = self._act(action)
            self.state = record_outcome(self.state, action, outcome)
            if outcome is CallOutcome.APPLIED and action.kind not in (
                ActionKind.WAIT,
                ActionKind.AWAIT_FENCE,
            ):
                idle_since, pause, self._why = self._world.clock(), POLL_S, ""
                continue
            if action.kind is ActionKind.AWAIT_FENCE:
                idle_since = self._world.clock()
            elif self._world.clock() - idle_since > self._stall_timeout_s:
                why = action.why or f"{action.kind} did not succeed: {self._why}"
                return self._result(
                    Action(ActionKind.STOP, why=f"{why} (for {self._stall_timeout_s:.0f} s)")
                )
            if (
                action.kind not in (ActionKind.WAIT, ActionKind.AWAIT_FENCE)
                and outcome is not CallOutcome.EXISTS
            ):
                pause = min(LONGEST_PAUSE_S, 2 * pause)
            self._world.sleep(
                pause if action.kind is not ActionKind.AWAIT_FENCE else self._hold_pause()
            )

    def observe(self) -> Observation:
        """Observe database and parameters first, then the decision: the next request must not miss one.

        Raises:
            AwsError, OpskitError: something could not be read.
        """
        world = self._world
        looked_at = world.clock()
        reads: list[Callable[[], Any]] = [
            world.parameters.read,
            world.strategy.control,
            self._candidates.try_ours,
        ]
        seen: ParameterSnapshot
        control: ControlPlaneState
        ours: DatabaseState | None
        seen, control, ours = run_concurrently(reads)
        database = ours or self._candidates.try_others(seen)
        self._why = self._candidates.why or self._why
        self._seen, self._control = seen, control
        now = world.clock()
        if not self._intent.is_alternating:
            self._outage.observed(database, seen.which, looked_at, now)
        if control.is_pending:
            self._quiet_since = None
        elif self._quiet_since is None:
            self._quiet_since = now
        quiet_since = max(self._quiet_since or now, self._sent_at or 0.0)
        is_settled = world.strategy.is_synchronous or (
            self._quiet_since is not None and now - quiet_since >= world.fence.hold_down_s
        )
        world.fence.mark_observed()
        record = self._record = world.journal.read(self._number)
        decision = record.decided_by
        if (
            self._intent.is_alternating
            and (record.decision or self.state.wants) is Direction.ROLLBACK
        ):
            # The other user's password is no obstacle: the present one's was never touched.
            database = DatabaseState.OLD if database is DatabaseState.NEW else database
        return Observation(
            decision=record.decision,
            is_closed=record.close is not None,
            has_joiners=record.has_joiners,
            database=database,
            is_pending=control.is_pending,
            is_stable=is_settled,
            parameter=seen.which,
            was_published=self._was_published(seen, record),
            fence_is_over=decision is not None
            and record.age_s(decision.at) > world.fence.seconds + 1,
            held=seen.mark,
            is_app_current=decision is not None and decision.body.get("app_runs_on") == seen.mark,
        )

    def _was_published(self, seen: ParameterSnapshot, record: Record) -> bool:
        """Whether any parameter was written since the start; a recreated one's versions restart at 1."""
        if any(
            version != one.old_version
            for version, one in zip(seen.versions, self._intent.published, strict=True)
        ):
            return True
        opened_at = record.opened_at
        return opened_at is not None and any(at and at > opened_at for at in seen.written_at)

    def next_action(self, observation: Observation, wants: Direction) -> Action:
        """Return what a process that joins now would do next, without doing it."""
        return self._decide(observation, RunnerState(wants, joined=True))

    def stop_words(self, action: Action) -> str:
        """Return why the action stops, with the evidence; empty if it does not stop."""
        return self._stop_words(action.why) if action.kind is ActionKind.STOP else ""

    def _decide(self, observation: Observation, state: RunnerState | None = None) -> Action:
        restarts, resets = bool(self._restart_targets), self._world.strategy.needs_no_login
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
        started = self._world.clock()
        try:
            outcome = self._do(action)
        except StaleObservation:
            # The request was not sent.
            limit_s = self._world.fence.max_observation_age_s
            self._why = f"{limit_s:.1f} s after a look nothing is sent on it: {SLOW_WAY}"
            return CallOutcome.NOT_APPLIED
        except AwsError as error:
            self._why = f"{error.permission}: {error.code}: {error.message[:200]}"
            if not error.may_have_been_applied and action.kind in WRITES_RECORDS:
                raise OpskitError(f"the journal cannot be written: {self._why}") from None
            return CallOutcome.NOT_APPLIED
        if action.kind not in (ActionKind.WAIT, ActionKind.AWAIT_FENCE):
            self._tell(action, outcome, self._world.clock() - started)
        return outcome

    def _do(self, action: Action) -> CallOutcome:
        kind, direction = action.kind, action.direction
        assert self._record is not None  # noqa: S101  set by every observation
        if kind in (ActionKind.WAIT, ActionKind.AWAIT_FENCE):
            self._say_wait(action)
            return CallOutcome.APPLIED
        if kind is ActionKind.JOIN:
            body = {"kind": "join", **self._who}
            return self._write(f"slot-{self._record.free_slot}", body)
        if kind is ActionKind.CHANGE:
            return self._change(action)
        if kind is ActionKind.PUBLISH:
            return self._publish(action.to or ParameterState.NEW)
        if kind is ActionKind.RESTART:
            return self._restart(action)
        if kind is ActionKind.DECIDE and direction is not None:
            return self._write_decision(action, direction)
        return self._close(action)

    def _write_decision(self, action: Action, direction: Direction) -> CallOutcome:
        self._why = action.why
        body = {"direction": direction, "why": action.why, **self._who}
        if self._restart_targets and action.held:
            body["app_runs_on"] = action.held
        return self._write(SUPERSEDED if direction is Direction.SUPERSEDED else "decision", body)

    def _change(self, action: Action) -> CallOutcome:
        self._outage.change_sent(self._world.clock())
        login = self._login_of(action.to or ParameterState.NEW)
        direction = action.direction or Direction.FORWARD
        done = self._world.strategy.change(login, direction, self._candidates.works)
        self._sent_at = self._world.clock()
        return self._heard(done)

    def _login_of(self, which: ParameterState) -> DatabaseCredential:
        """Return the login for a state; for all but NEW and OLD, the one that the parameters held."""
        if which is ParameterState.NEW:
            return self._intent.new
        if which is ParameterState.OLD:
            return self._intent.old
        held = self._intent.login_in(self._seen.values) if self._seen else None
        if held is None:
            raise OpskitError("what the parameter holds is no login")
        return held

    def _publish(self, to: ParameterState) -> CallOutcome:
        began = self._world.clock()
        outcome = self._heard(self._world.parameters.publish(to))
        if outcome is CallOutcome.APPLIED and self._intent.is_alternating:
            # Both users can log in all the time. Only with two parameters may a reader mix the logins.
            is_one = len(self._intent.published) == 1
            self._outage.seconds = 0.0 if is_one else self._world.clock() - began
        elif outcome is CallOutcome.APPLIED:
            self._outage.parameter_written(self._world.clock())
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
        to, held = action.to or ParameterState.NEW, action.held
        ill, lost = list[str](), list[str]()
        for restart_target in self._restart_targets:
            if self._healthy.get(restart_target) == held:
                continue
            self._world.on_event(Event("wait", "restart", f"restarting {restart_target}"))
            done = self._world.restart(restart_target)
            if done.is_healthy:
                self._healthy[restart_target] = held
                continue
            (lost if done.is_unknown else ill).append(f"{restart_target}: {done.why}")
            if not done.is_unknown and self._goes_back_after(done, to):
                break
        if ill or lost:
            self._why = "; ".join([*ill, *lost])
            return CallOutcome.UNHEALTHY if ill else CallOutcome.NOT_APPLIED
        self._outage.restarted(self._world.clock())
        self._verified.setdefault(to, []).append("the app is healthy")
        return CallOutcome.APPLIED

    def _goes_back_after(self, done: RestartResult, to: ParameterState) -> bool:
        """Whether an unhealthy app is a reason for a rollback."""
        if not done.is_about_login or not self._intent.was_healthy:
            # Another cause than the password: a rollback would not fix it.
            self.state = replace(self.state, stops_on_unhealthy=True)
        is_decided = self._record is not None and self._record.decision is not None
        return to is ParameterState.NEW and not is_decided and not self.state.stops_on_unhealthy

    def _close(self, action: Action) -> CallOutcome:
        assert action.direction is not None  # noqa: S101  every close action has one
        held = self._held_by(action.direction)
        works, why = self._world.ask_instance()
        if works is False:
            self._why = f"from the instance: {why}"
            return CallOutcome.NOT_APPLIED
        behind, judged = self._ask_readers(held)
        if behind:
            self._why = f"{behind} does not have the {held} password yet"
            return CallOutcome.NOT_APPLIED
        location = f"login {self._world.connector.description}"
        app = self._verified.get(held, []) if self._restart_targets else [NOT_VERIFIED]
        verified = [*app, location, *judged]
        verified.append("login from the instance" if works else f"not from the instance: {why}")
        self._verified[held] = verified = list(dict.fromkeys(verified))
        # The check took time, so the state is observed once more right before closing.
        if self._decide(self.observe()) != action:
            return CallOutcome.NOT_APPLIED
        body = {
            "direction": action.direction,
            "strategy": self._intent.strategy,
            "verified": verified,
            "versions": list(self._seen.versions) if self._seen else [],
            "window_s": self._outage.seconds,
            **self._who,
        }
        if action.kind is ActionKind.CLOSE_IMMEDIATELY:
            return self._write("slot-2", {"kind": "close", **body})
        return self._write("done", body)

    def _held_by(self, direction: Direction) -> ParameterState:
        """Return what the parameters hold once the direction is completed."""
        if direction is Direction.SUPERSEDED:
            return self._seen.which if self._seen else ParameterState.OTHER
        return ParameterState.NEW if direction is Direction.FORWARD else ParameterState.OLD

    def _ask_readers(self, held: ParameterState) -> tuple[str, list[str]]:
        """Log in at the readers; return the first that rejects the password, else notes on each."""
        login = self._login_of(held)
        judged = []
        for host, connector in self._world.readers.items():
            done = connector.try_login(login.user, login.password)
            if done.failure is LoginFailure.PASSWORD:
                return host, []
            word = "login at" if done.succeeded else "not judged:"
            judged.append(f"{word} {host}")
        return "", judged

    def _write(self, name: str, body: Mapping[str, Any]) -> CallOutcome:
        return self._world.journal.write(self._number, name, body)

    def _heard(self, done: ChangeOutcome) -> CallOutcome:
        if done.why:
            self._why = done.why
        return done.outcome

    def _hold_pause(self) -> float:
        return min(SLOW_POLL_S, max(POLL_S, self._world.fence.seconds / 20))

    def _say_wait(self, action: Action) -> None:
        text = action.why
        decision = self._record.decided_by if self._record else None
        if (
            action.kind is ActionKind.AWAIT_FENCE
            and decision is not None
            and self._record is not None
        ):
            left = self._world.fence.seconds + 1 - self._record.age_s(decision.at)
            text = (
                "database and parameter agree; a late request may still arrive, so this is closed in "
                f"{max(0.0, left):.0f} s"
            )
        elif self._control.is_pending:
            text = f"{text} ({self._control.description})"
        self._world.on_event(Event("wait", str(action.kind), text))

    def _tell(self, action: Action, outcome: CallOutcome, seconds: float) -> None:
        text = describe(action, outcome, self._intent, self._why)
        versions = {"versions": list(self._seen.versions)} if self._seen else {}
        details = {"outcome": str(outcome), **versions}
        self._world.on_event(Event("step", str(action.kind), text, seconds, details))

    def _result(self, action: Action) -> RotationResult:
        record = self._record
        versions = self._seen.versions if self._seen else ()
        if action.kind is ActionKind.STOP:
            why = self._stop_words(action.why)
            outage = self._outage
            return RotationResult(
                None, why, versions, outage.seconds, outage.restarts_s, (), stop=action.why
            )
        close = record.close if record else None
        direction = Direction(close.body["direction"]) if close else Direction.FORWARD
        decision = record.decided_by if record else None
        why = str(decision.body.get("why", "")) if decision else ""
        held = self._held_by(direction)
        verified = tuple(self._verified.get(held, ()))
        if not verified and close is not None:
            verified = tuple(close.body.get("verified", ()))
        return RotationResult(
            direction, why, versions, self._outage.seconds, self._outage.restarts_s, verified
        )

    def _stop_words(self, why: str) -> str:
        """Return why it stops, with the evidence."""
        if why in (OVERWRITTEN, REPLACED):
            more = self._world.describe_writer()
        elif why == LOCKED_OUT:
            more = f"tried without success: {', '.join(self._candidates.tried)}"
        elif why == UNHEALTHY:
            more = f"still on a dead password, or not seen to be well: {self._why}"
        else:
            more = self._why
        return f"{why}: {more}" if more and more not in why else why
