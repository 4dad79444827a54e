"""Transport through ECS Exec: a command in a task's container, on Fargate or on an instance.

ExecuteCommand starts a Session Manager session. It always has a terminal, its command is run without a
shell, and no exit status is reported.

Source: Amazon ECS API Reference, ExecuteCommand; Amazon ECS Developer Guide, ECS Exec.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opskit.errors import AwsError, NotExecuted, OutcomeUnknown, TransportError, UsageError
from opskit.transport.interface import (
    CommandResult,
    OnOutput,
    TransportContext,
    discard_output,
)
from opskit.transport.run_command import SendCommandClient
from opskit.transport.session_manager.base64_framing import (
    Demultiplexer,
    command_for_input,
    input_of,
)
from opskit.transport.session_manager.channel import Closed, Data
from opskit.transport.session_manager.commands import OutputCollector, key_maker
from opskit.transport.session_manager.session import Session, SessionGateway
from opskit.transport.session_manager.session_errors import not_opened

DOCUMENT = "ECS Exec"


@dataclass(frozen=True, slots=True)
class TaskLocation:
    """The container in which the app runs, and its task.

    Attributes:
        cluster: its name.
        task_id: the last part of the task's ARN.
        runtime_id: the container's id, as Session Manager uses it.
        service: the service that started the task; empty for a task that was run by itself.
        is_enabled: whether the task was started with ECS Exec.
        agent: the status of the task's ExecuteCommandAgent; empty when ECS reports none.
    """

    cluster: str
    task_id: str
    container: str
    runtime_id: str
    service: str
    is_enabled: bool
    agent: str

    @property
    def target(self) -> str:
        """The container's name as a target of Session Manager."""
        return f"ecs:{self.cluster}_{self.task_id}_{self.runtime_id}"

    @property
    def transports(self) -> tuple[str, ...]:
        """ECS Exec: a task has neither an agent of Run Command nor an SSH server."""
        return ("ecs-exec",)

    @property
    def tunnels(self) -> tuple[str, ...]:
        """Session Manager."""
        return ("session-manager",)

    @property
    def label(self) -> str:
        """The container's name, for sentences."""
        return f"container {self.container} of task {self.task_id} ({self.cluster})"

    def require(self) -> None:
        """Check before a call whether the task can have a session.

        Raises:
            NotExecuted: the task was started without ECS Exec, or its agent is not running.
        """
        if not self.is_enabled:
            raise NotExecuted(
                f"task {self.task_id} was started without ECS Exec",
                self._redeploy_command,
                missing=f"a task of {self.service or self.cluster} run with --enable-execute-command",
            )
        if self.agent not in ("", "RUNNING"):
            raise self.agent_unavailable()

    def agent_unavailable(self) -> NotExecuted:
        """The error for a task whose agent is not connected."""
        message = f" (ECS says {self.agent})" if self.agent not in ("", "RUNNING") else ""
        return NotExecuted(
            f"the ECS Exec agent in task {self.task_id} is not connected{message}: it needs the four "
            "ssmmessages rights in the task's role and a way to ssmmessages; a stopped one stays so",
            self._redeploy_command,
            missing=f"a connected ECS Exec agent in task {self.task_id}",
        )

    @property
    def _redeploy_command(self) -> str:
        if not self.service:
            return f"aws ecs run-task --cluster {self.cluster} --enable-execute-command ...   runs it again"
        return (
            f"aws ecs update-service --cluster {self.cluster} --service {self.service} "
            "--enable-execute-command --force-new-deployment"
        )


class EcsExec:
    """Transport through ExecuteCommand."""

    name = "ecs-exec"

    def __init__(
        self,
        ecs: SendCommandClient,
        ssm: SendCommandClient,
        gateway: SessionGateway,
        kms: SendCommandClient,
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
        for word, is_missing in (("base64", frames.cannot), ("shell", frames.has_no_shell)):
            if is_missing:
                raise NotExecuted(
                    f"{self._location.label} has no {word}, which commands need",
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
