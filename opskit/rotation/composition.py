"""Connects the parts of a rotation: runner, strategy and steps get the clients and connections they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from opskit import engine
from opskit.config import Target
from opskit.credential_source import source_of
from opskit.credential_source.interface import CredentialUpdate
from opskit.engine.interface import Engine, LoginFailure
from opskit.facts.interface import Known
from opskit.rotation.connections import TargetConnections
from opskit.rotation.credential_history import CredentialHistory
from opskit.rotation.planning.context import RotationContext
from opskit.rotation.planning.plan import Plan
from opskit.rotation.protocol.fence import Fence
from opskit.rotation.protocol.interface import (
    AwsClients,
    DatabaseCredential,
    RotationIntent,
    Strategy,
)
from opskit.rotation.protocol.journal import Journal
from opskit.rotation.protocol.runner import Rotation
from opskit.rotation.protocol.services import Event, RotationServices
from opskit.rotation.protocol.state_machine import Direction, RunnerState
from opskit.rotation.steps.credential_writer import CredentialWriter
from opskit.rotation.steps.database_role import RoleStrategy
from opskit.rotation.steps.managed_secret import ManagedRotation, ManagedRotationServices
from opskit.rotation.steps.master_user import MasterUserStrategy
from opskit.rotation.steps.restart import HostRestarter, RestartResult, ServiceRestarter, read
from opskit.transport.database_connector import DatabaseConnector
from opskit.transport.interface import Transport
from opskit.workload import RESTARTS, read_location
from opskit.workload.interface import Location, RestartTarget
from opskit.workload.restart import HostRestart, ServiceRestart

BELONGS_TO_LOGIN = frozenset({LoginFailure.PASSWORD, LoginFailure.OTHER, LoginFailure.ROLE_REFUSED})


@dataclass(frozen=True, slots=True)
class RotationFactory:
    """Creates the runner of a rotation from its intent.

    Attributes:
        restarter: engine -> the function that restarts one target.
        stall_timeout_s: the longest time without progress.
    """

    target: Target
    aws: AwsClients
    fence: Fence
    journal: Journal
    credentials: CredentialHistory
    connections: TargetConnections
    restarter: Callable[[Engine], Callable[[RestartTarget], RestartResult]]
    on_event: Callable[[Event], None]
    stall_timeout_s: float
    sleep: Callable[[float], None]
    clock: Callable[[], float]

    def rotation(
        self, number: int, intent: RotationIntent, state: RunnerState, who: Mapping[str, str]
    ) -> Rotation:
        """Create the runner of a rotation that has a journal.

        Args:
            state: what this process has done so far; who: goes into every record that it writes.

        Raises:
            CannotProceed: the intent names a restart target that is none.
        """
        database_engine = engine.for_rds_engine(intent.engine)

        def connect(host: str) -> DatabaseConnector:
            label = location.target if location else ""
            return self.connections.connector(
                database_engine, host, intent.port, intent.database, location, label
            )

        # A location of another form is an objection of `verify`; nothing is sent to it.
        location = read_location(intent.location) if intent.location else None
        connector = connect(intent.host)
        source = source_of(self.target)
        services = RotationServices(
            journal=self.journal,
            writer=self._writer(intent.published),
            strategy=self._strategy(number, intent, connector),
            connector=connector,
            fence=self.fence,
            other_candidates=self.credentials.others(intent),
            describe_writer=lambda: "; ".join(
                source.last_write(self.aws.client(source.service), update.name)
                for update in intent.published
            ),
            restart=self.restarter(database_engine),
            ask_instance=lambda: self.connections.ask_instance(
                location, intent.host, intent.port, database_engine
            ),
            on_event=self.on_event,
            sleep=self.sleep,
            clock=self.clock,
            readers={host: connect(host) for host in intent.readers},
        )
        targets = [read(text) for text in intent.restart_targets]
        return Rotation(
            services, number, intent, targets, state, who=who, stall_timeout_s=self.stall_timeout_s
        )

    def managed_rotation(self, plan: Plan, context: RotationContext) -> ManagedRotation:
        """Create the runner of a rotation that RDS makes in Secrets Manager."""
        app = context.app.value.location if isinstance(context.app, Known) else None
        services = ManagedRotationServices(
            rds=self.aws.client("rds"),
            write_client=self.aws.write_client("rds", self.fence.check),
            secrets=self.aws.client("secretsmanager"),
            writer=lambda update: self._writer((update,)),
            connector=self.connections.connector_of(context),
            fence=self.fence,
            restart=self.restarter(context.engine),
            ask_instance=lambda: self.connections.ask_instance(
                app, context.host, context.port, context.engine
            ),
            on_event=self.on_event,
            sleep=self.sleep,
            clock=self.clock,
        )
        return ManagedRotation(
            services, context, plan.managed, plan.restart_targets, self.stall_timeout_s
        )

    def _writer(self, published: Sequence[CredentialUpdate]) -> CredentialWriter:
        """Create a writer; each has its own memory of what it wrote."""
        source = source_of(self.target)
        reader = self.aws.client(source.service)
        writer = self.aws.write_client(source.service, self.fence.check)
        store = source.store(reader, writer, self.sleep, self.clock)
        return CredentialWriter(store, published)

    def _strategy(
        self, number: int, intent: RotationIntent, connector: DatabaseConnector
    ) -> Strategy:
        if intent.strategy == "master":
            writing = self.aws.write_client("rds", self.fence.check)
            return MasterUserStrategy(self.aws.client("rds"), writing, intent)

        def logins(to: DatabaseCredential) -> Sequence[DatabaseCredential]:
            admin = self.credentials.administrator(intent.admin_parameter)
            if not intent.is_alternating:
                return [intent.old if to is intent.new else intent.new, *admin]
            return [*admin, *self.credentials.from_journal(to.user)]

        return RoleStrategy(
            connector,
            intent,
            logins,
            partial(self._is_still_decided, number),
            self.fence.hold_down_s,
            needs_no_login=bool(intent.admin_parameter),
            partner=intent.old.user if intent.is_alternating else None,
        )

    def _is_still_decided(self, number: int, direction: Direction) -> bool:
        """Whether the journal, read now, still allows a change in this direction."""
        self.fence.mark_observed()
        record = self.journal.read(number)
        if record.close is not None:
            return False
        return record.decision is direction or (
            record.decision is None and direction is Direction.FORWARD
        )


def create_restarter(
    aws: AwsClients,
    fence: Fence,
    transport: Callable[[Location], Transport],
    health_timeout_s: float,
    sleep: Callable[[float], None],
    clock: Callable[[], float],
    database: Engine,
) -> Callable[[RestartTarget], RestartResult]:
    """Create the function that restarts one target, by its kind: by a program on its machine or by AWS.

    Args:
        transport: location of a machine -> the transport to it.
        database: classifies an unhealthy app's message about its login.
    """
    on_hosts = HostRestarter(
        transport,
        aws.region,
        lambda text: database.classify(text) in BELONGS_TO_LOGIN,
        health_timeout_s,
        sleep,
        clock,
    )

    def restart(target: RestartTarget) -> RestartResult:
        kind = RESTARTS[target.kind]
        if isinstance(kind, HostRestart):
            return on_hosts.restart(target, kind)
        assert isinstance(kind, ServiceRestart)  # noqa: S101  there is no third way
        fence.mark_observed()
        writing = aws.write_client(kind.service, fence.check)
        restarter = ServiceRestarter(aws.client(kind.service), writing, sleep, clock)
        return restarter.restart(target, kind)

    return restart
