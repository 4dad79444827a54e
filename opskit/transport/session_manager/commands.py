"""Transport through Session Manager: for users who may start sessions but not send commands.

The agent executes the command without a shell and without input, so the script travels as one argument of
`sh -c`; it carries no secret.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Mapping

from opskit.aws_protocols import AwsClient
from opskit.errors import NotExecuted, OutcomeUnknown
from opskit.transport.interface import (
    CommandResult,
    OnOutput,
    TransportContext,
    discard_output,
)
from opskit.transport.remote_timeout import limit_in_t
from opskit.transport.session_manager.data_channel import (
    Closed,
    Data,
    ExitCode,
    Ready,
    Stream,
    in_one_line,
    is_above,
)
from opskit.transport.session_manager.encryption import KEY_BYTES, MakeKey
from opskit.transport.session_manager.session import Session, SessionGateway
from opskit.transport.session_manager.session_errors import UnknownDocument, not_opened

NON_INTERACTIVE = "AWS-StartNonInteractiveCommand"
INTERACTIVE = "AWS-StartInteractiveCommand"
MOST_OUTPUT = 1_000_000
"""Bytes of each stream that are kept: a probe writes a few thousand."""
MOST_COMMAND = 65_535
"""Characters of a parameter's value (Systems Manager API Reference, StartSession)."""
EXIT_MARKER = "opskit-exit:"
MOST_MARK = 24
SEPARATE_AFTER = (3, 1, 1510, 0)
"""The last version of the agent that merges standard output and standard error."""
ENDING = re.compile(rb"\nopskit-exit:(-?\d+)\n")
"""The script's own report of its exit status: agents before 3.1.1511 and terminals report none."""


class SessionManager:
    """Transport through StartSession."""

    name = "session-manager"

    def __init__(
        self,
        ssm: AwsClient,
        gateway: SessionGateway,
        kms: AwsClient,
        instance_id: str,
    ) -> None:
        self._ssm, self._gateway, self._kms = ssm, gateway, kms
        self._instance_id = instance_id

    def run(
        self, script: str, *, timeout_s: float, on_output: OnOutput = discard_output
    ) -> CommandResult:
        """Run a script in a session without a terminal, or with one if no other document is available."""
        command = wrap_script(script, timeout_s)
        if len(command) > MOST_COMMAND:
            raise NotExecuted(
                f"the command is too long for a session: {len(command):,} characters with its frame, "
                f"and Session Manager takes {MOST_COMMAND:,}"
            )
        heard = OutputCollector(on_output)
        try:
            parameters = {"command": [command], "separateOutputStream": ["true"]}
            return self._run(NON_INTERACTIVE, parameters, timeout_s, heard)
        except UnknownDocument:
            heard.is_terminal = True
            return self._run(INTERACTIVE, {"command": [command]}, timeout_s, heard)

    def _run(
        self,
        document: str,
        parameters: Mapping[str, list[str]],
        timeout_s: float,
        heard: OutputCollector,
    ) -> CommandResult:
        deadline = time.monotonic() + timeout_s
        make_key = key_maker(self._kms)
        with Session(
            self._ssm, self._gateway, self._instance_id, document, parameters, make_key
        ) as session:
            for event in session.events(deadline):
                if isinstance(event, Ready):
                    heard.is_separate = is_above(event.agent_version, SEPARATE_AFTER)
                elif isinstance(event, Data):
                    heard.take(event.stream, event.data)
                elif isinstance(event, ExitCode):
                    heard.status = event.status
                elif isinstance(event, Closed):
                    channel, target = session.channel, self._instance_id
                    unopened = not_opened(target, channel.key_id, channel.key_error, event.reason)
                    if unopened is not None:
                        raise unopened
                    return heard.result(event.reason, self._instance_id)
        raise OutcomeUnknown(
            f"the command on {self._instance_id} did not end within {timeout_s:.0f} s"
        )


def key_maker(kms: AwsClient) -> MakeKey:
    """Return the function that fetches the key of an encrypted session from KMS."""

    def make(key_id: str, context: Mapping[str, str]) -> tuple[bytes, bytes]:
        reply = kms.generate_data_key(
            KeyId=key_id, NumberOfBytes=KEY_BYTES, EncryptionContext=dict(context)
        )
        return reply["Plaintext"], reply["CiphertextBlob"]

    return make


def wrap_script(script: str, limit_s: float) -> str:
    """The script as one command line: as root where sudo allows it, with the exit marker on stderr."""
    packed = base64.b64encode(script.encode()).decode()
    return f"sh -c 's=$(echo {packed}|base64 -d); {as_root(limit_s)}; exit \"$e\"'"


def as_root(limit_s: float) -> str:
    """Shell code that runs the script in `$s`, and reports its exit status on stderr.

    The agent ends only a session's first process, so the processes below it have a time limit of their own.
    The script has no input: reading from a terminal would block it for ever.
    """
    return (
        f"{limit_in_t(limit_s)}; "
        'if [ "$(id -u)" != 0 ] && sudo -n true 2>/dev/null; then sudo -n $t sh -c "$s" </dev/null; '
        f'else $t sh -c "$s" </dev/null; fi; e=$?; printf "\\n{EXIT_MARKER}%s\\n" "$e" >&2'
    )


class OutputCollector:
    """Collects a command's output, without the exit marker.

    Args:
        on_output: receives every piece as soon as it cannot be the beginning of the marker any more.

    Attributes:
        is_terminal: whether a terminal has converted every line end to two characters.
        is_separate: whether stderr is a stream of its own, so that stdout cannot contain the marker.
    """

    def __init__(self, on_output: OnOutput) -> None:
        self._on_output = on_output
        self._kept = {Stream.OUT: bytearray(), Stream.ERR: bytearray()}
        self._held = {Stream.OUT: b"", Stream.ERR: b""}
        self._is_truncated = self.is_terminal = self.is_separate = False
        self.status: int | None = None

    def take(self, stream: Stream, data: bytes) -> None:
        """Process a piece of output."""
        if stream is Stream.OUT and self.is_separate and not self.is_terminal:
            self._give(stream, data)
            return
        data, half = self._held[stream] + data, b""
        if self.is_terminal:
            data = data.replace(b"\r\n", b"\n")
            half = data[len(data.removesuffix(b"\r")) :]
            data = data.removesuffix(b"\r")
        marked = ENDING.search(data)
        if marked is not None:
            self.status = int(marked.group(1))
            data, self._held[stream] = data[: marked.start()] + data[marked.end() :], half
        else:
            cut = _beginning_of_mark(data)
            data, self._held[stream] = data[:cut], data[cut:] + half
        self._give(stream, data)

    def result(self, reason: str, instance_id: str) -> CommandResult:
        """The result at the end of the session.

        Raises:
            OutcomeUnknown: the command did not finish.
        """
        for stream, pieces in self._held.items():
            self._give(stream, pieces)
        if self.status is None:
            message = in_one_line(reason)
            raise OutcomeUnknown(
                f"the session with {instance_id} ended before its command: "
                f"{message or 'no reason was given'}",
                missing="" if message else "a later try",
            )
        out, err = (k.decode("utf-8", "replace") for k in self._kept.values())
        return CommandResult(self.status, out, err, self._is_truncated)

    def _give(self, stream: Stream, data: bytes) -> None:
        if data:
            self._on_output(stream is Stream.ERR, data)
        room = MOST_OUTPUT - len(self._kept[stream])
        self._is_truncated = self._is_truncated or len(data) > room
        self._kept[stream] += data[:room]


def _beginning_of_mark(data: bytes) -> int:
    """The position at the end of the data where the exit marker may have begun."""
    mark = f"\n{EXIT_MARKER}".encode()
    at = data.rfind(mark)
    if at >= 0 and len(data) - at < MOST_MARK:
        return at
    for length in range(min(len(mark), len(data)), 0, -1):
        if data.endswith(mark[:length]):
            return len(data) - length
    return len(data)


def create(context: TransportContext) -> SessionManager:
    """Create the transport for commands through Session Manager."""
    client = context.client
    return SessionManager(
        client("ssm"), client("ssmmessages"), client("kms"), context.location.target
    )
