"""Transport through Run Command: Systems Manager runs a script on the instance, without a session or plugin.

Source: Systems Manager API Reference, SendCommand, GetCommandInvocation and CancelCommand.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from opskit.aws_protocols import AwsClient
from opskit.errors import AwsError, NotExecuted, OutcomeUnknown, TransportError
from opskit.symptom import SymptomKind
from opskit.transport.interface import (
    CommandResult,
    OnOutput,
    TransportContext,
    discard_output,
)

log = logging.getLogger("opskit.transport.command")

DOCUMENT = "AWS-RunShellScript"
MOST_OUTPUT, MOST_ERRORS = 24_000, 8_000
"""The limits of GetCommandInvocation, in characters, for standard output and for standard error."""
CUT_MARK = "--output truncated--"
"""The end of an output that the agent has cut (amazon-ssm-agent, pluginutil.ReadPrefix)."""
AGENTS_LINE = re.compile(r"\n?failed to run commands: exit status \d+\s*$")
NOT_THERE_FOR_S = 5.0
"""For some seconds after SendCommand the invocation does not exist yet (boto/boto3#2701)."""
FIRST_POLL_S, LONGEST_POLL_S = 0.05, 1.0
START_WITHIN_S = 30
"""The service's minimum: a command that has not started within this time never does."""

ENDED = frozenset(
    [
        "Success",
        "Failed",
        "Cancelled",
        "TimedOut",
        "DeliveryTimedOut",
        "ExecutionTimedOut",
        "Undeliverable",
        "Terminated",
        "InvalidPlatform",
        "AccessDenied",
    ]
)
NEVER_RAN = frozenset({"DeliveryTimedOut", "Undeliverable", "InvalidPlatform", "AccessDenied"})


class RunCommand:
    """Transport through SendCommand."""

    name = "run-command"

    def __init__(
        self, ssm: AwsClient, instance_id: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._ssm = ssm
        self._instance_id = instance_id
        self._sleep = sleep

    def run(
        self, script: str, *, timeout_s: float, on_output: OnOutput = discard_output
    ) -> CommandResult:
        """Send the script, wait for its end, and cancel it at the time limit."""
        command_id = self._send(script, timeout_s)
        try:
            reply = self._wait(command_id, timeout_s)
        except (AwsError, KeyboardInterrupt, OutcomeUnknown):
            self._cancel(command_id)
            raise
        details = reply.get("StatusDetails", reply["Status"]).replace(" ", "")
        if details in NEVER_RAN:
            raise NotExecuted(
                f"Systems Manager could not run the command on {self._instance_id} ({details})",
                missing=f"a working agent on {self._instance_id}",
            )
        if details in ("Cancelled", "TimedOut", "ExecutionTimedOut", "Terminated"):
            raise OutcomeUnknown(f"the command on {self._instance_id} was ended ({details})")
        stdout, stderr = (reply.get(f"Standard{s}Content", "") for s in ("Output", "Error"))
        lost = _lost(stdout, stderr)
        # The agent adds its own line to the output of a failed command.
        stderr = AGENTS_LINE.sub("", stderr)
        on_output(False, stdout.encode())
        on_output(True, stderr.encode())
        return CommandResult(
            int(reply.get("ResponseCode", -1)),
            stdout,
            stderr,
            is_truncated=bool(lost),
            lost=lost,
        )

    def _send(self, script: str, timeout_s: float) -> str:
        try:
            reply = self._ssm.send_command(
                InstanceIds=[self._instance_id],
                DocumentName=DOCUMENT,
                Comment="opskit",
                TimeoutSeconds=START_WITHIN_S,
                Parameters={
                    "commands": script.split("\n"),
                    "executionTimeout": [str(max(5, int(timeout_s)))],
                },
            )
        except AwsError as error:
            raise _refusal(error, self._instance_id) from None
        command_id = str(reply["Command"]["CommandId"])
        log.debug("command %s is sent to %s", command_id, self._instance_id)
        return command_id

    def _wait(self, command_id: str, timeout_s: float) -> Mapping[str, Any]:
        started, pause = time.monotonic(), FIRST_POLL_S
        while True:
            self._sleep(pause)
            waited = time.monotonic() - started
            try:
                reply = self._ssm.get_command_invocation(
                    CommandId=command_id, InstanceId=self._instance_id
                )
            except AwsError as error:
                if error.code != "InvocationDoesNotExist" or waited > NOT_THERE_FOR_S:
                    raise OutcomeUnknown(
                        f"the command's result cannot be read: {error.permission}: {error.code}",
                        missing=error.permission,
                    ) from None
            else:
                log.debug("command %s: %s after %.1f s", command_id, reply["Status"], waited)
                if reply["Status"] in ENDED:
                    return reply
            if waited > timeout_s:
                raise OutcomeUnknown(
                    f"the command on {self._instance_id} did not end within {timeout_s:.0f} s"
                )
            pause = min(LONGEST_POLL_S, pause * 1.4)

    def _cancel(self, command_id: str) -> None:
        try:
            self._ssm.cancel_command(CommandId=command_id, InstanceIds=[self._instance_id])
        except AwsError:
            # The command ends by its own executionTimeout.
            return


def _lost(stdout: str, stderr: str) -> str:
    """A sentence that names the cut output or outputs; one of exactly the limit counts as cut."""
    outputs = (
        ("standard output", stdout, MOST_OUTPUT),
        ("standard error", stderr, MOST_ERRORS),
    )
    cut = [
        f"{name} after {most:,} characters"
        for name, text, most in outputs
        if len(text) >= most or text.rstrip().endswith(CUT_MARK)
    ]
    return f"Run Command has cut {' and '.join(cut)}: the rest is lost" if cut else ""


def _refusal(error: AwsError, instance_id: str) -> TransportError:
    if error.is_denied:
        return NotExecuted(
            "you may not run commands on the instance (ssm:SendCommand)",
            missing=f"ssm:SendCommand on {instance_id} and on document {DOCUMENT}",
        )
    if error.code == "InvalidInstanceId":
        return NotExecuted(
            f"Systems Manager cannot reach {instance_id}: its agent is offline or not registered",
            "aws ssm describe-instance-information --filters "
            f"Key=InstanceIds,Values={instance_id}   shows its last ping",
            missing=f"an online SSM agent on {instance_id}",
            symptoms=(SymptomKind.AGENT_OFFLINE,),
        )
    return NotExecuted(f"ssm:SendCommand failed: {error.code} {error.message[:200]}")


def create(context: TransportContext) -> RunCommand:
    """Create the transport through Run Command."""
    return RunCommand(context.client("ssm"), context.location.target)
