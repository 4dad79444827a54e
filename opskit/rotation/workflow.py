"""The workflow of `rotate-password`: what the options start, what is refused, and where consent is asked."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from opskit.errors import AwsError, ExitStatus, OpskitError, RotationUnfinished, UsageError
from opskit.rotation.interaction import Prompter, Reporter
from opskit.rotation.planning.password import DEFAULT_LENGTH
from opskit.rotation.planning.plan import Plan, RotationOptions, RotationOvertaken
from opskit.rotation.protocol.fence import DEFAULT_S
from opskit.rotation.protocol.journal import Record
from opskit.rotation.protocol.record_verification import RecordVerification
from opskit.rotation.protocol.services import RotationResult
from opskit.rotation.protocol.state_machine import Direction, StopReason
from opskit.rotation.service import Service
from opskit.rotation.status import OpenWork

YOUNG_S = 120.0
"""Another process may still be running a rotation that was touched this recently."""
NO_RESTART = ("none",)


class RequestedAction(StrEnum):
    """The action that the user asks for."""

    ROTATE = "rotate"
    STATUS = "status"
    RESUME = "resume"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class RotationRequest:
    """The options of `rotate-password`.

    Attributes:
        fence_origin: the option or variable that gave the fence; empty for the default.
        restart: as given; empty for the default.
        take_over: consent to resume another user's rotation, and to end a superseded one.
        no_wait: fail instead of waiting for the fence of an earlier rotation.
        password_from_stdin, previous_password: where the new password comes from; neither: generated.
    """

    action: RequestedAction = RequestedAction.ROTATE
    fence_s: float = DEFAULT_S
    fence_origin: str = ""
    restart: tuple[str, ...] = ()
    take_over: bool = False
    dry_run: bool = False
    no_wait: bool = False
    strategy: str = "auto"
    admin_parameter: str = ""
    password_length: int = DEFAULT_LENGTH
    password_from_stdin: bool = False
    previous_password: bool = False


class RotationWorkflow:
    """One run of `rotate-password`.

    Args:
        sleep, clock: what the wait for an earlier rotation's fence goes by.
    """

    def __init__(
        self,
        service: Service,
        request: RotationRequest,
        reporter: Reporter,
        prompter: Prompter,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service, self._request = service, request
        self._reporter, self._prompter = reporter, prompter
        self._sleep, self._clock = sleep, clock

    def run(self) -> ExitStatus:
        """Do what the request asks for; a request to rotate reports a rotation that is unfinished.

        Raises:
            Declined: the user does not consent.
            OpskitError, AwsError: it failed; `Service.open_work` is what is unfinished.
        """
        action = self._request.action
        if action is not RequestedAction.STATUS:
            self._warn_of_short_fence()
        unfinished = self._service.unfinished()
        if action in (RequestedAction.RESUME, RequestedAction.ROLLBACK):
            return self._resume(unfinished)
        if action is RequestedAction.STATUS or unfinished is not None:
            return self._report_status(unfinished)
        try:
            return self._rotate()
        except RotationOvertaken as error:
            return self._report_overtaken(error)

    def _warn_of_short_fence(self) -> None:
        seconds = self._request.fence_s
        if seconds < DEFAULT_S:
            self._reporter.say(
                f"{self._request.fence_origin} {seconds:g}: another process that still works on a "
                "rotation of this password, or a request of theirs under way, may undo this one after "
                "it is closed"
            )

    def _report_status(self, unfinished: Record | None) -> ExitStatus:
        if unfinished is None:
            self._reporter.say("no unfinished rotation")
            return ExitStatus.HEALTHY
        verification = self._verify(unfinished)
        status = self._service.status(unfinished)
        advice = self._service.advise(status.stop)
        self._reporter.status(status, self._request.fence_s, advice, verification)
        return ExitStatus.UNFINISHED

    def _report_overtaken(self, error: OpskitError) -> ExitStatus:
        """Report the rotation that another user started a moment before this one."""
        unfinished = self._service.unfinished()
        if unfinished is None:
            raise RotationUnfinished(
                f"{error.sentence}, and it is over already",
                "the same command again rotates once more",
            )
        self._reporter.say(error.sentence)
        return self._report_status(unfinished)

    def _resume(self, unfinished: Record | None) -> ExitStatus:
        request = self._request
        if unfinished is None:
            self._reporter.say("no unfinished rotation: nothing to resume")
            return ExitStatus.HEALTHY
        if request.restart and request.restart != NO_RESTART:
            raise UsageError(
                f"--restart {request.restart[0]}: an unfinished rotation restarts what it was started with",
                "--restart none   leaves the restart to you",
            )
        self._ask_before_joining(unfinished)
        is_resumed = request.action is RequestedAction.RESUME
        direction = Direction.FORWARD if is_resumed else Direction.ROLLBACK
        takes_over, restarts = request.take_over, not request.restart
        result = self._service.resume(
            unfinished, direction, takes_over=takes_over, restarts=restarts
        )
        if result.stop is StopReason.REPLACED and self._prompter.is_interactive:
            self._reporter.say(result.why)
            self._prompter.confirm("End this rotation, and keep what is there now?")
            takes_over = True
            result = self._service.resume(unfinished, direction, takes_over=True, restarts=restarts)
        is_agreed = takes_over and result.direction is Direction.SUPERSEDED
        return self._end(result, wanted=Direction.SUPERSEDED if is_agreed else direction)

    def _ask_before_joining(self, record: Record) -> None:
        """Refuse a record that is not this target's; ask before resuming another user's rotation."""
        verification = self._verify(record)
        if verification.needs_consent and not self._request.take_over:
            self._ask_to_take_over(record, verification)
            return
        touched = record.touched_at
        if (
            touched is not None
            and record.age_s(touched) < YOUNG_S
            and not self._prompter.assumes_yes
        ):
            # A courtesy only: joining is safe at any time.
            ago = record.age_s(touched)
            self._reporter.say(
                f"another process touched this rotation {ago:.0f} s ago and may still be running"
            )
            self._prompter.confirm("Go on all the same?")

    def _verify(self, record: Record) -> RecordVerification:
        """Verify that a record is this target's.

        Raises:
            RotationUnfinished: it is not; the record is not used, not even for an observation.
        """
        verification = self._service.verify(record)
        if verification.problems:
            opened = f"{self._service.journal.path}/{record.number}/open"
            raise RotationUnfinished(
                f"the record of rotation {record.number} is not this target's: "
                f"{'; '.join(verification.problems)}. Nothing of it was obeyed. "
                f"It was written by {verification.writer or 'an unknown user'}",
                "--parameter-password and --db-instance name the right target, if this is the wrong one\n"
                f"aws ssm delete-parameter --name {opened}   only when it is known to be forged: "
                "a real one may hold the only copy of a password",
            )
        return verification

    def _ask_to_take_over(self, record: Record, verification: RecordVerification) -> None:
        for doubt in verification.doubts:
            self._reporter.say(f"rotation {record.number}: {doubt}")
        writer = verification.writer or "a user whom Parameter Store does not name"
        if not self._prompter.is_interactive:
            raise RotationUnfinished(
                f"rotation {record.number} was started by {writer}, and there is no terminal to ask on",
                "--take-over   goes on with it; --status shows what it restarts and where it logs in",
            )
        self._report_status(record)
        self._prompter.confirm(f"{writer} began this rotation. Go on with it?")

    def _rotate(self) -> ExitStatus:
        request, service = self._request, self._service
        if request.password_from_stdin and request.previous_password:
            raise UsageError("--password-stdin and --previous-password exclude each other")
        supplied = self._prompter.password("New password") if request.password_from_stdin else None
        context = service.load_context(self._reporter.waiting)
        if request.previous_password:
            supplied = service.credentials.previous(context.user)
        options = RotationOptions(
            strategy=request.strategy,
            restart=request.restart or ("auto",),
            length=request.password_length,
            supplied=supplied,
            admin_parameter=request.admin_parameter,
        )
        self._reporter.waiting("the database")
        plan = service.plan(context, options)
        self._reporter.plan(plan, dry_run=request.dry_run)
        if plan.problems:
            return ExitStatus.NOT_JUDGED
        if request.dry_run:
            return ExitStatus.HEALTHY
        if plan.wait_s and request.no_wait:
            raise OpskitError(
                "the last rotation was not closed clean, so a late request may arrive for "
                f"{plan.wait_s:.0f} s more, and --no-wait was said"
            )
        self._prompter.confirm("Rotate now?")
        self._reporter.restart_clock()
        self._wait_for_fence(plan)
        result = (
            service.rotate_managed_secret(plan, context) if plan.managed else service.begin(plan)
        )
        return self._end(result, wanted=Direction.FORWARD)

    def _wait_for_fence(self, plan: Plan) -> None:
        until = self._clock() + plan.wait_s
        while (left := until - self._clock()) > 0:
            self._reporter.waiting(
                f"the last rotation was not closed clean: a late request of it may arrive for {left:.0f} s",
                key="fence",
            )
            self._sleep(min(1.0, left))

    def _end(self, result: RotationResult, *, wanted: Direction) -> ExitStatus:
        """Report the result, and delete old records.

        Raises:
            RotationUnfinished: the rotation stopped before it was closed.
        """
        if result.direction is None:
            raise RotationUnfinished(f"it stopped: {result.why}", self._service.advise(result.stop))
        self._reporter.result(result)
        self._service.open_work = OpenWork.NOTHING
        # Pruning may fail or be interrupted: it is no part of the rotation, and the next one prunes again.
        with contextlib.suppress(AwsError, OpskitError, KeyboardInterrupt):
            self._service.prune()
        return ExitStatus.HEALTHY if result.direction is wanted else ExitStatus.FAULT


def show_history(service: Service, reporter: Reporter) -> ExitStatus:
    """Report all rotations in the journal."""
    reporter.history(service.journal.all(), service.credentials.initiators())
    return ExitStatus.HEALTHY
