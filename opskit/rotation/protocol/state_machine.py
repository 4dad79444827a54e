"""Selects a runner's next action from its latest observation and its own state (pure).

The order of the protocol and the rules for going forward or back are only here. The runner observes,
calls `decide`, acts, passes the outcome to `record_outcome`, and observes again. An action is never
skipped because it was done before, only because the observation shows its effect. The model that
explores every interleaving of runners, lost replies and kills calls these two functions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class StopReason(StrEnum):
    """Reasons why a rotation stops, or why its new password cannot be kept."""

    OVERWRITTEN = "another user has written the parameter, and what it holds does not log in"
    CHANGED = "another user has given the database an earlier password"
    DELETED = "the parameter was deleted after it had been replaced by hand"
    LOCKED_OUT = "no known password logs in"
    REPLACED = (
        "another user has replaced the password in database and parameter; with your consent this "
        "rotation ends as superseded"
    )
    UNHEALTHY = "the app is not healthy on the password that is in force"
    CHANGE_REFUSED = "the database refused the new password"
    PUBLISH_REFUSED = "the parameter could not take the new password"
    NEW_UNHEALTHY = "the app did not become healthy with the new password"
    ROLLBACK_REFUSED = "the way back was refused"
    FOLLOW_REFUSED = "the database refused what the parameter holds"


REPAIRABLE = frozenset(
    {StopReason.OVERWRITTEN, StopReason.CHANGED, StopReason.DELETED, StopReason.LOCKED_OUT}
)
"""Reasons to stop after which `repair`, or an administrator, lets the rotation continue."""


class Direction(StrEnum):
    """The direction in which a rotation ends.

    SUPERSEDED: another user has replaced the password in database and parameter; the database follows
    the parameter.
    """

    FORWARD = "forward"
    ROLLBACK = "rollback"
    SUPERSEDED = "superseded"


class PasswordVersion(StrEnum):
    """A password that a runner sends to the database or the source, or restarts the app with.

    OTHER: the one that another user has stored, which the database follows.
    """

    NEW = "new"
    OLD = "old"
    OTHER = "other"


class CredentialState(StrEnum):
    """The password that the locations of the credential hold.

    MIXED: two locations disagree. OTHER: neither of the rotation's two. ABSENT: a location does not exist.
    """

    NEW = "new"
    OLD = "old"
    MIXED = "mixed"
    OTHER = "other"
    ABSENT = "absent"

    @property
    def password(self) -> PasswordVersion | None:
        """The password that every location holds; None where they disagree or one does not exist."""
        is_one = self not in (CredentialState.MIXED, CredentialState.ABSENT)
        return PasswordVersion(self.value) if is_one else None


class DatabaseState(StrEnum):
    """The password that the database accepts, found by logging in.

    HELD: the parameters' password, which is neither of the two. OTHER: an earlier password. NONE: no known
    password. UNJUDGED: no login could be judged; a closed port does not mean a wrong password.
    """

    NEW = "new"
    OLD = "old"
    HELD = "held"
    OTHER = "other"
    NONE = "none"
    UNJUDGED = "unjudged"


class CallOutcome(StrEnum):
    """The outcome of a call.

    NOT_APPLIED: definitely not applied; a later try may be. UNKNOWN: it may have been applied, or may be
    later; only an observation resolves it. EXISTS: another process's record has this name. UNHEALTHY:
    restarted, but the app is not healthy.
    """

    APPLIED = "applied"
    REFUSED = "refused"
    NOT_APPLIED = "not_applied"
    UNKNOWN = "unknown"
    EXISTS = "exists"
    UNHEALTHY = "unhealthy"


class ActionKind(StrEnum):
    """The actions that a runner can take."""

    JOIN = "join"
    CHANGE = "change"
    PUBLISH = "publish"
    RESTART = "restart"
    DECIDE = "decide"
    CLOSE_IMMEDIATELY = "close clean"
    CLOSE = "close"
    WAIT = "wait"
    AWAIT_FENCE = "hold"
    STOP = "stop"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Action:
    """The next action.

    Attributes:
        to: the password that CHANGE, PUBLISH and RESTART use.
        direction: the one that DECIDE records and CLOSE closes, or in which CHANGE and PUBLISH act.
        why: the reason, for DECIDE and WAIT, and for STOP without a `stop`.
        stop: the reason of a STOP that follows from the observation.
        fingerprint: for RESTART and DECIDE, the observation's.
    """

    kind: ActionKind
    to: PasswordVersion | None = None
    direction: Direction | None = None
    why: str = ""
    fingerprint: str = ""
    stop: StopReason | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """The state that one observation found.

    Attributes:
        has_joiners: a process other than the initiator has joined.
        is_pending: the database's control plane is busy, or has accepted a change and not yet applied it.
        is_stable: nothing has been pending for the hold-down; needed because the description lags.
        was_published: the parameter was written since the rotation was started.
        fence_is_over: the decision is so old that no request of another direction can still arrive.
        fingerprint: of the parameters' values and versions; detects that a delayed request wrote them
            while the app started.
        is_app_current: forward was decided with the app healthy, and no parameter was written since.
    """

    decision: Direction | None
    is_closed: bool
    has_joiners: bool
    database: DatabaseState
    is_pending: bool
    is_stable: bool
    stored: CredentialState
    was_published: bool
    fence_is_over: bool
    fingerprint: str = ""
    is_app_current: bool = False


@dataclass(frozen=True, slots=True)
class RunnerState:
    """A runner's memory of its own actions.

    Attributes:
        wants: the direction to take while none is decided.
        opened: it created the rotation and saw the reply.
        joined: it has recorded that it joined.
        is_clean: every write got a definite answer at its only attempt.
        sent: the password whose change was sent last and may not be applied yet.
        change_refused, publish_refused: definitely refused, for the new password.
        undo_refused: definitely refused, for the old password; a user with more permissions must resume.
        restarted_on: the value with which this runner last restarted all of the app, and it was healthy.
        unhealthy_on: the value with which a part of the app did not become healthy.
        stops_on_unhealthy: keep both passwords and stop, instead of rolling back.
        takes_over: a person has agreed to end a rotation that another user has superseded.
    """

    wants: Direction
    opened: bool = False
    joined: bool = False
    is_clean: bool = True
    sent: PasswordVersion | None = None
    change_refused: bool = False
    publish_refused: bool = False
    undo_refused: bool = False
    restarted_on: str = ""
    unhealthy_on: str = ""
    stops_on_unhealthy: bool = False
    takes_over: bool = False


def decide(
    observation: Observation, state: RunnerState, *, restarts: bool, needs_no_login: bool
) -> Action:
    """Select the next action.

    Args:
        restarts: this rotation restarts the app.
        needs_no_login: the password can be set without a login (by RDS's own API for the master user).
    """
    if observation.is_closed:
        return Action(ActionKind.FINISHED)
    if not (state.opened or state.joined):
        return Action(ActionKind.JOIN)
    direction = observation.decision or state.wants
    stuck = _stuck(observation, state, direction, needs_no_login)
    if stuck is not None:
        return stuck
    if direction is Direction.FORWARD:
        step = _forward(observation, state, restarts)
    elif direction is Direction.ROLLBACK:
        step = _back(observation, state, restarts)
    else:
        step = _follow(observation, state, restarts)
    return step or _close(observation, state, direction)


def _stuck(
    observation: Observation, state: RunnerState, direction: Direction, needs_no_login: bool
) -> Action | None:
    """Return the action in a state that blocks the direction; else None.

    A new password that logs in is published at once, even while RDS still reports that the database is
    busy: until then the app's new processes cannot log in.
    """
    is_urgent = direction is Direction.FORWARD and observation.database is DatabaseState.NEW
    if observation.database is DatabaseState.UNJUDGED:
        return Action(ActionKind.WAIT, why="no login can be judged")
    if observation.is_pending and not is_urgent:
        return Action(ActionKind.WAIT, why="the database applies a change")
    if observation.database is DatabaseState.NONE and not needs_no_login:
        return Action(ActionKind.STOP, stop=StopReason.LOCKED_OUT)
    return None if direction is Direction.SUPERSEDED else _overtaken(observation, state)


def _overtaken(observation: Observation, state: RunnerState) -> Action | None:
    """Return the action if another user has changed the password or the parameter."""
    if (
        observation.stored is CredentialState.OTHER
        and observation.database is not DatabaseState.HELD
    ):
        return Action(ActionKind.STOP, stop=StopReason.OVERWRITTEN)
    if observation.stored is CredentialState.OTHER and state.takes_over:
        why = "another user has replaced the password"
        return Action(ActionKind.DECIDE, direction=Direction.SUPERSEDED, why=why)
    if observation.stored is CredentialState.OTHER:
        return Action(ActionKind.STOP, stop=StopReason.REPLACED)
    if observation.database is DatabaseState.OTHER:
        return Action(ActionKind.STOP, stop=StopReason.CHANGED)
    return None


def _forward(observation: Observation, state: RunnerState, restarts: bool) -> Action | None:
    if observation.decision is None:
        reason = _turns_back(observation, state)
        if reason and state.unhealthy_on and state.stops_on_unhealthy:
            return Action(ActionKind.STOP, stop=reason)
        if reason:
            return Action(ActionKind.DECIDE, direction=Direction.ROLLBACK, why=str(reason))
    if observation.database is not DatabaseState.NEW:
        return _change(observation, state, PasswordVersion.NEW, Direction.FORWARD)
    if observation.stored is not CredentialState.NEW:
        return Action(ActionKind.PUBLISH, PasswordVersion.NEW, Direction.FORWARD)
    if (
        restarts
        and not observation.is_app_current
        and state.restarted_on != observation.fingerprint
    ):
        return _restart(observation, state)
    if observation.decision is None:
        why = "the app runs on the new one" if restarts else "the app is not restarted by opskit"
        return Action(
            ActionKind.DECIDE,
            direction=Direction.FORWARD,
            why=why,
            fingerprint=observation.fingerprint,
        )
    return None


def _turns_back(observation: Observation, state: RunnerState) -> StopReason | None:
    """Return why the new password cannot be kept; None if it can.

    A refused change that was applied after all is no reason: going forward takes fewer steps.
    """
    if state.change_refused and observation.database is DatabaseState.OLD:
        return StopReason.CHANGE_REFUSED
    if state.publish_refused and observation.stored is not CredentialState.NEW:
        return StopReason.PUBLISH_REFUSED
    if (
        observation.stored is CredentialState.NEW
        and state.unhealthy_on
        and state.unhealthy_on == observation.fingerprint
    ):
        return StopReason.NEW_UNHEALTHY
    return None


def _back(observation: Observation, state: RunnerState, restarts: bool) -> Action | None:
    if observation.decision is None:
        return Action(ActionKind.DECIDE, direction=Direction.ROLLBACK, why="it was asked for")
    if state.undo_refused:
        return Action(ActionKind.STOP, stop=StopReason.ROLLBACK_REFUSED)
    if observation.database is not DatabaseState.OLD:
        return _change(observation, state, PasswordVersion.OLD, Direction.ROLLBACK)
    if observation.stored is not CredentialState.OLD:
        return Action(ActionKind.PUBLISH, PasswordVersion.OLD, Direction.ROLLBACK)
    if restarts and observation.was_published and state.restarted_on != observation.fingerprint:
        return _restart(observation, state)
    return _settle(observation)


def _follow(observation: Observation, state: RunnerState, restarts: bool) -> Action | None:
    """Bring the database to what the parameter holds, also after a delayed request changed either."""
    to = observation.stored.password
    if to is None:
        return Action(ActionKind.STOP, stop=StopReason.DELETED)
    if state.undo_refused:
        return Action(ActionKind.STOP, stop=StopReason.FOLLOW_REFUSED)
    logs_in = DatabaseState.HELD if to is PasswordVersion.OTHER else DatabaseState(to)
    if observation.database is not logs_in:
        return _change(observation, state, to, Direction.SUPERSEDED)
    if restarts and state.restarted_on != observation.fingerprint:
        return _restart(observation, state)
    return _settle(observation)


def _settle(observation: Observation) -> Action | None:
    if observation.is_stable:
        return None
    return Action(ActionKind.WAIT, why="an accepted change may not show yet")


def _change(
    observation: Observation, state: RunnerState, to: PasswordVersion, direction: Direction
) -> Action:
    if state.sent is to and not observation.is_stable:
        return Action(ActionKind.WAIT, to, why="the database has not applied the change yet")
    return Action(ActionKind.CHANGE, to, direction)


def _restart(observation: Observation, state: RunnerState) -> Action:
    """Restart once per value; a process that joins later may try again."""
    if state.unhealthy_on == observation.fingerprint:
        return Action(ActionKind.STOP, stop=StopReason.UNHEALTHY)
    to = observation.stored.password
    return Action(ActionKind.RESTART, to, fingerprint=observation.fingerprint)


def _close(observation: Observation, state: RunnerState, direction: Direction) -> Action:
    """Close, if the fence allows it; the observation itself was the final check."""
    if observation.is_pending:
        return Action(ActionKind.WAIT, why="the database applies a change")
    is_ours = direction is not Direction.SUPERSEDED
    if is_ours and state.opened and state.is_clean and not observation.has_joiners:
        return Action(ActionKind.CLOSE_IMMEDIATELY, direction=direction)
    if direction is not Direction.FORWARD and not observation.fence_is_over:
        return Action(ActionKind.AWAIT_FENCE)
    return Action(ActionKind.CLOSE, direction=direction)


def record_outcome(state: RunnerState, action: Action, outcome: CallOutcome) -> RunnerState:
    """Return the runner's state after an action."""
    refused, definite = outcome is CallOutcome.REFUSED, outcome is not CallOutcome.UNKNOWN
    if action.kind is ActionKind.JOIN:
        return replace(state, joined=state.joined or outcome is CallOutcome.APPLIED)
    if action.kind is ActionKind.CHANGE:
        if outcome is CallOutcome.NOT_APPLIED:
            return state
        state = replace(
            state, is_clean=state.is_clean and definite, sent=None if refused else action.to
        )
        if not refused:
            # The app may have been unhealthy because this change was missing.
            return replace(state, unhealthy_on="")
        is_forward = action.direction is Direction.FORWARD
        return replace(
            state, change_refused=state.change_refused or is_forward, undo_refused=not is_forward
        )
    if action.kind is ActionKind.PUBLISH:
        state = replace(state, is_clean=state.is_clean and definite)
        is_new = action.to is PasswordVersion.NEW
        return replace(
            state,
            publish_refused=state.publish_refused or (refused and is_new),
            undo_refused=state.undo_refused or (refused and not is_new),
        )
    if action.kind is ActionKind.RESTART:
        return _learn_restart(state, action, outcome)
    return state


def _learn_restart(state: RunnerState, action: Action, outcome: CallOutcome) -> RunnerState:
    """Return the state after a restart; one that was not carried out or not observed changes nothing."""
    if outcome is CallOutcome.APPLIED:
        return replace(state, restarted_on=action.fingerprint, unhealthy_on="")
    return (
        replace(state, unhealthy_on=action.fingerprint)
        if outcome is CallOutcome.UNHEALTHY
        else state
    )
