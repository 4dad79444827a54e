"""Commands over Session Manager: for those who may start sessions but not send commands.

The command is executed without a shell and without input, so that the script travels as one word of
`sh -c`; it carries no secret.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Mapping

from opskit.errors import OutcomeUnknown
from opskit.transport.interface import CommandResult, OnOutput, discard_output
from opskit.transport.remote_timeout import limit_in_t
from opskit.transport.run_command import SendCommandClient
from opskit.transport.session_manager.channel import (
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
"""Bytes of each stream that are kept: a probe says some thousand."""
EXIT_MARKER = "opskit-exit:"
MOST_MARK = 24
SEPARATE_AFTER = (3, 1, 1510, 0)
"""Agents above this version keep standard output and error apart."""
ENDING = re.compile(rb"\nopskit-exit:(-?\d+)\n")
"""The script's own word of its end: agents before 3.1.1511 and terminals tell no exit status."""


class SessionManager:
    """The road through StartSession."""

    name = "session-manager"

    def __init__(
        self,
        ssm: SendCommandClient,
        gateway: SessionGateway,
        kms: SendCommandClient,
        instance_id: str,
    ) -> None:
        self._ssm, self._gateway, self._kms = ssm, gateway, kms
        self._instance_id = instance_id

    def run(
        self, script: str, *, timeout_s: float, on_output: OnOutput = discard_output
    ) -> CommandResult:
        """Run a script in a session without a terminal, or with one where that is all there is."""
        command = wrap_script(script, timeout_s)
        heard = OutputCollector(on_output)
        try:
            asked = {"command": [command], "separateOutputStream": ["true"]}
            return self._run(NON_INTERACTIVE, asked, timeout_s, heard)
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


def key_maker(kms: SendCommandClient) -> MakeKey:
    """Fetches the key of an encrypted session."""

    def make(key_id: str, context: Mapping[str, str]) -> tuple[bytes, bytes]:
        reply = kms.generate_data_key(
            KeyId=key_id, NumberOfBytes=KEY_BYTES, EncryptionContext=dict(context)
        )
        return reply["Plaintext"], reply["CiphertextBlob"]

    return make


def wrap_script(script: str, limit_s: float) -> str:
    """The script as one command line: as root where sudo allows it, its end marked on stderr."""
    packed = base64.b64encode(script.encode()).decode()
    return f"sh -c 's=$(echo {packed}|base64 -d); {as_root(limit_s)}; exit \"$e\"'"


def as_root(limit_s: float) -> str:
    """Shell words that run the script in `$s`, and say on stderr how it ended.

    The agent ends a session's first process only, so that what it has started has a limit of its own.
    It has no input: one that waited for a terminal's would wait for ever.
    """
    return (
        f"{limit_in_t(limit_s)}; "
        'if [ "$(id -u)" != 0 ] && sudo -n true 2>/dev/null; then sudo -n $t sh -c "$s" </dev/null; '
        f'else $t sh -c "$s" </dev/null; fi; e=$?; printf "\\n{EXIT_MARKER}%s\\n" "$e" >&2'
    )


class OutputCollector:
    """What a command has said so far, without the mark of its end.

    Args:
        on_output: told every piece as soon as it cannot be the beginning of the mark any more.

    Attributes:
        is_terminal: whether a terminal has made two characters of every end of a line.
        is_separate: whether the mark, which is on standard error, cannot come on standard output.
    """

    def __init__(self, on_output: OnOutput) -> None:
        self._on_output = on_output
        self._kept = {Stream.OUT: bytearray(), Stream.ERR: bytearray()}
        self._held = {Stream.OUT: b"", Stream.ERR: b""}
        self._is_truncated = self.is_terminal = self.is_separate = False
        self.status: int | None = None

    def take(self, stream: Stream, data: bytes) -> None:
        """Take a piece of output."""
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
            Lost: the command did not come to its end.
        """
        for stream, held in self._held.items():
            self._give(stream, held)
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
    """Where the mark of the end may begin at the end of what has come so far."""
    mark = f"\n{EXIT_MARKER}".encode()
    at = data.rfind(mark)
    if at >= 0 and len(data) - at < MOST_MARK:
        return at
    for length in range(min(len(mark), len(data)), 0, -1):
        if data.endswith(mark[:length]):
            return len(data) - length
    return len(data)
