"""Simulates AWS in memory with a virtual clock, and processes that run the real rotation code.

Every event is in one queue, ordered by the virtual clock. A seed decides which calls are slow, lost,
late or refused as busy, which process is killed, and which manual changes a person makes.
"""

from __future__ import annotations

import heapq
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

from opskit.config import Target
from opskit.credential_source.interface import CredentialUpdate
from opskit.engine.interface import LoginFailure, LoginResult
from opskit.errors import AwsError, OpskitError
from opskit.rotation.planning.plan import Plan, RotationOvertaken
from opskit.rotation.planning.preflight import check_previous
from opskit.rotation.protocol.fence import Fence
from opskit.rotation.protocol.interface import DatabaseCredential, RotationIntent
from opskit.rotation.protocol.services import RotationResult
from opskit.rotation.protocol.state_machine import REPAIRABLE, Direction, StopReason
from opskit.rotation.service import Service
from opskit.rotation.steps.restart import RestartResult, read
from opskit.secret import Secret
from opskit.workload.interface import RestartTarget

NAME = "/linkbox/db-password"
TARGET = Target("linkbox", {"password": NAME, "username": "/linkbox/db-username"}, "/linkbox")
USER = "linkbox"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
FENCE_S = 1200.0
SIGNATURE_S = 300.0
"""AWS rejects older signatures, so a delayed request arrives within this time."""
STALE_S = 3.0
LONGEST_APPLY_S = 12.0
BATCHES = ("container\tweb\ti-1\thttp://127.0.0.1/health", "container\tworker\ti-1\t")
FOREIGN = "set-by-hand"
LAST_LOOK_S = 40.0
"""A manual change later than this before a close may not have been observed."""


class Killed(BaseException):
    """The process was killed; none of its code runs any more."""


@dataclass(order=True)
class Event:
    """An event at a time; the sequence keeps events of one moment in order."""

    at: float
    sequence: int
    work: Callable[[], None] = field(compare=False)


@dataclass
class Stored:
    """A parameter's versions: (version, value, since, author); value None: deleted."""

    rows: list[tuple[int, str | None, float]] = field(default_factory=list)

    def seen(self, at: float) -> tuple[int, str, float] | None:
        """Return the newest version as of a time."""
        for version, value, since in reversed(self.rows):
            if since <= at:
                return None if value is None else (version, value, since)
        return None


@dataclass
class Trouble:
    """Probabilities of failures.

    Attributes:
        calls: share of writes that do not end well.
        slow: share of calls that take longer than an observation may be old.
        stale: share of reads that show an earlier moment.
        transport, ill: share of restarts that are lost, and after which the app is unhealthy.
    """

    calls: float = 0.0
    slow: float = 0.0
    stale: float = 0.0
    transport: float = 0.0
    ill: float = 0.0


class World:
    """The simulated state, and the queue of events."""

    def __init__(self, seed: int, trouble: Trouble, *, is_master: bool) -> None:
        self.random, self.trouble, self.is_master = random.Random(seed), trouble, is_master
        self.now, self._sequence = 0.0, 0
        self.events: list[Event] = []
        self.store: dict[str, Stored] = {}
        self.database, self.pending = "old-0", list[tuple[str, float]]()
        self.apps = dict.fromkeys(BATCHES, "old-0")
        self.foreign, self.ever = {FOREIGN}, {"old-0"}
        self.log: list[str] = []
        self.put(NAME, "old-0", overwrite=True)
        self.touched_at = self.close_sent_at = -1.0

    def after(self, seconds: float, work: Callable[[], None]) -> None:
        """Add an event."""
        self._sequence += 1
        heapq.heappush(self.events, Event(self.now + seconds, self._sequence, work))

    def run(self, limit_s: float = 86_400.0) -> None:
        """Process all events in the queue."""
        end = self.now + limit_s
        while self.events:
            event = heapq.heappop(self.events)
            assert event.at < end, f"it never ends: {self.log[-20:]}"
            self.now = event.at
            event.work()
            self.check_nothing_lost()

    def note(self, text: str) -> None:
        """Log a line that explains a failure."""
        self.log.append(f"{self.now:9.2f} {text}")

    def moment(self, at: float) -> datetime:
        """Convert a virtual time into AWS's."""
        return BEGIN + timedelta(seconds=at)

    def write(self, value: str | None) -> None:
        """Write the password parameter as another user, or delete it."""
        self.put(NAME, value, overwrite=True)

    def put(self, name: str, value: str | None, *, overwrite: bool) -> int:
        """Write a parameter as Parameter Store does; return the version, or 0 if it exists already."""
        rows = self.store.setdefault(name, Stored()).rows
        last = rows[-1] if rows else (0, None, 0.0)
        if last[1] is not None and not overwrite:
            return 0
        version = 0 if value is None else (last[0] + 1 if last[1] is not None else 1)
        rows.append((version, value, self.now))
        self.note(f"{name} = {value[:60] if value else value} (version {version})")
        return version

    @property
    def parameter(self) -> str | None:
        """The password parameter's value."""
        found = self.store[NAME].seen(self.now)
        return found[1] if found else None

    def apply(self, password: str) -> None:
        """Make the database accept a password."""
        self.database = password
        self.ever.add(password)
        self.note(f"the database accepts {password}")

    def check_nothing_lost(self) -> None:
        """Check that every password which the database accepts, or will, is readable somewhere."""
        texts = [v for stored in self.store.values() for _, v, _ in stored.rows if v is not None]
        for password in {self.database, *(p for p, _ in self.pending)} - self.foreign:
            assert any(password in text for text in texts), f"LOST {password}: {self.log[-20:]}"


class Process:
    """One opskit process: a thread that runs only during its turn."""

    def __init__(
        self, world: World, name: str, work: Callable[[Process], str], kill_after: int
    ) -> None:
        self.world, self.name, self._kill_after = world, name, kill_after
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self.result = ""
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)

    def start(self) -> None:
        """Run it until its first pause."""
        self._thread.start()
        self._turn()

    def _turn(self) -> None:
        self._go.release()
        self._back.acquire()
        if self.error is not None:
            raise self.error

    def _run(self, work: Callable[[Process], str]) -> None:
        self._go.acquire()
        try:
            self.result = work(self)
        except Killed:
            self.result = "killed"
        except BaseException as error:
            self.error = error
        self.world.note(f"{self.name}: {self.result}")
        self._back.release()

    def pause(self, seconds: float) -> None:
        """Let all other events happen for a while."""
        self._kill_after -= 1
        self.world.after(seconds, self._turn)
        self._back.release()
        self._go.acquire()
        if self._kill_after == 0:
            self.world.note(f"{self.name} is killed")
            raise Killed


class Client:
    """One process's clients of Systems Manager, RDS and STS; with `before_send` for those that write."""

    def __init__(self, process: Process, before_send: Callable[[], None] | None = None) -> None:
        self._process, self._world, self._before_send = process, process.world, before_send

    def _wait(self) -> None:
        slow = self._world.random.random() < self._world.trouble.slow
        self._process.pause(self._world.random.uniform(20, 60) if slow else 0.05)

    def _reply(self, **fields: Any) -> dict[str, Any]:
        date = format_datetime(self._world.moment(self._world.now), usegmt=True)
        return {**fields, "ResponseMetadata": {"HTTPHeaders": {"date": date}}}

    def _at(self) -> float:
        """Return the moment that a read shows."""
        world = self._world
        is_stale = world.random.random() < world.trouble.stale
        return world.now - (world.random.uniform(0, STALE_S) if is_stale else 0.0)

    def _send(self, permission: str, work: Callable[[], Any]) -> Any:
        """Send a write, which ends in one of all possible ways."""
        assert self._before_send is not None
        world, chance = self._world, self._world.random
        self._wait()
        self._before_send()
        lost = AwsError(permission, "Timeout", "")
        if chance.random() >= world.trouble.calls:
            self._process.pause(0.05)
            return work()
        how = chance.choice(("throttled", "never arrived", "reply lost", "late", "late"))
        world.note(f"{self._process.name} {permission}: {how}")
        if how == "throttled":
            raise AwsError(permission, "ThrottlingException", "")
        if how == "late":
            world.after(chance.uniform(1, SIGNATURE_S), lambda: _quietly(work))
        self._process.pause(chance.uniform(0.1, 10))
        if how == "reply lost":
            _quietly(work)
        raise lost

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": "1", "Arn": "arn:me", "UserId": "me"}

    def get_parameter(self, **named: Any) -> dict[str, Any]:
        self._wait()
        name = named["Name"]
        found = self._world.store.get(name, Stored()).seen(self._at())
        if found is None:
            raise AwsError("ssm:GetParameter", "ParameterNotFound", "")
        return self._reply(Parameter=self._row(name, found))

    def _row(self, name: str, found: tuple[int, str, float]) -> dict[str, Any]:
        version, value, since = found
        at = self._world.moment(since)
        return {"Name": name, "Value": value, "Version": version, "LastModifiedDate": at}

    def get_parameters_by_path(self, **named: Any) -> dict[str, Any]:
        self._wait()
        at, path = self._at(), f"{named['Path']}/"
        seen = {n: s.seen(at) for n, s in self._world.store.items() if n.startswith(path)}
        return self._reply(Parameters=[self._row(n, f) for n, f in seen.items() if f is not None])

    def get_parameter_history(self, **named: Any) -> dict[str, Any]:
        self._wait()
        rows = self._world.store.get(named["Name"], Stored()).rows
        start = max((i + 1 for i, row in enumerate(rows) if row[1] is None), default=0)
        return self._reply(Parameters=[{"Version": v, "Value": x} for v, x, _ in rows[start:]])

    def describe_parameters(self, **_: Any) -> dict[str, Any]:
        return self._reply(Parameters=[])

    def put_parameter(self, **named: Any) -> dict[str, Any]:
        name, value, sent_at = named["Name"], named["Value"], self._world.now

        def work() -> dict[str, Any]:
            version = self._world.put(name, value, overwrite=named["Overwrite"])
            if not version:
                raise AwsError("ssm:PutParameter", "ParameterAlreadyExists", "")
            if closes(name, value):
                self._world.close_sent_at = sent_at
            return self._reply(Version=version)

        found: dict[str, Any] = self._send("ssm:PutParameter", work)
        return found

    def delete_parameter(self, **_: Any) -> None:
        raise AwsError("ssm:DeleteParameter", "AccessDenied", "")

    def describe_db_instances(self, **_: Any) -> dict[str, Any]:
        self._wait()
        shows = [p for p, since in self._world.pending if self._world.now - since > 2.0]
        status = "resetting-master-credentials" if shows else "available"
        return {"DBInstances": [{"DBInstanceStatus": status, "DbiResourceId": "db-X"}]}

    def modify_db_instance(self, **named: Any) -> None:
        world, password = self._world, named["MasterUserPassword"]

        def work() -> None:
            if world.pending:
                raise AwsError("rds:ModifyDBInstance", "InvalidDBInstanceState", "")
            world.pending.append((password, world.now))
            world.after(world.random.uniform(0.2, LONGEST_APPLY_S), finish)

        def finish() -> None:
            world.pending.clear()
            world.apply(password)

        self._send("rds:ModifyDBInstance", work)


def closes(name: str, value: str) -> bool:
    """Whether a record closes its rotation."""
    return name.endswith("/done") or '"kind": "close"' in value


def _quietly(work: Callable[[], Any]) -> None:
    """Run a request whose reply no process receives."""
    try:
        work()
    except AwsError:
        return


class Aws:
    """One process's AWS clients."""

    region, calls, calls_in_thread = "us-east-1", 0, 0

    def __init__(self, process: Process) -> None:
        self._process = process

    def client(self, _: str) -> Client:
        return Client(self._process)

    def write_client(self, _: str, before_send: Callable[[], None]) -> Client:
        return Client(self._process, before_send)


class FakeConnector:
    """Connector that logs in, and changes a password by SQL: fenced by a lock, so no change is delayed."""

    description = "from here"

    def __init__(self, process: Process) -> None:
        self._process, self._world = process, process.world
        self.engine = SimpleNamespace(change_password=self._change)

    def server(self) -> None:
        return None

    def try_login(self, _: str, password: Secret) -> LoginResult:
        self._process.pause(0.05)
        if password.reveal() == self._world.database:
            return LoginResult(True, None, "", 1.0)
        return LoginResult(False, LoginFailure.PASSWORD, "wrong", 1.0)

    def _change(
        self, _: None, user: str, own: Secret, to: str, password: Secret,
        *, still_wanted: Callable[[], bool], **__: Any,
    ) -> Any:  # fmt: skip
        self._process.pause(0.05)
        if own.reveal() != self._world.database:
            return SimpleNamespace(succeeded=False, message="wrong password", is_final=False)
        if not still_wanted():
            return SimpleNamespace(succeeded=False, message="not wanted", is_final=False)
        is_lost = self._world.random.random() < self._world.trouble.calls
        if not is_lost or self._world.random.random() < 0.5:
            self._world.apply(password.reveal())
        succeeded = None if is_lost else True
        return SimpleNamespace(succeeded=succeeded, message="", is_final=False)


class FakeConnections:
    """Connections that all lead to the one database."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def connector(self, *_: Any) -> FakeConnector:
        return FakeConnector(self._process)

    def ask_instance(self, *_: Any) -> tuple[bool | None, str]:
        return None, "nobody asked"


class Simulated(Service):
    """The service, with this simulation's connectors and transports."""

    def __init__(self, process: Process) -> None:
        self._process, self._world_of_it = process, process.world
        fence = Fence(FENCE_S, clock=lambda: process.world.now)
        super().__init__(
            TARGET, Aws(process), fence, stall_timeout_s=120, health_timeout_s=1,
            stops_on_unhealthy=False, on_event=lambda event: process.world.note(event.text),
            sleep=process.pause, clock=lambda: process.world.now,
        )  # fmt: skip
        self._factory = replace(
            self._factory,
            connections=FakeConnections(process),  # type: ignore[arg-type]
            restarter=lambda _: self._restart_one,
        )

    def _restart_one(self, restart_target: RestartTarget) -> RestartResult:
        world, chance = self._world_of_it, self._world_of_it.random
        self._process.pause(1.0)
        if chance.random() < world.trouble.transport:
            if chance.random() < 0.5:
                self._start(restart_target)
            return RestartResult.lost("the agent is offline")
        self._start(restart_target)
        self._process.pause(chance.uniform(0.5, 8.0))
        text = next(t for t in BATCHES if read(t) == restart_target)
        is_well = world.apps[text] == world.database and chance.random() >= world.trouble.ill
        return RestartResult(is_well, "" if is_well else "503")

    def _start(self, restart_target: RestartTarget) -> None:
        world = self._world_of_it
        text = next(t for t in BATCHES if read(t) == restart_target)
        world.apps[text] = world.parameter or world.apps[text]
        world.note(f"{restart_target} runs on {world.apps[text]}")


def make_opening(world: World, process: Process, number: int, held: str) -> RotationIntent:
    """Create the intent that the journal records."""
    found = world.store[NAME].seen(world.now)
    old, new = Secret(held), Secret(f"{process.name}-{number}")
    published = CredentialUpdate(
        NAME, "SecureString", "key-1", "Standard", old, new, found[0] if found else 0
    )
    return RotationIntent(
        run=process.name, by="arn:me", where="here", tool="0",
        strategy="master" if world.is_master else "role", old=DatabaseCredential(USER, old), new=DatabaseCredential(USER, new),
        published=(published,), engine="postgres", host="h", port=5432, database="d",
        db_instance="db", cluster=None, resource="db-X", location="ec2-instance:i-1", restart_targets=BATCHES,
        was_healthy=True,
    )  # fmt: skip


def rotate(process: Process) -> str:
    """Run a plain rotation: the preflight's observations, then the real rotation."""
    world, service = process.world, Simulated(process)
    if service.unfinished() is not None:
        return "open"
    record, plan = service.journal.latest(), Plan()
    try:
        check_previous(record, FENCE_S, plan)
    except RotationOvertaken:
        return "overtaken"
    process.pause(plan.wait_s)
    held = world.parameter
    is_well = held is not None and held == world.database and set(world.apps.values()) == {held}
    if held is None or not is_well or world.pending:
        return "refused"
    process.pause(world.random.uniform(0.1, 5.0))
    plan.number = record.number + 1
    plan.intent = make_opening(world, process, plan.number, held)
    try:
        return _message(service.begin(plan))
    except RotationOvertaken:
        return "overtaken"
    except OpskitError as error:
        return f"failed: {error.sentence}"


def go_on(direction: Direction) -> Callable[[Process], str]:
    """Return the work of `--resume --take-over` or `--rollback --take-over`."""

    def work(process: Process) -> str:
        service = Simulated(process)
        try:
            record = service.unfinished()
            if record is None:
                return "nothing open"
            return _message(service.resume(record, direction, takes_over=True))
        except (OpskitError, AwsError) as error:
            return f"failed: {error}"

    return work


def _message(result: RotationResult) -> str:
    return str(result.direction) if result.direction else f"stopped: {result.stop}"


@dataclass
class History:
    """One seeded history, which starts and ends undisturbed."""

    world: World
    processes: list[Process] = field(default_factory=list)

    def start(
        self, name: str, work: Callable[[Process], str], after: float = 0, kill_after: int = -1
    ) -> Process:
        """Start a process at a time; it may be killed at one of its calls."""
        process = Process(self.world, name, work, kill_after)
        self.processes.append(process)
        self.world.after(after, process.start)
        return process

    def by_hand(self, after: float, work: Callable[[], None]) -> None:
        """Add a person's manual change."""

        def done() -> None:
            self.world.touched_at = self.world.now
            work()

        self.world.after(after, done)

    def is_open(self) -> bool:
        """Whether a rotation is unfinished, by the records themselves."""
        numbers: dict[int, bool] = {}
        for name, stored in self.world.store.items():
            if not name.startswith("/opskit/rotation/"):
                continue
            number = name.split("/")[-2]
            value = stored.rows[-1][1] or ""
            is_over = numbers.get(int(number), False) or closes(name, value)
            numbers[int(number)] = is_over
        return bool(numbers) and not numbers[max(numbers)]

    def mend(self, why: str) -> None:
        """Write what `repair` writes, or set what an administrator sets."""
        world = self.world
        world.note(f"mended: {why}")
        if why == StopReason.LOCKED_OUT:
            world.apply(world.parameter or "old-0")
        else:
            world.write(world.database)

    def recover(self) -> None:
        """Complete the unfinished rotation, undisturbed."""
        self.world.trouble = Trouble()
        for tried in range(8):
            if not self.is_open():
                break
            process = self.start(f"r{tried}", go_on(Direction.FORWARD))
            self.world.run()
            why = process.result.removeprefix("stopped: ")
            if why in REPAIRABLE:
                self.mend(why)
        self.world.run()
        assert not self.is_open(), self.told()

    def told(self) -> str:
        """Return the log."""
        return "\n".join(self.world.log)

    def verdict(self) -> str:
        """Return the problem at the end; empty if there is none, or a late manual change caused it."""
        world = self.world
        if world.touched_at > world.close_sent_at - LAST_LOOK_S:
            return ""
        if world.parameter != world.database:
            return f"the parameter holds {world.parameter}, the database accepts {world.database}"
        dead = {text for text, held in world.apps.items() if held != world.database}
        return f"closed, and dead: {dead}" if dead else ""


def sequential(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run a runner's reads one after the other: a simulated process has one thread."""
    return [call() for call in calls]
