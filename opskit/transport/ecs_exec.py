"""Transport through ECS Exec: a command in a task's container, on Fargate or on an instance.

ExecuteCommand starts a Session Manager session. It always has a terminal, its command is run without a
shell, and no exit status is reported.

Source: Amazon ECS API Reference, ExecuteCommand; Amazon ECS Developer Guide, ECS Exec.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from opskit.aws_protocols import AwsClient
from opskit.errors import AwsError, NotExecuted, OutcomeUnknown, TransportError, UsageError
from opskit.transport.interface import (
    CommandResult,
    OnOutput,
    TransportContext,
    discard_output,
)
from opskit.transport.session_manager.base64_framing import (
    Demultiplexer,
    command_for_input,
    input_of,
)
from opskit.transport.session_manager.commands import OutputCollector, key_maker
from opskit.transport.session_manager.data_channel import Closed, Data
from opskit.transport.session_manager.session import Session, SessionGateway
from opskit.transport.session_manager.session_errors import not_opened
from opskit.workload.ecs_task import TaskLocation

DOCUMENT = "ECS Exec"


class EcsExec:
    """Transport through ExecuteCommand."""

    name = "ecs-exec"

    def __init__(
        self,
        ecs: AwsClient,
        ssm: AwsClient,
        gateway: SessionGateway,
        kms: AwsClient,
        location: TaskLocation,
    ) -> None:
        self._ecs, self._ssm, self._gateway, self._kms = ecs, ssm, gateway, kms
        self._location = location

    def run(
        self, script: str, *, timeout_s: float, on_output: OnOutput = discard_output
    ) -> CommandResult:
        """Run a script in the container, as the container's user."""
        self._location.require()
        deadline = time.monotonic() + timeout_s
        heard = OutputCollector(on_output)
        frames = Demultiplexer(heard)
        with Session(
            self._ssm,
            self._gateway,
            self._location.target,
            DOCUMENT,
            {},
            key_maker(self._kms),
            lambda: self._start(timeout_s),
        ) as session:
            # The channel keeps the input until the container sends its first output.
            session.send(input_of(script))
            for event in session.events(deadline):
                if isinstance(event, Data):
                    frames.take(event.data)
                if isinstance(event, Closed) or frames.has_ended or frames.cannot:
                    reason = event.reason if isinstance(event, Closed) else ""
                    channel, label = session.channel, self._location.label
                    unopened = not_opened(label, channel.key_id, channel.key_error, reason)
                    if unopened is not None:
                        raise unopened
                    return self._result(heard, frames, reason)
        raise OutcomeUnknown(
            f"the command in {self._location.label} did not end within {timeout_s:.0f} s"
        )

    def _result(self, heard: OutputCollector, frames: Demultiplexer, reason: str) -> CommandResult:
        for program, is_missing in (("base64", frames.cannot), ("shell", frames.has_no_shell)):
            if is_missing:
                raise NotExecuted(
                    f"{self._location.label} has no {program}, which commands need",
                    "opskit tunnel   needs neither; or name a container that has them",
                    missing=f"sh and base64 in {self._location.container}",
                )
        return heard.result(f"{reason} {frames.unframed}", self._location.label)

    def _start(self, limit_s: float) -> Mapping[str, Any]:
        location = self._location
        try:
            reply = self._ecs.execute_command(
                cluster=location.cluster,
                task=location.task_id,
                container=location.container,
                interactive=True,
                command=command_for_input(limit_s),
            )["session"]
        except AwsError as error:
            raise refusal(error, location) from None
        # The fields are Session Manager's, except for the case of their first letters.
        return {f"{name[0].upper()}{name[1:]}": value for name, value in reply.items()}


def refusal(error: AwsError, location: TaskLocation) -> TransportError:
    """The error for an ExecuteCommand call that ECS rejected."""
    if error.is_denied:
        return NotExecuted(
            f"you may not run commands in {location.label} (ecs:ExecuteCommand)",
            missing=f"ecs:ExecuteCommand on cluster {location.cluster} and task {location.task_id}",
        )
    # The text is "The execute command failed because execute command was not enabled when the task
    # was run or the execute command agent isn't running."
    if error.code == "TargetNotConnectedException" or "agent isn" in error.message:
        return location.agent_unavailable()
    return NotExecuted(f"ecs:ExecuteCommand failed: {error.code} {error.message[:200]}".strip())


def create(context: TransportContext) -> EcsExec:
    """Create the transport to a task's container; the context's location is a `TaskLocation`."""
    client, location = context.client, context.location
    if not isinstance(location, TaskLocation):
        raise UsageError("--via ecs-exec leads to an ECS task, and the app does not run in one")
    return EcsExec(client("ecs"), client("ssm"), client("ssmmessages"), client("kms"), location)
