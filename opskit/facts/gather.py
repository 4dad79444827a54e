"""Runs the readers concurrently, each as soon as its inputs are available.

No order is written down: a reader's signature names its inputs, and the order follows from them.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from opskit import denial_message
from opskit.config import Target
from opskit.credential_source import source_of
from opskit.engine import UnknownEngine
from opskit.errors import AmbiguousTarget, AwsError, OpskitError
from opskit.facts import (
    agent,
    app_instance,
    app_subnets,
    certificate,
    database,
    database_engine,
    dns,
    ecs_task,
    identity,
    instance_profiles,
    instance_role,
    instances,
    interface_owners,
    key,
    key_policy,
    load_balancer,
    location_descriptions,
    login,
    operator_policies,
    operator_simulation,
    organization,
    policies,
    prefix_lists,
    private_zones,
    probe,
    rds,
    region_instances,
    routes,
    security_group_rule_ids,
    security_groups,
    simulation,
    stored_credential,
    subnets,
    target_health,
    tls_setting,
    transport_choice,
    unfinished_rotation,
    vpc,
    vpc_endpoints,
    vpc_scope,
    workload,
)
from opskit.facts.binding import (
    Function,
    bind,
    blocking_input,
    by_type,
    inputs_of,
    outputs_of,
    producers,
)
from opskit.facts.interface import (
    CLIENTS,
    ClientFactory,
    Fact,
    FactUnavailable,
    Known,
    Unknown,
    unknown_by_bug,
)
from opskit.facts.snapshot import Snapshot
from opskit.facts.stored_credential import Credential

READERS: tuple[Function, ...] = (
    agent.read,
    app_instance.select,
    app_subnets.read,
    load_balancer.read,
    certificate.read,
    database.select,
    database.weigh,
    database_engine.read,
    dns.select_host,
    dns.read,
    ecs_task.named,
    ecs_task.read,
    ecs_task.read_interface,
    ecs_task.read_role,
    ecs_task.select,
    identity.read_confirmed,
    instance_profiles.read,
    instance_role.read,
    instances.read,
    instances.read_target_groups,
    interface_owners.read,
    key.read,
    key_policy.read,
    key_policy.read_grants,
    key_policy.read_operator_grants,
    login.read,
    login.read_direct,
    login.read_tunnel,
    login.read_client,
    vpc_scope.select,
    region_instances.read,
    vpc_scope.read_peerings,
    unfinished_rotation.read,
    operator_policies.read,
    operator_simulation.select,
    operator_simulation.read,
    organization.read,
    location_descriptions.read,
    stored_credential.read,
    policies.read,
    prefix_lists.read,
    private_zones.read,
    probe.read,
    rds.read_clusters,
    rds.read_instances,
    transport_choice.select,
    routes.read,
    security_group_rule_ids.read,
    security_groups.read,
    simulation.read,
    subnets.read,
    subnets.read_acls,
    target_health.read,
    tls_setting.read,
    vpc.read,
    vpc.read_dns,
    vpc_endpoints.read,
    workload.select,
    workload.select_role,
)
"""Every reader of facts; a new source is a file and a line here."""

SECRET_FACTS: frozenset[type] = frozenset({Credential})
"""Fact types that hold a secret: passed to readers that declare them, never part of a snapshot."""

PROBES = frozenset(
    {
        certificate.read,
        probe.read,
        login.read,
        login.read_direct,
        login.read_tunnel,
        login.read_client,
        dns.read,
    }
)
"""Readers that probe the network; they do not count as AWS rounds."""


log = logging.getLogger("opskit.facts")

CLIENT = Known(None, "given", datetime.min.replace(tzinfo=UTC))
"""Stands for a client, in the question whether a reader can run."""


class Clients(Protocol):
    """Creates AWS clients and counts their calls."""

    @property
    def calls(self) -> int:
        """All calls so far."""

    @property
    def calls_in_thread(self) -> int:
        """The sequential calls of the current thread."""

    def client(self, service: str) -> Any:
        """The client of a service."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    reader: Function
    facts: Mapping[type, Fact[Any]]
    serial_calls: int
    fatal: OpskitError | None = None


def readers_for(wanted: Iterable[type]) -> set[Function]:
    """The readers that must run to know the wanted facts, directly and through their inputs."""
    reader_of = producers(READERS)
    readers: set[Function] = set()
    todo = list(wanted)
    while todo:
        reader = reader_of.get(todo.pop())
        if reader is not None and reader not in readers:
            readers.add(reader)
            todo += [item.type for item in inputs_of(reader)]
    return readers


def gather(
    wanted: Iterable[type],
    clients: Clients,
    given: Iterable[object],
    *,
    deadline_s: float,
    on_wait: Callable[[str], None] = lambda _: None,
    allows_ambiguity: bool = False,
) -> Snapshot:
    """Read the wanted facts and their inputs.

    Args:
        given: values that readers may declare by their type: the target, the Region, the run's key.
        deadline_s: seconds from now; facts that are not read by then are unknown.
        on_wait: called with a description of the running readers.
        allows_ambiguity: what is read is of use without the app and its database, so several that may
            be meant make them unknown and do not end the run.

    Raises:
        OpskitError: no reader can work: no credentials, no Region, an ambiguous target.
    """
    run = _Run(clients, readers_for(wanted), given)
    limit = time.monotonic() + deadline_s
    run.start_ready()
    while run.running:
        on_wait(run.waiting_for)
        try:
            outcome = run.done.get(timeout=max(0.0, limit - time.monotonic()))
        except queue.Empty:
            log.debug("gave up: %s", ", ".join(sorted(map(_name, run.running))))
            run.give_up(f"no answer within {deadline_s:.0f} s (--timeout)")
            break
        if outcome.fatal is not None:
            if not (allows_ambiguity and isinstance(outcome.fatal, AmbiguousTarget)):
                raise outcome.fatal
            unknown = Unknown(outcome.fatal.sentence)
            outcome = replace(outcome, facts=dict.fromkeys(outputs_of(outcome.reader), unknown))
        run.accept(outcome)
        run.start_ready()
    public = {kind: fact for kind, fact in run.facts.items() if kind not in SECRET_FACTS}
    rounds = max((d for r, d in run.depths.items() if r not in PROBES), default=0)
    return Snapshot(public, clients.calls, rounds)


class _Run:
    """The state of one gathering: the known facts, the running readers and the waiting ones."""

    def __init__(self, clients: Clients, readers: set[Function], given: Iterable[object]) -> None:
        self._clients = clients
        now = datetime.now(UTC)
        self._given = {type(value): value for value in given}
        self.facts: dict[type, Fact[Any]] = {
            kind: Known(value, "given", now) for kind, value in self._given.items()
        }
        self._waiting = set(readers)
        self.running: set[Function] = set()
        self.done: queue.Queue[_Outcome] = queue.Queue()
        self.depths: dict[Function, int] = {}
        self._depth_of: dict[type, int] = {}

    @property
    def waiting_for(self) -> str:
        """A description of the running readers, the live probes first."""
        names = sorted({_subject(r) for r in self.running})
        return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")

    def start_ready(self) -> None:
        """Start every reader whose inputs are decided; pass unknown inputs on without running."""
        progress = True
        while progress:
            progress = False
            for reader in [r for r in self._waiting if self._is_ready(r)]:
                self._waiting.discard(reader)
                unknown = blocking_input(reader, self._fact_of)
                if unknown is not None:
                    self.facts.update(dict.fromkeys(outputs_of(reader), unknown))
                    progress = True
                else:
                    self._start(reader)

    def accept(self, outcome: _Outcome) -> None:
        """Store a reader's facts."""
        self.running.discard(outcome.reader)
        self.facts.update(outcome.facts)
        before = max((self._depth_of.get(i.type, 0) for i in inputs_of(outcome.reader)), default=0)
        self.depths[outcome.reader] = before + outcome.serial_calls
        for kind in outcome.facts:
            self._depth_of[kind] = self.depths[outcome.reader]

    def give_up(self, reason: str) -> None:
        """Mark every fact that is not read yet as unknown."""
        for reader in self.running | self._waiting:
            self.facts.update(dict.fromkeys(outputs_of(reader), Unknown(reason)))

    def _is_ready(self, reader: Function) -> bool:
        return all(i.type in self.facts or _is_client(i.type) for i in inputs_of(reader))

    def _start(self, reader: Function) -> None:
        self.running.add(reader)
        # Daemon threads, so that Ctrl-C does not wait for a read that hangs.
        threading.Thread(target=self._work, args=(reader,), daemon=True).start()

    def _work(self, reader: Function) -> None:
        before, started = self._clients.calls_in_thread, time.monotonic()
        log.debug("%s begins", _name(reader))
        kinds = outputs_of(reader)
        fatal: OpskitError | None = None
        facts: dict[type, Fact[Any]] = {}
        try:
            values = by_type(reader, reader(**bind(reader, self._input)))
            now = datetime.now(UTC)
            facts = {kind: Known(value, _subject(reader), now) for kind, value in values.items()}
        except FactUnavailable as end:
            facts = dict.fromkeys(kinds, end.unknown)
        except UnknownEngine as error:
            facts = dict.fromkeys(kinds, Unknown(f"opskit does not speak the engine {error} yet"))
        except AwsError as error:
            facts = dict.fromkeys(kinds, unknown_from(error))
        except OpskitError as error:
            fatal = error
        except Exception as error:
            facts = dict.fromkeys(kinds, unknown_by_bug(error))
        log.debug(
            "%s ends after %.0f ms: %s", _name(reader), 1000 * (time.monotonic() - started),
            fatal or "; ".join({f.reason if isinstance(f, Unknown) else "known" for f in facts.values()}),
        )  # fmt: skip
        self.done.put(_Outcome(reader, facts, self._clients.calls_in_thread - before, fatal))

    @property
    def _source_service(self) -> str:
        target: Any = self._given[Target]
        return source_of(target).service

    def _fact_of(self, kind: type) -> Fact[Any]:
        """A fact; a client, which is created later in the reader's thread, counts as known."""
        return CLIENT if _is_client(kind) else self.facts[kind]

    def _input(self, kind: type) -> Fact[Any]:
        """A fact, the client of a service, or the factory of clients."""
        if kind is ClientFactory:
            return Known(self._clients, "given", CLIENT.read_at)
        if kind in CLIENTS:
            service = CLIENTS[kind] or self._source_service
            return Known(self._clients.client(service), "given", CLIENT.read_at)
        return self.facts[kind]


def _is_client(kind: type) -> bool:
    return kind in CLIENTS or kind is ClientFactory


def unknown_from(error: AwsError) -> Unknown:
    """The unknown fact for an AWS error: the missing permission, or the service that did not answer."""
    if error.is_denied:
        denial = denial_message.parse(error.message)
        return Unknown(
            f"{denial.who} may not call {error.permission}{denial.why}", (error.permission,)
        )
    if error.is_throttled:
        return Unknown(f"AWS throttled {error.permission} ({error.code})", ("a later try",))
    reason = f"{error.permission} failed: {error.code} {error.excerpt}".strip()
    return Unknown(reason, is_unreachable=error.is_unreachable)


def _name(reader: Function) -> str:
    """The reader's name for the log."""
    return f"{reader.__module__.rsplit('.', 1)[-1]}.{reader.__name__}"


def _subject(reader: Function) -> str:
    return reader.__module__.rsplit(".", 1)[-1].replace("_", " ")
