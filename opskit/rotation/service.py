"""Facade for the rotations of one target: plan, start, resume, roll back, status, repair."""

from __future__ import annotations

import contextlib
import secrets
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from opskit import engine
from opskit.config import Target
from opskit.credential_source import source_of
from opskit.credential_source.interface import CredentialStore
from opskit.engine.interface import Engine
from opskit.errors import AwsError, CannotProceed, OpskitError, RotationUnfinished
from opskit.facts import identity
from opskit.facts.interface import Known
from opskit.rotation.composition import create_restarter
from opskit.rotation.connections import TargetConnections
from opskit.rotation.credential_history import CredentialHistory
from opskit.rotation.planning.context import RotationContext, load_context
from opskit.rotation.planning.plan import ParameterOvertaken, Plan, RotationOptions
from opskit.rotation.planning.preflight import make_plan
from opskit.rotation.planning.restart_targets import in_service
from opskit.rotation.protocol.fence import Fence, StaleObservation
from opskit.rotation.protocol.interface import (
    AwsClients,
    DatabaseCredential,
    RotationIntent,
    Strategy,
)
from opskit.rotation.protocol.journal import Journal, Record
from opskit.rotation.protocol.record_verification import RecordVerification, verify_record
from opskit.rotation.protocol.runner import Rotation
from opskit.rotation.protocol.services import Event, RotationResult, RotationServices
from opskit.rotation.protocol.state_machine import (
    REPAIRABLE,
    CallOutcome,
    Direction,
    ParameterState,
    RunnerState,
)
from opskit.rotation.repair import Repair, may_set_master, new_login, propose, propose_supplied
from opskit.rotation.repair_changes import apply_repair, changes_of, create_combined_parameter
from opskit.rotation.status import OpenWork, RotationStatus, stop_advice
from opskit.rotation.steps.database_role import RoleStrategy
from opskit.rotation.steps.managed_secret import ManagedRotation, ManagedRotationServices
from opskit.rotation.steps.master_user import MasterUserStrategy
from opskit.rotation.steps.parameter import ParameterWriter
from opskit.rotation.steps.parameter_key import KeySelection, find_key
from opskit.rotation.steps.restart import (
    RestartResult,
    RestartTarget,
    is_readable,
    read,
)
from opskit.secret import Secret
from opskit.transport.database_connector import DatabaseConnector

OPEN_TRIES = 5
OPEN_PAUSE_S = 0.5


class Service:
    """All operations on the rotations of one target's password.

    Args:
        stall_timeout_s: the longest time without progress.
        health_timeout_s: so long a restarted batch has to become healthy.
        stops_on_unhealthy: keep both passwords and ask when the app does not become healthy.
        sleep, clock: what all waiting goes by.
    """

    def __init__(
        self,
        target: Target,
        aws: AwsClients,
        fence: Fence,
        *,
        stall_timeout_s: float,
        health_timeout_s: float,
        stops_on_unhealthy: bool,
        on_event: Callable[[Event], None],
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sleep, self._clock = sleep, clock
        self._target, self._aws, self._fence = target, aws, fence
        self._stall_timeout_s = stall_timeout_s
        self._health_timeout_s = health_timeout_s
        self._stops_on_unhealthy, self._on_event = stops_on_unhealthy, on_event
        self._ssm = aws.client("ssm")
        self._changing = aws.write_client("ssm", fence.check)
        password = target.parameters["password"]
        self.journal = Journal(self._ssm, self._changing, password, sleep, clock)
        self._known = CredentialHistory(target, aws, self.journal)
        self._notices = set[str]()
        self._connections = TargetConnections(target, aws, self._note)
        self.open_work = OpenWork.NOTHING
        """The work that this process may leave unfinished."""

    def _store(self) -> CredentialStore:
        """The store of the target's credential; each has its own memory of what it wrote."""
        return source_of(self._target).store(self._ssm, self._changing, self._sleep, self._clock)

    def close(self) -> None:
        """Close all connections."""
        self._connections.close()

    def unfinished(self) -> Record | None:
        """Return the unfinished rotation, if there is one."""
        record = self.journal.latest()
        return record if record.number and record.close is None else None

    def load_context(
        self, on_wait: Callable[[str], None], *, may_be_missing: bool = False
    ) -> RotationContext:
        """Read the facts that a plan needs."""
        context = load_context(
            self._target, self._aws, self._aws.region, on_wait, may_be_missing=may_be_missing
        )
        if isinstance(context.probe, Known):
            for notice in context.probe.value.notices:
                self._note(notice)
        return context

    def _note(self, text: str) -> None:
        """Forward each notice of a transport once."""
        if text not in self._notices:
            self._notices.add(text)
            self._on_event(Event("note", "transport", text))

    def plan(self, context: RotationContext, options: RotationOptions) -> Plan:
        """Check the preconditions, and return the plan."""
        connector = self._connections.connector_of(context)
        return make_plan(
            context,
            options,
            connector,
            self.journal,
            self._fence.seconds,
            lambda name: in_service(self._aws.client("autoscaling"), name),
            lambda user: self._known.credentials_that_can_change(options.admin_parameter, user),
        )

    def begin(self, plan: Plan) -> RotationResult:
        """Start the rotation, and go forward.

        Raises:
            ParameterOvertaken: another process has just started one.
            CannotProceed: the journal cannot be written.
        """
        intent = plan.intent
        assert intent is not None  # noqa: S101  a plan with problems is not started
        number, outcome = plan.number, CallOutcome.UNKNOWN
        is_entitled, self.open_work = True, OpenWork.ROTATION
        for tried in range(OPEN_TRIES):
            self._sleep(OPEN_PAUSE_S * tried)
            outcome = self._open(number, intent, is_first=is_entitled)
            if outcome not in (CallOutcome.UNKNOWN, CallOutcome.NOT_APPLIED):
                break
            is_entitled = is_entitled and outcome is CallOutcome.NOT_APPLIED
        if outcome is not CallOutcome.APPLIED:
            if outcome is not CallOutcome.UNKNOWN:
                self.open_work = OpenWork.NOTHING
            if outcome is CallOutcome.EXISTS:
                raise ParameterOvertaken
            raise CannotProceed(
                "AWS did not say whether the rotation was opened",
                "opskit rotate-password --status   shows it",
            )
        who = {"run": intent.run, "by": intent.by, "where": intent.where}
        # After a lost reply this process has to join like any other.
        state = RunnerState(
            Direction.FORWARD, opened=is_entitled, stops_on_unhealthy=self._stops_on_unhealthy
        )
        text = f"both passwords are kept in {self.journal.path}/{number}/open"
        self._on_event(Event("step", "open", text))
        return self._rotation(number, intent, state, who).run()

    def _open(self, number: int, intent: RotationIntent, *, is_first: bool) -> CallOutcome:
        """Try once to create the `open` record.

        Args:
            is_first: no earlier try can have created it, so a refusal leaves nothing unfinished.
        """
        self._fence.mark_observed()
        try:
            return self.journal.open(number, intent)
        except StaleObservation:
            return CallOutcome.NOT_APPLIED
        except AwsError as error:
            if is_first:
                self.open_work = OpenWork.NOTHING
            raise CannotProceed(
                f"the journal cannot be written: {error.permission}: {error.code}: {error.message[:200]}",
                f"opskit diagnose iam --for operator {self._target.flags}   prints what is missing",
            ) from None
        except OpskitError:
            if is_first:
                self.open_work = OpenWork.NOTHING
            raise

    def rotate_managed_secret(self, plan: Plan, context: RotationContext) -> RotationResult:
        """Let RDS rotate the password that it manages, and bring the parameter to it."""
        rds, secrets = self._aws.client("rds"), self._aws.client("secretsmanager")
        app = context.app.value.identifier if isinstance(context.app, Known) else None
        world = ManagedRotationServices(
            rds=rds,
            write_client=self._aws.write_client("rds", self._fence.check),
            secrets=secrets,
            parameters=lambda one: ParameterWriter(self._store(), (one,)),
            connector=self._connections.connector_of(context),
            fence=self._fence,
            restart=self._restarter(context.engine),
            ask_instance=lambda: self._connections.ask_instance(
                app, context.host, context.port, context.engine
            ),
            on_event=self._on_event,
        )
        self.open_work = OpenWork.MANAGED
        try:
            return ManagedRotation(
                world, context, plan.managed, plan.restart_targets, self._stall_timeout_s
            ).run()
        except RotationUnfinished:
            raise
        except (AwsError, OpskitError):
            self.open_work = OpenWork.NOTHING
            raise

    def resume(
        self,
        record: Record,
        direction: Direction,
        *,
        takes_over: bool = False,
        restarts: bool = True,
    ) -> RotationResult:
        """Join an unfinished rotation and complete it.

        Args:
            takes_over: complete it as superseded if another user has replaced the password.
            restarts: restart the targets of its record; otherwise the app is not verified.
        """
        intent = self._intent(record)
        self.open_work = OpenWork.ROTATION
        caller = identity.read(self._aws.client("sts"))
        who = {"run": secrets.token_hex(8), "by": caller.arn, "where": socket.gethostname()}
        state = RunnerState(
            direction, stops_on_unhealthy=self._stops_on_unhealthy, takes_over=takes_over
        )
        if not restarts:
            intent = replace(intent, restart_targets=())
        return self._rotation(record.number, intent, state, who).run()

    def trust(self, record: Record) -> RecordVerification:
        """Return the objections to resuming an unfinished rotation from its record."""
        path = f"{self.journal.path}/{record.number}/open"
        return verify_record(self._aws, self._target, self._intent(record), path)

    def is_repairable(self, record: Record) -> bool:
        """Whether an unfinished rotation is this target's and needs `repair` to continue."""
        if self.trust(record).problems:
            return False
        situation = self.situation(record)
        is_absent = situation.observation.parameter is ParameterState.ABSENT
        return situation.stop in REPAIRABLE or is_absent

    def advise(self, stop: str) -> str:
        """Return the steps that let a stopped rotation continue; empty if resuming it is enough."""
        flags = self._target.flags
        command = f"opskit rotate-password {flags}".rstrip()
        with contextlib.suppress(AwsError, OpskitError):
            record = self.unfinished()
            if stop and record is not None:
                return "\n".join(stop_advice(stop, self._intent(record), command, flags))
        return ""

    def initiators(self) -> dict[int, tuple[str, str]]:
        """Return number -> (initiator, strategy) of every rotation whose record can be read."""
        return self._known.initiators()

    def situation(self, record: Record) -> RotationStatus:
        """Return the status of an unfinished rotation, without changing anything."""
        intent = self._intent(record)
        shown = (
            intent
            if all(map(is_readable, intent.restart_targets))
            else replace(intent, restart_targets=())
        )
        rotation = self._rotation(record.number, shown, RunnerState(Direction.FORWARD), {})
        observation = rotation.observe()
        action = rotation.next_action(observation, Direction.FORWARD)
        stops = rotation.stop_words(action)
        stop = action.why if stops else ""
        return RotationStatus(
            record, intent, observation, rotation.control_plane_description, stops, stop
        )

    def repair(
        self, context: RotationContext, supplied: Secret | None = None, *, makes_new: bool = False
    ) -> Repair:
        """Find the password that logs in, and propose the change that follows from it.

        Args:
            supplied: a password from the user; only the current value and this one are tried.
            makes_new: if no password logs in, set a generated one through RDS.
        """
        connector, region = self._connections.connector_of(context), self._aws.region
        if supplied is not None:
            return propose_supplied(
                context, connector, DatabaseCredential(context.user, supplied), region
            )
        new = new_login(context) if makes_new and may_set_master(context) else None
        return propose(context, connector, self._known.candidates(context), region, new)

    def with_key(self, context: RotationContext, key_id: str) -> tuple[RotationContext, str]:
        """Return the context with the key for its missing parameter, and the reason for that key.

        Args:
            key_id: a key that the user named; empty to find it.
        """
        choice = (
            KeySelection(key_id, "it was named")
            if key_id
            else find_key(self._target, self._aws, self._known.keys())
        )
        return replace(context, row={**context.row, "KeyId": choice.key_id}), choice.because

    def apply_repair(self, repair: Repair, context: RotationContext) -> None:
        """Make the change, and log in with the parameter's new value.

        Raises:
            CannotProceed: it was refused, or did not help.
        """
        self.open_work = OpenWork.REPAIR
        changes = changes_of(context, self._aws, self._fence)
        connector = self._connections.connector_of(context)
        apply_repair(repair, context, changes, connector, self._stall_timeout_s)
        self.open_work = OpenWork.NOTHING

    def create_combined_parameter(self, context: RotationContext, name: str) -> None:
        """Create a parameter that holds user name and password together.

        Raises:
            CannotProceed: it exists already, or cannot be created.
        """
        self._fence.mark_observed()
        create_combined_parameter(context, name, self._changing)

    def previous_password(self, user: str) -> Secret:
        """Return a user's password before its last rotation.

        Raises:
            CannotProceed: no record holds one.
        """
        return self._known.previous(user)

    def prune(self) -> list[int]:
        """Delete old rotation records; a missing permission for it is no error."""
        self._fence.mark_observed()
        return self.journal.prune()

    def _intent(self, record: Record) -> RotationIntent:
        try:
            return self.journal.intent(record.number, is_listed=record.opened_at is not None)
        except AwsError as error:
            raise CannotProceed(
                f"the unfinished rotation {record.number} cannot be read: {error.permission}: {error.code}",
                f"it needs ssm:GetParameter on {self.journal.path}/* and kms:Decrypt on its key",
            ) from None

    def _rotation(
        self, number: int, intent: RotationIntent, state: RunnerState, who: Mapping[str, str]
    ) -> Rotation:
        database_engine = engine.for_rds_engine(intent.engine)
        connector = self._connections.connector(
            database_engine, intent.host, intent.port, intent.database,
            intent.instance, intent.instance or "",
        )  # fmt: skip
        world = RotationServices(
            journal=self.journal,
            parameters=ParameterWriter(self._store(), intent.published),
            strategy=self._strategy(number, intent, connector),
            connector=connector,
            fence=self._fence,
            other_candidates=self._known.others(intent),
            describe_writer=lambda: "; ".join(
                source_of(self._target).last_write(self._ssm, one.name) for one in intent.published
            ),
            restart=self._restarter(database_engine),
            ask_instance=lambda: self._connections.ask_instance(
                intent.instance, intent.host, intent.port, database_engine
            ),
            on_event=self._on_event,
            sleep=self._sleep,
            clock=self._clock,
            readers={
                host: self._connections.connector(
                    database_engine, host, intent.port, intent.database,
                    intent.instance, intent.instance or "",
                )
                for host in intent.readers
            },
        )  # fmt: skip
        restart_targets = [read(text) for text in intent.restart_targets]
        limit_s = self._stall_timeout_s
        return Rotation(
            world, number, intent, restart_targets, state, who=who, stall_timeout_s=limit_s
        )

    def _restarter(self, database: Engine) -> Callable[[RestartTarget], RestartResult]:
        return create_restarter(
            self._aws, self._fence, self._connections.transport, database, self._health_timeout_s
        )

    def _strategy(
        self, number: int, intent: RotationIntent, connector: DatabaseConnector
    ) -> Strategy:
        if intent.strategy == "master":
            changing = self._aws.write_client("rds", self._fence.check)
            return MasterUserStrategy(self._aws.client("rds"), changing, intent)

        def logins(to: DatabaseCredential) -> Sequence[DatabaseCredential]:
            admin = self._known.administrator(intent.admin_parameter)
            if not intent.is_alternating:
                return [intent.old if to is intent.new else intent.new, *admin]
            return [*admin, *self._known.from_journal(to.user)]

        def still_wanted(direction: Direction) -> bool:
            self._fence.mark_observed()
            record = self.journal.read(number)
            if record.close is not None:
                return False
            return record.decision is direction or (
                record.decision is None and direction is Direction.FORWARD
            )

        return RoleStrategy(
            connector,
            intent,
            logins,
            still_wanted,
            self._fence.hold_down_s,
            needs_no_login=bool(intent.admin_parameter),
            partner=intent.old.user if intent.is_alternating else None,
        )
