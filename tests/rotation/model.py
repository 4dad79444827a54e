"""Explores every interleaving of runners, network, database and kills with the real state machine.

The search is breadth first, so a violation comes with a shortest path. A runner's next action is not
modelled here: it comes from the shipped `decide` and `record_outcome`.

The cost of a search is the hash of each state. A state therefore contains numbers in place of a
runner's memory and action, and texts in place of enumeration members: Python hashes a dataclass or a
member in its own code, and a number or a text in C.
"""

from __future__ import annotations

import contextlib
import gc
import re
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Generic, NamedTuple, TypeVar

from opskit.rotation.protocol.state_machine import (
    REPAIRABLE,
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

T = TypeVar("T", bound=Hashable)


class Numbered(Generic[T]):
    """Values that are known by their number, from 1; 0 stands for none."""

    def __init__(self) -> None:
        self._numbers: dict[T, int] = {}
        self._values: list[T] = []

    def number(self, value: T) -> int:
        """The number of a value, the same for equal values."""
        number = self._numbers.get(value)
        if number is None:
            self._values.append(value)
            number = self._numbers[value] = len(self._values)
        return number

    def __getitem__(self, number: int) -> T:
        return self._values[number - 1]


MEMORIES = Numbered[RunnerState]()
ACTIONS = Numbered[Action]()


class Rotation(NamedTuple):
    """One rotation's records.

    Attributes:
        decision: the value of a `Direction`, as `closed`; empty for none.
        is_superseded: a person has agreed that another user has overtaken it.
        is_written: the parameter was written since its start; is_rewritten: since its decision.
    """

    new: str
    old: str
    decision: str = ""
    closed: str = ""
    is_joined: bool = False
    is_clean: bool = False
    is_superseded: bool = False
    is_written: bool = False
    is_rewritten: bool = False


class Request(NamedTuple):
    """A request that may be in flight: `mod` and `put` with a value, and the journal's creates.

    Attributes:
        direction: for `decide`, whether the parameter was written after the observation behind it.
    """

    kind: str
    value: str
    number: int
    direction: str


class Actor(NamedTuple):
    """One process: idle, opening, run, dead, finished or stuck.

    Attributes:
        memory: the number of a runner's state in `MEMORIES`.
        action: the number of its next action in `ACTIONS`.
        old: for opening, the password that it has seen to log in.
    """

    state: str
    number: int = 0
    memory: int = 0
    action: int = 0
    old: str = ""


class State(NamedTuple):
    """The whole state. `held` and `accepted` are all values that parameter and database ever had.

    Attributes:
        database: the accepted login of each user; with alternating users there are two.
        parameter: empty if it was deleted.
        running: the login with which the app was last started.
        person: the manual changes still to come, in this order: P, D, A for parameter, database, app.
        deletions: how often the parameter may still be deleted.
        is_foreign: a person changed something after the newest rotation was closed.
    """

    database: tuple[str, ...]
    queue: tuple[str, ...]
    parameter: str
    held: frozenset[str]
    accepted: frozenset[str]
    log: tuple[Rotation, ...]
    network: tuple[Request, ...]
    actors: tuple[Actor, ...]
    kills: int
    delays: int
    restarts: int
    running: str = "0"
    person: str = ""
    deletions: int = 0
    is_foreign: bool = False


@dataclass(frozen=True, eq=False)
class Rules:
    """The environment's behaviour, and the protocol rules that are switched off.

    Attributes:
        busy: the database's reply to a change while it applies one: reject, queue, sync.
        shows_late: an accepted change stays invisible for a while.
        is_alternating: two users alternate, both in one parameter.
        idle_is_idle: a rotation starts only if no process uses the user whose turn it is.
        restarts: the app is restarted by opskit; otherwise it restarts by itself at any time.
        person: manual changes, which may stop anywhere.
        deletions: how often the parameter is deleted.
        command_can_fail: a restart may leave the app on its current login.
        restart_must_succeed: an unhealthy app does not count as restarted in a rollback either.
        lost_is_not_done: nor does a restart whose transport failed.
        supersedes: a rotation ends if another user has replaced the password in both places.
        fence_supersedes: but only when none of our requests can still arrive.
        recreates: a parameter that was deleted is created again.
        sees_rewrites: a decision for the new password says nothing about the app once the parameter was
            written again.
    """

    rotations: int = 2
    busy: str = "reject"
    shows_late: bool = False
    can_be_ill: bool = True
    can_refuse: bool = True
    fence: bool = True
    fence_before_next: bool = True
    register: bool = True
    probes: bool = True
    undoes: bool = True
    keeps_records: bool = True
    single_attempts: bool = True
    hold_down: bool = True
    unknown_is_unclean: bool = True
    join_is_unclean: bool = True
    is_alternating: bool = False
    idle_is_idle: bool = True
    restarts: bool = True
    person: str = ""
    deletions: int = 0
    command_can_fail: bool = True
    restart_must_succeed: bool = True
    lost_is_not_done: bool = True
    supersedes: bool = True
    fence_supersedes: bool = True
    recreates: bool = True
    sees_rewrites: bool = True


EARLIER = "an earlier version"
FOREIGN = "x"
"""The value that a person sets manually; no one else has to know it."""
ACTORS = State._fields.index("actors")
APPLIED = CallOutcome.APPLIED
STILL = frozenset({"idle", "dead", "finished", "stuck"})
SENDS = frozenset({ActionKind.CHANGE, ActionKind.PUBLISH})
Label = tuple[object, ...]
"""The words of a step, joined only where a path is shown."""
Step = tuple[Label, State]
NEVER_USED = "x1"
FORWARD, ROLLBACK, SUPERSEDED = (str(d) for d in Direction)
NEW, OLD, OTHER, ABSENT = (
    str(s)
    for s in (
        CredentialState.NEW,
        CredentialState.OLD,
        CredentialState.OTHER,
        CredentialState.ABSENT,
    )
)
HELD, NONE = str(DatabaseState.HELD), str(DatabaseState.NONE)
"""Of the parameter and of the database; the same words for both."""


@cache
def _decide(
    decision: str,
    is_closed: bool,
    has_joiners: bool,
    database: str,
    is_pending: bool,
    is_stable: bool,
    parameter: str,
    was_published: bool,
    fence_is_over: bool,
    held: str,
    is_app_current: bool,
    memory: int,
    rules: Rules,
) -> int:
    """Return the real decision on what `see` returns, without the switched-off rules."""
    observation = Observation(
        Direction(decision) if decision else None,
        is_closed,
        has_joiners,
        DatabaseState(database),
        is_pending,
        is_stable,
        CredentialState(parameter),
        was_published,
        fence_is_over,
        held,
        is_app_current,
    )
    return ACTIONS.number(_decide_observed(observation, MEMORIES[memory], rules))


def _decide_observed(observation: Observation, state: RunnerState, rules: Rules) -> Action:
    if not rules.register:
        observation = replace(observation, decision=state.wants)
    if (
        not rules.undoes
        and observation.decision is Direction.ROLLBACK
        and (state.opened or state.joined)
    ):
        return Action(ActionKind.CLOSE, direction=Direction.ROLLBACK) if not observation.is_closed else decide(
            observation, state, restarts=rules.restarts, needs_no_login=True
        )  # fmt: skip
    if (
        not rules.probes
        and state.sent is PasswordVersion.NEW
        and observation.database is DatabaseState.OLD
    ):
        observation = replace(observation, database=DatabaseState.NEW)
    if not rules.supersedes:
        state = replace(state, takes_over=False)
    if not rules.recreates and observation.stored is CredentialState.ABSENT:
        return Action(ActionKind.STOP, why="the parameter does not exist")
    return decide(observation, state, restarts=rules.restarts, needs_no_login=rules.busy != "sync")


@cache
def _learn(memory: int, number: int, outcome: str, rules: Rules) -> int:
    state, action, learnt = MEMORIES[memory], ACTIONS[number], CallOutcome(outcome)
    if action.kind is ActionKind.RESTART and _counts_as_done(action, learnt, rules):
        learnt = CallOutcome.APPLIED
    found = record_outcome(state, action, learnt)
    if not rules.unknown_is_unclean:
        found = replace(found, is_clean=True)
    # The sender of the last change matters only if accepted changes stay invisible for a while.
    if not rules.shows_late and rules.probes:
        found = replace(found, sent=None)
    return MEMORIES.number(found)


def _counts_as_done(action: Action, outcome: CallOutcome, rules: Rules) -> bool:
    """Whether a failed restart counts as done because a rule about restarts is switched off."""
    if outcome is CallOutcome.NOT_APPLIED:
        return not rules.lost_is_not_done
    is_ill = outcome is CallOutcome.UNHEALTHY
    return is_ill and action.to is not PasswordVersion.NEW and not rules.restart_must_succeed


def arrive(state: State, request: Request, rules: Rules) -> tuple[State, str]:
    """Return the state after a request has arrived, and the reply."""
    kind, value, number = request.kind, request.value, request.number
    if kind == "mod":
        if rules.busy == "sync":
            return _apply(state, value, rules), "ok"
        if state.queue and (rules.busy == "reject" or len(state.queue) > 1):
            return state, "busy"
        return state._replace(queue=(*state.queue, value)), "ok"
    if kind == "put":
        return _put(state, value), "ok"
    if kind == "open":
        is_next = len(state.log) == number - 1 and (not state.log or state.log[-1].closed)
        if not is_next:
            return state, "exists"
        return state._replace(log=(*state.log, Rotation(value, request.direction))), "ok"
    record = state.log[number - 1]
    if kind == "decide":
        if record.decision and rules.register:
            return state, "exists"
        is_rewritten = request.direction == EARLIER
        decided = record._replace(decision=value, is_rewritten=is_rewritten)
        return _with(state, number, decided), "ok"
    if kind == "supersede":
        return _with(state, number, record._replace(is_superseded=True)), "ok"
    if kind == "join":
        if record.closed:
            return state, "exists"
        return _with(state, number, record._replace(is_joined=True)), "ok"
    if record.closed or (kind == "close clean" and record.is_joined and rules.join_is_unclean):
        return state, "exists"
    is_clean = kind == "close clean"
    return _with(state, number, record._replace(closed=value, is_clean=is_clean)), "ok"


def _put(state: State, value: str) -> State:
    """Write the parameter, or delete it with an empty value; mark it in the unfinished rotation."""
    held = state.held | {value} if value else state.held
    actors = tuple(_before_a_write(actor) for actor in state.actors)
    network = tuple(
        sorted(r._replace(direction=EARLIER) if r.kind == "decide" else r for r in state.network)
    )
    state = state._replace(parameter=value, held=held, actors=actors, network=network)
    if not state.log:
        return state
    last = state.log[-1]
    is_rewritten = last.is_rewritten or last.decision != ""
    return _with(state, len(state.log), last._replace(is_written=True, is_rewritten=is_rewritten))


@cache
def _before_a_write(actor: Actor) -> Actor:
    """Clear a runner's knowledge of the app, which is about a version that is no longer the newest."""
    if not actor.memory:
        return actor
    number = actor.action
    if number and ACTIONS[number].kind in (ActionKind.RESTART, ActionKind.DECIDE):
        number = ACTIONS.number(replace(ACTIONS[number], fingerprint=EARLIER))
    memory = replace(MEMORIES[actor.memory], restarted_on="", unhealthy_on="")
    return actor._replace(memory=MEMORIES.number(memory), action=number)


def user_of(value: str, rules: Rules) -> int:
    """Return the user of a login; with alternating users it is the last character."""
    return int(value[-1]) if rules.is_alternating else 0


def _apply(state: State, value: str, rules: Rules) -> State:
    user = user_of(value, rules)
    database = (*state.database[:user], value, *state.database[user + 1 :])
    return state._replace(database=database, accepted=state.accepted | {value})


def _with(state: State, number: int, record: Rotation) -> State:
    return state._replace(log=(*state.log[: number - 1], record, *state.log[number:]))


def fenced(state: State, index: int, number: int, direction: str) -> bool:
    """Whether the fence is over: no request of another direction can still arrive."""
    if any(r.kind in ("mod", "put") and (r.number, r.direction) != (number, direction)
           for r in state.network):  # fmt: skip
        return False
    return not any(
        other != index
        and actor.state == "run"
        and actor.action
        and ACTIONS[actor.action].kind in SENDS
        and (actor.number, _direction(ACTIONS[actor.action])) != (number, direction)
        for other, actor in enumerate(state.actors)
    )


def _direction(action: Action) -> str:
    return str(action.direction)


def see(
    state: State, index: int, number: int, rules: Rules
) -> tuple[str, bool, bool, str, bool, bool, str, bool, bool, str, bool]:
    """Observe the state as a runner does; what the fields of an `Observation` would be, in their order."""
    record = state.log[number - 1]
    database = _database_state(state, record)
    memory = state.actors[index].memory
    decision = SUPERSEDED if record.is_superseded else record.decision
    wants = decision or (MEMORIES[memory].wants if memory else "")
    if rules.is_alternating and wants == ROLLBACK and database == NEW:
        # As the runner does it: the other user's login is no obstacle.
        database = OLD
    if state.parameter == record.new:
        parameter = NEW
    elif state.parameter == record.old:
        parameter = OLD
    else:
        parameter = OTHER if state.parameter else ABSENT
    is_fenced = rules.fence and (rules.fence_supersedes or not record.is_superseded)
    return (
        decision or record.closed,
        record.closed != "",
        record.is_joined and rules.join_is_unclean,
        database,
        bool(state.queue) and not rules.shows_late,
        not (state.queue and rules.hold_down),
        parameter,
        record.is_written,
        not is_fenced or fenced(state, index, number, decision or "None"),
        state.parameter,
        record.decision == FORWARD and not (record.is_rewritten and rules.sees_rewrites),
    )


def _database_state(state: State, record: Rotation) -> str:
    """Return the database's state as a runner finds it by logging in with every stored password."""
    if record.new in state.database:
        return NEW
    if record.old in state.database:
        return OLD
    if state.parameter in state.database:
        return HELD
    known = set(state.held).union(*((r.new, r.old) for r in state.log))
    return OTHER if known & set(state.database) else NONE


def steps(state: State, rules: Rules, lone: bool = False) -> Iterator[Step]:
    """Yield everything that can happen next."""
    if state.queue:
        value, *rest = state.queue
        after = _apply(state, value, rules)._replace(queue=tuple(rest))
        yield ("the database applies", value), after
    if rules.is_alternating and state.running != state.parameter:
        yield ("the app starts again",), state._replace(running=state.parameter)
    for location, request in enumerate(state.network):
        if location and state.network[location - 1] == request:
            continue
        rest_of = state._replace(network=state.network[:location] + state.network[location + 1 :])
        after, answer = arrive(rest_of, request, rules)
        yield ("late:", *request, f"({answer})"), after
        yield ("expired:", *request), rest_of
    if (state.person or state.deletions) and not lone and not _is_closing(state):
        yield from _person_steps(state, rules)
    for index, actor in enumerate(state.actors):
        yield from _actor_steps(state, index, actor, rules, lone)


def _is_closing(state: State) -> bool:
    """Whether a runner is between its last observation and the close; a change now counts as after it."""
    closes = (ActionKind.CLOSE, ActionKind.CLOSE_IMMEDIATELY)
    is_late = any(r.kind in closes for r in state.network)
    return is_late or any(a.action and ACTIONS[a.action].kind in closes for a in state.actors)


def _person_steps(state: State, rules: Rules) -> Iterator[Step]:
    """Yield a person's manual changes, at any time; they may stop at any of them."""
    is_over = not state.log or state.log[-1].closed != ""
    after = state._replace(is_foreign=state.is_foreign or is_over, person=state.person[1:])
    if state.person.startswith("P"):
        yield ("a person writes the parameter",), _put(after, FOREIGN)
    if state.person.startswith("D") and not state.queue:
        yield ("a person changes the database",), _apply(after, FOREIGN, rules)
    if state.person.startswith("A"):
        yield ("a person restarts the app",), after._replace(running=state.parameter)
    if state.deletions and state.parameter:
        gone = after._replace(person=state.person, deletions=state.deletions - 1)
        yield ("a person deletes the parameter",), _put(gone, "")


def _mend(state: State, why: StopReason | None, rules: Rules) -> State:
    """Fix a stop as `repair` does, or as an administrator does if no known password logs in."""
    if why is StopReason.LOCKED_OUT:
        return _apply(state, state.parameter or state.log[-1].old, rules)
    known = {v for r in state.log for v in (r.new, r.old)} | state.held
    return _put(state, min(known & set(state.database)))


def _actor_steps(
    state: State, index: int, actor: Actor, rules: Rules, lone: bool
) -> Iterator[Step]:
    def put(new: Actor, base: State = state) -> State:
        # A call may have changed the other actors. Like `_replace`, in a third of its time.
        actors = (*base.actors[:index], new, *base.actors[index + 1 :])
        return State._make((*base[:ACTORS], actors, *base[ACTORS + 1 :]))

    name = "abc"[index]
    if actor.state == "idle" or (actor.state == "dead" and state.restarts):
        base = state if actor.state == "idle" else state._replace(restarts=state.restarts - 1)
        yield from _start(base, index, name, rules, lone, put)
        return
    if actor.state not in ("run", "opening"):
        return
    if state.kills:
        yield (name, "killed"), put(Actor("dead"), state._replace(kills=state.kills - 1))
    _, number, memory, action, old = actor
    if actor.state == "opening":
        whose = 1 - user_of(old, rules) if rules.is_alternating else ""
        request = Request("open", f"{number}{name}{whose}", number, old)
        opened = Actor("run", number, MEMORIES.number(replace(MEMORIES[memory], opened=True)))
        yield from _send(
            state, request, rules, put, lambda o: opened if o is APPLIED else Actor("idle")
        )
        return
    if not action:
        action = _decide(*see(state, index, number, rules), memory, rules)
        kind, stop = ACTIONS[action].kind, ACTIONS[action].stop
        if kind is ActionKind.FINISHED:
            yield (name, "finished"), put(Actor("finished"))
        elif kind is ActionKind.STOP and lone and stop in REPAIRABLE:
            yield ("repaired:", str(stop)), put(actor, _mend(state, stop, rules))
        elif kind is ActionKind.STOP:
            # Unhealthy because a delayed request came: running the command again tries again.
            after = "idle" if lone and stop is StopReason.UNHEALTHY else "stuck"
            yield (name, "stops:", str(stop)), put(Actor(after))
        elif kind not in (ActionKind.WAIT, ActionKind.AWAIT_FENCE):
            yield (name, "looks:", *_words(action)), put(Actor("run", number, memory, action))
        return
    yield (name, "finds its look too old"), put(Actor("run", number, memory))
    if ACTIONS[action].kind is ActionKind.RESTART:
        record = state.log[number - 1]
        is_decided = record.decision != "" or record.is_superseded
        can_be_ill = rules.can_be_ill and not is_decided
        for outcome, running in _restarts(state, can_be_ill, rules.command_can_fail):
            learnt = Actor("run", number, _learn(memory, action, outcome, rules))
            label = (name, *_words(action), ":", outcome)
            yield label, put(learnt, state._replace(running=running))
        return
    yield from _send(
        state,
        _request(state, number, action),
        rules,
        put,
        lambda o: Actor("run", number, _learn(memory, action, o, rules)),
    )


def _restarts(
    state: State, can_be_ill: bool, command_can_fail: bool
) -> Iterator[tuple[CallOutcome, str]]:
    """Yield the outcomes of a restart, and the app's login then; it reads the parameter as it is now.

    Args:
        can_be_ill: also for another cause, which a rollback may fix.
    """
    yield CallOutcome.NOT_APPLIED, state.running
    if command_can_fail:
        yield CallOutcome.UNHEALTHY, state.running
    if not state.parameter:
        yield CallOutcome.UNHEALTHY, state.running
    elif state.parameter not in state.database:
        yield CallOutcome.UNHEALTHY, state.parameter
    else:
        yield CallOutcome.APPLIED, state.parameter
        if can_be_ill:
            yield CallOutcome.UNHEALTHY, state.parameter


def _start(
    state: State,
    index: int,
    name: str,
    rules: Rules,
    lone: bool,
    put: Callable[[Actor, State], State],
) -> Iterator[Step]:
    last = state.log[-1] if state.log else None
    if last is not None and not last.closed:
        for wants in (Direction.FORWARD, Direction.ROLLBACK):
            memory = MEMORIES.number(RunnerState(wants, takes_over=True))
            yield (name, "joins,", wants), put(Actor("run", len(state.log), memory), state)
        return
    number, is_sound = len(state.log) + 1, _is_sound(state) and not state.queue
    # The rotation does not start while a process still uses the user whose turn it is.
    is_idle = state.running == state.parameter or not (rules.is_alternating and rules.idle_is_idle)
    if lone or number > rules.rotations:
        if not state.queue:
            is_well = is_sound or state.is_foreign
            yield (name, "has nothing to do"), put(Actor("finished" if is_well else "stuck"), state)
        return
    may_open = (
        last is None
        or last.is_clean
        or not rules.fence
        or not rules.fence_before_next
        or fenced(state, index, number, "forward")
    )
    # The app has to be healthy with the parameter's login.
    is_idle = is_idle and (
        not rules.restarts or rules.is_alternating or state.running == state.parameter
    )
    if is_sound and is_idle and may_open:
        yield (
            (name, "opens", number),
            put(
                Actor(
                    "opening",
                    number,
                    MEMORIES.number(RunnerState(Direction.FORWARD)),
                    old=state.parameter,
                ),
                state._replace(is_foreign=False),
            ),
        )


def _is_sound(state: State) -> bool:
    """Whether a process that starts now can log in."""
    return state.parameter in state.database


def _request(state: State, number: int, numbered: int) -> Request:
    record, action = state.log[number - 1], ACTIONS[numbered]
    if action.kind is ActionKind.DECIDE and action.direction is Direction.SUPERSEDED:
        return Request("supersede", "", number, "")
    if action.kind in SENDS:
        values = {PasswordVersion.NEW: record.new, PasswordVersion.OLD: record.old}
        value = values.get(action.to or PasswordVersion.OTHER, state.parameter)
        return Request(
            "mod" if action.kind is ActionKind.CHANGE else "put", value, number, _direction(action)
        )
    seen = EARLIER if action.fingerprint == EARLIER and action.kind is ActionKind.DECIDE else ""
    return Request(str(action.kind), str(action.direction or ""), number, seen)


def _send(
    state: State,
    request: Request,
    rules: Rules,
    put: Callable[[Actor, State], State],
    after: Callable[[CallOutcome], Actor],
) -> Iterator[Step]:
    """Yield every way in which a call can end."""
    arrived, answer = arrive(state, request, rules)
    unknown = after(CallOutcome.UNKNOWN)
    if answer == "busy":
        yield (*request, ": busy"), put(unknown, state)
    elif answer == "exists":
        yield (*request, ": exists"), put(after(CallOutcome.EXISTS), arrived)
    else:
        yield (*request, ": ok"), put(after(APPLIED), arrived)
        yield (*request, ": carried out, reply lost"), put(unknown, arrived)
        if not rules.single_attempts and request.kind in ("mod", "put") and state.delays:
            twice = arrived._replace(
                network=tuple(sorted((*arrived.network, request))), delays=state.delays - 1
            )
            yield (*request, ": ok, and a repeat is under way"), put(after(APPLIED), twice)
    yield (*request, ": never arrived"), put(unknown, state)
    if rules.can_refuse and request.kind in ("mod", "put") and request.direction == "forward":
        yield (*request, ": refused"), put(after(CallOutcome.REFUSED), state)
    if state.delays:
        later = state._replace(
            network=tuple(sorted((*state.network, request))), delays=state.delays - 1
        )
        yield (*request, ": still under way, timed out"), put(unknown, later)
        if state.kills:
            dead = later._replace(kills=state.kills - 1)
            yield (*request, ": still under way, killed"), put(Actor("dead"), dead)


def _words(number: int) -> Label:
    action = ACTIONS[number]
    return (action.kind, action.to or action.direction or "")


def text(label: Label) -> str:
    """A step in words."""
    return " ".join(str(word) for word in label if word != "")


def violations(state: State, rules: Rules) -> Iterator[str]:
    """Yield the invariants that do not hold."""
    known = set(state.held)
    for record in state.log:
        if rules.keeps_records or not record.closed:
            known |= {record.new, record.old}
    under_way = {r.value for r in state.network if r.kind == "mod"}
    # No one has ever needed the password that a second user had before its first turn.
    if not {*state.database, *state.queue, *under_way} - {NEVER_USED, FOREIGN} <= known:
        yield "I1"
    if rules.is_alternating and not _is_sound(state):
        yield "starts"
    if rules.is_alternating and state.running not in state.database:
        yield "reconnects"
    if state.parameter not in {*state.accepted, "", FOREIGN}:
        yield "I2"
    if _is_at_rest(state) and not _is_sound(state):
        yield "I4"
    if rules.restarts and _is_at_rest(state) and state.running not in state.database:
        yield "I6"
    for record in state.log:
        ends = {record.decision, SUPERSEDED if record.is_superseded else record.decision}
        if record.closed and record.decision and record.closed not in ends:
            yield "I5"


def _is_at_rest(state: State) -> bool:
    """Whether the newest rotation is closed, nothing is in flight, and no person has acted since."""
    if not state.log or not state.log[-1].closed or state.is_foreign:
        return False
    busy = any(a.state == "run" for a in state.actors)
    return not (busy or state.network or state.queue)


@dataclass
class Explored:
    """The result of an exploration.

    Attributes:
        parents: state -> the state before it, and the step.
        broken: invariant -> the first state that violates it, and the number of such states.
        endings: the endings of the rotations in closed logs, such as `forward rollback`.
    """

    parents: dict[State, Step | None]
    broken: dict[str, tuple[State, int]]
    endings: Counter[str]

    def path(self, state: State) -> list[str]:
        """Return the steps that lead to a state."""
        found: list[str] = []
        before = self.parents[state]
        while before is not None:
            found.append(text(before[0]))
            before = self.parents[before[1]]
        return found[::-1]


def _first(rules: Rules, runners: int, kills: int, delays: int, restarts: int) -> State:
    database = ("0", NEVER_USED) if rules.is_alternating else ("0",)
    return State(
        database, (), "0", frozenset("0"), frozenset("0"), (), (),
        tuple(Actor("idle") for _ in range(runners)), kills, delays, restarts,
        person=rules.person, deletions=rules.deletions,
    )  # fmt: skip


def explore(
    rules: Rules, runners: int, kills: int, delays: int, restarts: int, until: str = ""
) -> Explored:
    """Explore every reachable state, or those up to the first violation of an invariant."""
    with _no_garbage_collection():
        return _explore(rules, _first(rules, runners, kills, delays, restarts), until)


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Millions of tuples without a cycle, which the collector would go through again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _explore(rules: Rules, first: State, until: str) -> Explored:
    parents: dict[State, Step | None] = {first: None}
    queue, broken, endings = deque([first]), dict[str, tuple[State, int]](), Counter[str]()
    while queue and until not in broken:
        state = queue.popleft()
        for label, after in steps(state, rules):
            # Hash each state only once: it is a deep tuple.
            known = len(parents)
            parents.setdefault(after, (label, state))
            if len(parents) == known:
                continue
            queue.append(after)
            for name in violations(after, rules):
                kept, count = broken.get(name, (after, 0))
                broken[name] = (kept, count + 1)
            if after.log and after.log[-1].closed:
                endings[" ".join(r.closed for r in after.log)] += 1
    return Explored(parents, broken, endings)


ARRIVED = re.compile(
    r"^(?:late: )?(mod|put|open|join|decide|close clean|close)\b.*(: ok|reply lost|\(ok\)|under way)$"
)
CALLED = {"mod": "change", "put": "publish"}


def successions(
    rules: Rules, runners: int, kills: int, delays: int, restarts: int
) -> set[tuple[str, str]]:
    """Return the pairs of calls carried out in direct succession, over all runners; the first follows ""."""
    first = _first(rules, runners, kills, delays, restarts)
    seen, todo, found = {(first, "")}, deque([(first, "")]), set[tuple[str, str]]()
    while todo:
        state, last = todo.popleft()
        for label, after in steps(state, rules):
            words = text(label)
            arrived = ARRIVED.match(words)
            now = last
            if arrived is not None and "timed out" not in words:
                now = CALLED.get(arrived.group(1), arrived.group(1))
                found.add((last, now))
            if (after, now) not in seen:
                seen.add((after, now))
                todo.append((after, now))
    return found


def resumes(explored: Explored, rules: Rules) -> tuple[int, list[State]]:
    """Run one fresh undisturbed runner from every state in which none runs.

    Returns:
        The number of these states, and those from which a bad end is reachable.
    """
    roots: dict[State, State] = {}
    for state in explored.parents:
        if all(a.state in STILL for a in state.actors):
            alone = state._replace(
                actors=(Actor("idle"),), kills=0, delays=0, restarts=0, person="", deletions=0
            )
            roots.setdefault(alone, state)
    # From here on a state is its place in this list: each is hashed once for every step that leads to it.
    states = list(roots)
    places = {state: place for place, state in enumerate(states)}
    before: list[list[int]] = [[] for _ in states]
    last = []
    for place, state in enumerate(states):
        is_last = True
        for _, after in steps(state, rules, lone=True):
            is_last = False
            following = places.setdefault(after, len(states))
            if following == len(states):
                states.append(after)
                before.append([])
            before[following].append(place)
        if is_last:
            last.append(place)
    good = _backwards([place for place in last if _is_good(states[place])], before)
    bad = _backwards([place for place in range(len(states)) if place not in good], before)
    return len(roots), [root for place, root in enumerate(roots.values()) if place in bad]


def _is_good(state: State) -> bool:
    """Whether P = D, nothing is in flight, and no rotation is unfinished.

    One that a delayed create has opened, and that has changed nothing, does not count.
    """
    if state.queue or state.network or not (_is_sound(state) or state.is_foreign):
        return False
    last = state.log[-1] if state.log else None
    is_orphan = last is not None and last.new not in state.held | state.accepted
    is_over = last is None or last.closed != "" or is_orphan
    return state.actors[0].state == "finished" and is_over


def _backwards(found: list[int], before: list[list[int]]) -> set[int]:
    seen, todo = set(found), list(found)
    while todo:
        for one in before[todo.pop()]:
            if one not in seen:
                seen.add(one)
                todo.append(one)
    return seen


Naive = tuple[str, str, str, frozenset[str], tuple[int, ...], int]
"""Database, pending, parameter, all accepted values, each person's position, kills left."""


def naive(order: tuple[str, ...], people: int, kills: int) -> dict[str, list[str]]:
    """Explore the usual runbook in an order of `put`, `mod` and `wait`.

    Every person has their own password, and stops at the end.

    Returns:
        Invariant -> a shortest path to its violation.
    """
    first: Naive = ("0", "", "0", frozenset("0"), (0,) * people, kills)
    parents: dict[Naive, tuple[str, Naive] | None] = {first: None}
    queue, found = deque([first]), dict[str, list[str]]()

    def path(state: Naive) -> list[str]:
        steps_back, before = [], parents[state]
        while before is not None:
            steps_back.append(before[0])
            before = parents[before[1]]
        return steps_back[::-1]

    while queue:
        state = queue.popleft()
        database, pending, parameter, accepted, places, left = state
        dead = len(order)
        known = {parameter, "0"}
        if database not in known:
            # The only copy is in a process's memory, and is lost with it.
            found.setdefault("I1 while it runs", path(state))
            if all(p >= dead for p in places):
                found.setdefault("I1", path(state))
        if parameter not in accepted:
            found.setdefault("I2", path(state))
        if not pending and all(p >= dead for p in places) and parameter != database:
            found.setdefault("I4", path(state))
        following: list[tuple[str, Naive]] = []
        if pending:
            after = (pending, "", parameter, accepted | {pending}, places, left)
            following.append((f"the database applies {pending}", after))
        for who, location in enumerate(places):
            if location >= dead:
                continue
            value = "abc"[who]
            moved = (*places[:who], location + 1, *places[who + 1 :])
            gone = (*places[:who], dead + 1, *places[who + 1 :])
            if left:
                killed = (database, pending, parameter, accepted, gone, left - 1)
                following.append((f"{value} killed", killed))
            if order[location] == "put":
                after = (database, pending, value, accepted, moved, left)
                following.append((f"{value} puts", after))
            elif order[location] == "mod" and not pending:
                after = (database, value, parameter, accepted, moved, left)
                following.append((f"{value} modifies", after))
            elif order[location] == "wait" and not pending and database == value:
                after = (database, pending, parameter, accepted, moved, left)
                following.append((f"{value} logs in", after))
        for label, after in following:
            if after not in parents:
                parents[after] = (label, state)
                queue.append(after)
    return found
