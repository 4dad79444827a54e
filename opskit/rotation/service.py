"""Facade for the rotations of one target: plan, begin, resume, roll back, status, repair."""

from __future__ import annotations

import contextlib
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from opskit.config import Target
from opskit.errors import AwsError, OpskitError, RotationUnfinished
from opskit.facts import identity
from opskit.rotation.composition import RotationFactory, create_restarter
from opskit.rotation.connections import TargetConnections
from opskit.rotation.credential_history import CredentialHistory
from opskit.rotation.planning.context import RotationContext, load_context
from opskit.rotation.planning.plan import Plan, RotationOptions
from opskit.rotation.planning.preflight import make_plan
from opskit.rotation.planning.restart_targets import in_service
from opskit.rotation.protocol.fence import Fence
from opskit.rotation.protocol.interface import AwsClients
from opskit.rotation.protocol.journal import Journal, Record
from opskit.rotation.protocol.record_verification import RecordVerification, verify_record
from opskit.rotation.protocol.services import Event, RotationResult
from opskit.rotation.protocol.state_machine import Direction, RunnerState, StopReason
from opskit.rotation.repair.proposals import Repair
from opskit.rotation.repair.service import PasswordRepair
from opskit.rotation.start import RotationStart
from opskit.rotation.status import OpenWork, RotationStatus, read_status, stop_advice


class Service:
    """All operations on the rotations of one target's password.

    Args:
        stall_timeout_s: the longest time without progress.
        health_timeout_s: so long a restarted workload has to become healthy.
        stops_on_unhealthy: keep both passwords and ask when the app does not become healthy.
        sleep, clock: what all waiting goes by.

    Attributes:
        credentials: every stored password of the target.
        repairs: the repairs of its password parameter.
        open_work: the work that this process may leave unfinished.
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
        self._target, self._aws, self._fence, self._sleep = target, aws, fence, sleep
        self._stops_on_unhealthy, self._on_event = stops_on_unhealthy, on_event
        writer = aws.write_client("ssm", fence.check)
        self.journal = Journal(
            aws.client("ssm"), writer, target.parameters["password"], sleep, clock
        )
        self.credentials = CredentialHistory(target, aws, self.journal)
        self._connections = connections = TargetConnections(target, aws, on_event)
        restarter = partial(
            create_restarter, aws, fence, connections.transport, health_timeout_s, sleep, clock
        )
        self._factory = RotationFactory(
            target, aws, fence, self.journal, self.credentials, connections, restarter, on_event,
            stall_timeout_s, sleep, clock,
        )  # fmt: skip
        self.repairs = PasswordRepair(
            target, aws, fence, connections, self.credentials, stall_timeout_s, sleep, clock
        )
        self.open_work = OpenWork.NOTHING

    def close(self) -> None:
        """Close all connections."""
        self._connections.close()

    def unfinished(self) -> Record | None:
        """Return the unfinished rotation, if there is one."""
        return self.journal.unfinished()

    def load_context(
        self, on_wait: Callable[[str], None], *, may_be_missing: bool = False
    ) -> RotationContext:
        """Read the facts that a plan needs."""
        aws = self._aws
        context = load_context(
            self._target, aws, aws.region, on_wait, may_be_missing=may_be_missing
        )
        self._connections.note_probe(context.probe)
        return context

    def plan(self, context: RotationContext, options: RotationOptions) -> Plan:
        """Check the preconditions, and return the plan."""
        return make_plan(
            context,
            options,
            self._connections.connector_of(context),
            self.journal,
            self._fence.seconds,
            lambda name: in_service(self._aws.client("autoscaling"), name),
            partial(self.credentials.credentials_that_can_change, options.admin_parameter),
        )

    def begin(self, plan: Plan) -> RotationResult:
        """Start the rotation, and go forward.

        Raises:
            RotationOvertaken: another process has just started one.
            CannotProceed: the journal cannot be written.
        """
        intent, number = plan.intent, plan.number
        assert intent is not None  # noqa: S101  a plan with problems is not started
        start = RotationStart(self.journal, self._fence, self._target.flags, self._sleep)
        self.open_work = OpenWork.ROTATION
        try:
            is_creator = start.run(number, intent)
        except OpskitError:
            self.open_work = OpenWork.ROTATION if start.may_exist else OpenWork.NOTHING
            raise
        self._on_event(start.event(number))
        who = {"run": intent.run, "by": intent.by, "where": intent.where}
        state = RunnerState(
            Direction.FORWARD, opened=is_creator, stops_on_unhealthy=self._stops_on_unhealthy
        )
        return self._factory.rotation(number, intent, state, who).run()

    def rotate_managed_secret(self, plan: Plan, context: RotationContext) -> RotationResult:
        """Let RDS rotate the password that it manages, and bring the parameter to it."""
        self.open_work = OpenWork.MANAGED
        try:
            return self._factory.managed_rotation(plan, context).run()
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
        """Join an unfinished rotation and complete it, forward or by rolling back.

        Args:
            takes_over: complete it as superseded if another user has replaced the password.
            restarts: restart the targets of its record; otherwise the app is not verified.
        """
        intent = self.journal.intent_of(record)
        self.open_work = OpenWork.ROTATION
        caller = identity.read(self._aws.client("sts"))
        who = {"run": secrets.token_hex(8), "by": caller.arn, "where": socket.gethostname()}
        state = RunnerState(
            direction, stops_on_unhealthy=self._stops_on_unhealthy, takes_over=takes_over
        )
        if not restarts:
            intent = replace(intent, restart_targets=())
        return self._factory.rotation(record.number, intent, state, who).run()

    def verify(self, record: Record) -> RecordVerification:
        """Return the objections to resuming an unfinished rotation from its record."""
        path = f"{self.journal.path}/{record.number}/open"
        return verify_record(self._aws, self._target, self.journal.intent_of(record), path)

    def status(self, record: Record) -> RotationStatus:
        """Return the status of an unfinished rotation, without changing anything."""
        return read_status(record, self.journal.intent_of(record), self._factory.rotation)

    def advise(self, stop: StopReason | None) -> str:
        """Return the steps that let a stopped rotation continue; empty if resuming it is enough."""
        with contextlib.suppress(AwsError, OpskitError):
            if stop and (record := self.unfinished()) is not None:
                intent = self.journal.intent_of(record)
                return "\n".join(stop_advice(stop, intent, self._target.flags))
        return ""

    def apply_repair(self, repair: Repair, context: RotationContext) -> None:
        """Make the change that `repairs` has proposed; `CannotProceed` if it did not help."""
        self.open_work = OpenWork.REPAIR
        self.repairs.apply(repair, context)
        self.open_work = OpenWork.NOTHING

    def prune(self) -> list[int]:
        """Delete old rotation records; a missing permission for it is no error."""
        self._fence.mark_observed()
        return self.journal.prune()
