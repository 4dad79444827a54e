"""Commands over SSH: a script on the standard input of `sh -s`, as root where sudo allows it.

The script has a time limit on the instance too, so that it ends there even if this process is gone.
"""

from __future__ import annotations

import contextlib
import re
import select
import time
from typing import Any

from opskit.errors import NotExecuted, OutcomeUnknown
from opskit.transport.interface import (
    CommandResult,
    OnOutput,
    TransportContext,
    discard_output,
)
from opskit.transport.remote_timeout import limit_in_t
from opskit.transport.ssh.connection import SshConnection, broken
from opskit.transport.ssh.dialers import Dialer, create_direct_dialer, create_session_dialer

MOST_OUTPUT = 1_000_000
"""Bytes of each stream that are kept: a probe writes a few thousand."""
START_WITHIN_S = 15.0
END_WITHIN_S = 1.0
"""The wait for output after the exit status: a process left behind may keep the output open."""
CANCEL_WITHIN_S = 5.0
EXIT_MARKER = re.compile(rb"opskit-pid:(\d+)\n")
MOST_BEFORE_MARK = 65_536
"""A login shell may print something before the PID."""
PIECE = 65_536


class Ssh:
    """Transport that runs each command over a new SSH connection."""

    def __init__(self, route: Dialer) -> None:
        self._route = route
        self.name = route.name

    def run(
        self, script: str, *, timeout_s: float, on_output: OnOutput = discard_output
    ) -> CommandResult:
        """Run a script, wait for its end, and cancel it at the time limit."""
        deadline = time.monotonic() + timeout_s
        with self._route.open() as connection:
            running = _Running(connection, on_output, timeout_s)
            try:
                status = running.follow(script, deadline)
            except (OutcomeUnknown, KeyboardInterrupt):
                running.cancel()
                raise
            return running.result(status)


def whole(script: str) -> str:
    """The script as one compound command with an empty standard input.

    A shell executes a compound command only after it has read all of it. So a connection that breaks in
    the middle runs nothing, and a program of the script cannot read the rest of the script as its input.
    """
    return f"{{\n{script}\n}} </dev/null\n"


def starter(limit_s: float) -> str:
    """The command that prints its PID, reads a script and runs it with a time limit."""
    return (
        f"sh -c 'echo opskit-pid:$$ >&2; {limit_in_t(limit_s)}; "
        'if [ "$(id -u)" != 0 ] && sudo -n true 2>/dev/null; then exec sudo -n $t sh -s; fi; '
        "exec $t sh -s'"
    )


class _Running:
    """One command on its channel."""

    def __init__(self, connection: SshConnection, on_output: OnOutput, limit_s: float) -> None:
        self._connection, self._on_output, self._limit_s = connection, on_output, limit_s
        self._kept = {False: bytearray(), True: bytearray()}
        self._held, self._pid = b"", b""
        self._is_truncated = False
        try:
            self._channel = connection.transport.open_session(timeout=START_WITHIN_S)
            self._channel.settimeout(START_WITHIN_S)
            self._channel.exec_command(starter(limit_s))
        except broken() as error:
            raise NotExecuted(
                f"the SSH server runs no commands for us: {str(error) or type(error).__name__}"
            ) from None

    def follow(self, script: str, deadline: float) -> int:
        """Send the script and collect its output, until it has ended.

        Raises:
            OutcomeUnknown: the command did not end in time, or the connection broke.
        """
        channel = self._channel
        try:
            channel.sendall(whole(script).encode())
            channel.shutdown_write()
        except broken():
            raise OutcomeUnknown(
                f"the connection broke while the command was sent{self._why()}"
            ) from None
        ended_at: float | None = None
        while True:
            now = time.monotonic()
            self._take(False, channel.recv_ready, channel.recv)
            self._take(True, channel.recv_stderr_ready, channel.recv_stderr)
            if channel.status_event.is_set() or channel.closed:
                ended_at = ended_at or now
                is_quiet = not (channel.recv_ready() or channel.recv_stderr_ready())
                if is_quiet and (channel.eof_received or now - ended_at > END_WITHIN_S):
                    break
            if now >= deadline:
                raise OutcomeUnknown(f"the command did not end within {self._limit_s:.0f} s")
            if channel.eof_received:
                # Always readable from now on; only the exit status is still missing.
                channel.status_event.wait(min(0.2, deadline - now))
            else:
                select.select([channel], [], [], min(0.5, deadline - now))
        if channel.exit_status < 0 and not self._connection.transport.is_active():
            raise OutcomeUnknown(f"the connection broke before the command ended{self._why()}")
        return int(channel.exit_status)

    def result(self, status: int) -> CommandResult:
        """The output and exit status; -1 for a command that was ended by a signal."""
        self._give(True, self._held)
        out, err = (k.decode("utf-8", "replace") for k in self._kept.values())
        return CommandResult(status, out, err, self._is_truncated, self._connection.notices)

    def cancel(self) -> None:
        """End the command on the instance: closing a channel does not end it."""
        if not self._pid:
            return
        kill = f"kill -TERM {int(self._pid)}"
        with contextlib.suppress(*broken()):
            channel = self._connection.transport.open_session(timeout=CANCEL_WITHIN_S)
            channel.settimeout(CANCEL_WITHIN_S)
            channel.exec_command(f"sh -c '{kill} 2>/dev/null || sudo -n {kill}'")
            channel.status_event.wait(CANCEL_WITHIN_S)

    def _take(self, is_error: bool, is_ready: Any, receive: Any) -> None:
        while is_ready():
            data = receive(PIECE)
            if not data:
                return
            if is_error and not self._pid:
                data = self._held = self._held + data
                marker = EXIT_MARKER.search(data)
                if marker is None and len(data) < MOST_BEFORE_MARK:
                    return
                if marker is not None:
                    self._pid = marker.group(1)
                    data = data[: marker.start()] + data[marker.end() :]
                self._held = b""
            self._give(is_error, data)

    def _give(self, is_error: bool, data: bytes) -> None:
        if not data:
            return
        self._on_output(is_error, data)
        kept = self._kept[is_error]
        room = MOST_OUTPUT - len(kept)
        self._is_truncated = self._is_truncated or len(data) > room
        kept += data[:room]

    def _why(self) -> str:
        why = self._connection.why_over()
        return f": {why}" if why else ""


def create(context: TransportContext) -> Ssh:
    """Create the transport through the instance's SSH server or a bastion."""
    return Ssh(create_direct_dialer(context))


def create_over_session(context: TransportContext) -> Ssh:
    """Create the transport through SSH over a Session Manager session."""
    return Ssh(create_session_dialer(context))
