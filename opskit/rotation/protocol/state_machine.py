"""What a runner does next: pure, from what it has just seen and what it has done itself.

The protocol's order and its rules for going forward or back stand here and nowhere else. The runner
looks, asks `decide`, acts, tells `learn` how that ended, and looks again; nothing is ever done twice
because it was done before, but because it is seen not to be so. The model that explores every
interleaving of runners, lost replies and kills drives these two functions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

OVERWRITTEN = "somebody else has written the parameter, and what it holds does not log in"
CHANGED = "somebody else has given the database an earlier password"
DELETED = "the parameter was deleted after it had been replaced by hand"
LOCKED_OUT = "no known password logs in"
REPLACED = (
    "somebody else has replaced the password in database and parameter; with your consent this "
    "rotation ends as superseded"
)
UNHEALTHY = "the app is not healthy on the password that is in force"
REPAIRABLE = frozenset({OVERWRITTEN, CHANGED, DELETED, LOCKED_OUT})
"""Why a rotation stops that `repair`, or an administrator, gets going again."""


class Direction(StrEnum):
    """Which way a rotation ends.

    SUPERSEDED: somebody else has replaced the password in both places; the database follows the parameter.
    """

    FORWARD = "forward"
    BACK = "back"
    SUPERSEDED = "superseded"


class Which(StrEnum):
    """What the parameters hold, or are to hold.

    MIXED: two parameters disagree; OTHER: neither of a rotation's two; ABSENT: one does not exist.
    """

    NEW = "new"
    OLD = "old"
    MIXED = "mixed"
    OTHER = "other"
    ABSENT = "absent"


class Accepts(StrEnum):
    """What the database accepts, by logging in.

    HELD: what the parameters hold, which is neither of the two. OTHER: an earlier password. NONE: no
    password that is known. UNJUDGED: no login could be judged; a closed port is not a wrong password.
    """

    NEW = "new"
    OLD = "old"
    HELD = "held"
    OTHER = "other"
    NONE = "none"
    UNJUDGED = "unjudged"


class Outcome(StrEnum):
    """How a call ended.

    MISSED: surely not applied, and a later try may be. UNKNOWN: it may have been applied, now or
    later; never turned into another one except by looking. EXISTS: somebody else's record stands
    there. UNHEALTHY: restarted, and the app is not well.
    """

    APPLIED = "applied"
    REFUSED = "refused"
    MISSED = "missed"
    UNKNOWN = "unknown"
    EXISTS = "exists"
    UNHEALTHY = "unhealthy"


class Kind(StrEnum):
    """What can be done."""

    JOIN = "join"
    CHANGE = "change"
    PUBLISH = "publish"
    RESTART = "restart"
    DECIDE = "decide"
    CLOSE_CLEAN = "close clean"
    CLOSE = "close"
    WAIT = "wait"
    HOLD = "hold"
    STOP = "stop"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Action:
    """What to do next.

    Attributes:
        to: the password that CHANGE, PUBLISH and RESTART are about.
        direction: what DECIDE writes and CLOSE closes, and on which way CHANGE and PUBLISH are.
        why: for DECIDE, WAIT and STOP, in words.
        held: for RESTART and DECIDE, what the parameters held at the look, as `Sight.held` has it.
    """

    kind: Kind
    to: Which | None = None
    direction: Direction | None = None
    why: str = ""
    held: str = ""


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look showed.

    Attributes:
        has_joiners: somebody but the opener has had a hand in it.
        is_pending: the database's control plane is busy, or has accepted something unapplied.
        is_settled: nothing has been pending for the hold-down; a description lags the truth.
        was_published: the parameter was written since the rotation was opened.
        fence_is_over: the decision is so old that no request of another direction can still arrive.
        held: stands for value and version of the parameters; a late request may have come and gone
            while the app started.
        is_app_current: forward was decided with the app healthy, and the parameter not written since.
    """

    decision: Direction | None
    is_closed: bool
    has_joiners: bool
    database: Accepts
    is_pending: bool
    is_settled: bool
    parameter: Which
    was_published: bool
    fence_is_over: bool
    held: str = ""
    is_app_current: bool = False


@dataclass(frozen=True, slots=True)
class Runner:
    """What a runner remembers of itself.

    Attributes:
        wants: where it would go as long as nothing is decided.
        opened: it created the rotation, and saw the reply.
        joined: it has written down that it has a hand in it.
        is_clean: every call that changes something got a definite answer at its only attempt.
        sent: the password whose change was last sent and may still be on its way.
        change_refused, publish_refused: definitely, for the new password.
        undo_refused: definitely, for the old one; somebody with more rights must go on.
        restarted_on: the value on which all of the app was last restarted and healthy, by this runner.
        unhealthy_on: the value on which part of it did not become healthy.
        stops_on_unhealthy: keep both passwords and ask, instead of going back.
        takes_over: a person has agreed that a rotation which others have overtaken is ended.
    """

    wants: Direction
    opened: bool = False
    joined: bool = False
    is_clean: bool = True
    sent: Which | None = None
    change_refused: bool = False
    publish_refused: bool = False
    undo_refused: bool = False
    restarted_on: str = ""
    unhealthy_on: str = ""
    stops_on_unhealthy: bool = False
    takes_over: bool = False


def decide(sight: Sight, me: Runner, *, restarts: bool, resets: bool) -> Action:
    """What to do next.

    Args:
        restarts: the app is restarted by this rotation.
        resets: the password can be set without a login (RDS's own API for the master user).
    """
    if sight.is_closed:
        return Action(Kind.FINISHED)
    if not (me.opened or me.joined):
        return Action(Kind.JOIN)
    direction = sight.decision or me.wants
    stuck = _stuck(sight, me, direction, resets)
    if stuck is not None:
        return stuck
    if direction is Direction.FORWARD:
        step = _forward(sight, me, restarts)
    elif direction is Direction.BACK:
        step = _back(sight, me, restarts)
    else:
        step = _follow(sight, me, restarts)
    return step or _close(sight, me, direction)


def _stuck(sight: Sight, me: Runner, direction: Direction, resets: bool) -> Action | None:
    """Why nothing may be done now.

    A new password that logs in is published at once, although the database may still say that it
    is busy: new processes fail until then.
    """
    is_urgent = direction is Direction.FORWARD and sight.database is Accepts.NEW
    if sight.database is Accepts.UNJUDGED:
        return Action(Kind.WAIT, why="no login can be judged")
    if sight.is_pending and not is_urgent:
        return Action(Kind.WAIT, why="the database applies a change")
    if sight.database is Accepts.NONE and not resets:
        return Action(Kind.STOP, why=LOCKED_OUT)
    return None if direction is Direction.SUPERSEDED else _overtaken(sight, me)


def _overtaken(sight: Sight, me: Runner) -> Action | None:
    """What a runner does that finds the work of somebody else."""
    if sight.parameter is Which.OTHER and sight.database is not Accepts.HELD:
        return Action(Kind.STOP, why=OVERWRITTEN)
    if sight.parameter is Which.OTHER and me.takes_over:
        why = "somebody else has replaced the password"
        return Action(Kind.DECIDE, direction=Direction.SUPERSEDED, why=why)
    if sight.parameter is Which.OTHER:
        return Action(Kind.STOP, why=REPLACED)
    if sight.database is Accepts.OTHER:
        return Action(Kind.STOP, why=CHANGED)
    return None


def _forward(sight: Sight, me: Runner, restarts: bool) -> Action | None:
    if sight.decision is None:
        why = _turns_back(sight, me)
        if why and me.unhealthy_on and me.stops_on_unhealthy:
            return Action(Kind.STOP, why=why)
        if why:
            return Action(Kind.DECIDE, direction=Direction.BACK, why=why)
    if sight.database is not Accepts.NEW:
        return _change(sight, me, Which.NEW, Direction.FORWARD)
    if sight.parameter is not Which.NEW:
        return Action(Kind.PUBLISH, Which.NEW, Direction.FORWARD)
    if restarts and not sight.is_app_current and me.restarted_on != sight.held:
        return _restart(sight, me)
    if sight.decision is None:
        why = "the app runs on the new one" if restarts else "the app is not restarted by opskit"
        return Action(Kind.DECIDE, direction=Direction.FORWARD, why=why, held=sight.held)
    return None


def _turns_back(sight: Sight, me: Runner) -> str:
    """Why the new password cannot be kept; empty when it can.

    A refused change that turns out to have been applied is none: forward is the shorter way.
    """
    if me.change_refused and sight.database is Accepts.OLD:
        return "the database refused the new password"
    if me.publish_refused and sight.parameter is not Which.NEW:
        return "the parameter could not take the new password"
    if sight.parameter is Which.NEW and me.unhealthy_on and me.unhealthy_on == sight.held:
        return "the app did not become healthy with the new password"
    return ""


def _back(sight: Sight, me: Runner, restarts: bool) -> Action | None:
    if sight.decision is None:
        return Action(Kind.DECIDE, direction=Direction.BACK, why="it was asked for")
    if me.undo_refused:
        return Action(Kind.STOP, why="the way back was refused")
    if sight.database is not Accepts.OLD:
        return _change(sight, me, Which.OLD, Direction.BACK)
    if sight.parameter is not Which.OLD:
        return Action(Kind.PUBLISH, Which.OLD, Direction.BACK)
    if restarts and sight.was_published and me.restarted_on != sight.held:
        return _restart(sight, me)
    return _settle(sight)


def _follow(sight: Sight, me: Runner, restarts: bool) -> Action | None:
    """The database follows what the parameter holds, whatever a late request did to either."""
    if sight.parameter in (Which.ABSENT, Which.MIXED):
        return Action(Kind.STOP, why=DELETED)
    if me.undo_refused:
        return Action(Kind.STOP, why="the database refused what the parameter holds")
    logs_in = Accepts.HELD if sight.parameter is Which.OTHER else Accepts(sight.parameter)
    if sight.database is not logs_in:
        return _change(sight, me, sight.parameter, Direction.SUPERSEDED)
    if restarts and me.restarted_on != sight.held:
        return _restart(sight, me)
    return _settle(sight)


def _settle(sight: Sight) -> Action | None:
    if sight.is_settled:
        return None
    return Action(Kind.WAIT, why="an accepted change may not show yet")


def _change(sight: Sight, me: Runner, to: Which, direction: Direction) -> Action:
    if me.sent is to and not sight.is_settled:
        return Action(Kind.WAIT, to, why="the database has not applied the change yet")
    return Action(Kind.CHANGE, to, direction)


def _restart(sight: Sight, me: Runner) -> Action:
    """Once a value; whoever comes later may try again."""
    if me.unhealthy_on == sight.held:
        return Action(Kind.STOP, why=UNHEALTHY)
    return Action(Kind.RESTART, sight.parameter, held=sight.held)


def _close(sight: Sight, me: Runner, direction: Direction) -> Action:
    """The look itself was the final check."""
    if sight.is_pending:
        return Action(Kind.WAIT, why="the database applies a change")
    is_ours = direction is not Direction.SUPERSEDED
    if is_ours and me.opened and me.is_clean and not sight.has_joiners:
        return Action(Kind.CLOSE_CLEAN, direction=direction)
    if direction is not Direction.FORWARD and not sight.fence_is_over:
        return Action(Kind.HOLD)
    return Action(Kind.CLOSE, direction=direction)


def learn(me: Runner, action: Action, outcome: Outcome) -> Runner:
    """What a runner remembers after an action."""
    refused, definite = outcome is Outcome.REFUSED, outcome is not Outcome.UNKNOWN
    if action.kind is Kind.JOIN:
        return replace(me, joined=me.joined or outcome is Outcome.APPLIED)
    if action.kind is Kind.CHANGE:
        if outcome is Outcome.MISSED:
            return me
        me = replace(me, is_clean=me.is_clean and definite, sent=None if refused else action.to)
        if not refused:
            # The app may have been ill for want of it.
            return replace(me, unhealthy_on="")
        is_forward = action.direction is Direction.FORWARD
        return replace(
            me, change_refused=me.change_refused or is_forward, undo_refused=not is_forward
        )
    if action.kind is Kind.PUBLISH:
        me = replace(me, is_clean=me.is_clean and definite)
        is_new = action.to is Which.NEW
        return replace(
            me,
            publish_refused=me.publish_refused or (refused and is_new),
            undo_refused=me.undo_refused or (refused and not is_new),
        )
    if action.kind is Kind.RESTART:
        return _learn_restart(me, action, outcome)
    return me


def _learn_restart(me: Runner, action: Action, outcome: Outcome) -> Runner:
    """A restart that was not carried out, or not seen to be, is neither done nor a failure of the app."""
    if outcome is Outcome.APPLIED:
        return replace(me, restarted_on=action.held, unhealthy_on="")
    return replace(me, unhealthy_on=action.held) if outcome is Outcome.UNHEALTHY else me
