"""Transport through the official session-manager-plugin, started as the AWS CLI starts it.

It is for users who must use the plugin; opskit implements the same protocol. The plugin's exit status
means nothing and it prints its own lines, so the script's output is framed (`base64_framing`).

Source: aws-cli, customizations/sessionmanager.py; session-manager-plugin, README.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from opskit.aws_protocols import AwsClient
from opskit.errors import NotExecuted, OutcomeUnknown
from opskit.transport.interface import (
    CommandResult,
    OnOutput,
    TransportContext,
    discard_output,
)
from opskit.transport.session_manager.base64_framing import Demultiplexer, command
from opskit.transport.session_manager.commands import INTERACTIVE, NON_INTERACTIVE, OutputCollector
from opskit.transport.session_manager.managed_session import ManagedSession, start
from opskit.transport.session_manager.session_errors import UnknownDocument

PROGRAM = "session-manager-plugin"
WHERE = (
    "https://docs.aws.amazon.com/systems-manager/latest/userguide/"
    "session-manager-working-with-install-plugin.html   says how to install it; --via session-manager "
    "needs none"
)
VARIABLE = "AWS_SSM_START_SESSION_RESPONSE"
"""Passed in place of the response: an argument is visible to every user of this machine."""
LAST_WITH_ARGUMENT = (1, 2, 497, 0)
"""The last version of the plugin that takes the token as an argument only."""
VERSION_WITHIN_S = 5
READY_WITHIN_S = 30.0
"""Where no data channel forms, the plugin hangs without output."""
END_WITHIN_S = 3.0


class PluginGateway(Protocol):
    """Gives the caller's Region, profile and endpoint."""

    def caller(self) -> tuple[str, str, str]:
        """Region, profile (empty where none was named) and the endpoint of Systems Manager."""


def find() -> str:
    """The plugin's path.

    Raises:
        NotExecuted: it is not installed, does not run, or takes the token only where every user sees it.
    """
    path = shutil.which(PROGRAM)
    if path is None:
        raise NotExecuted(f"{PROGRAM} is not installed on this machine", WHERE, missing=PROGRAM)
    try:
        process = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=VERSION_WITHIN_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotExecuted(f"{path} does not run: {type(error).__name__}", WHERE) from None
    message = process.stdout.decode("ascii", "replace").strip()
    if not re.fullmatch(r"\d+(\.\d+)+", message):
        raise NotExecuted(f"{path} does not tell its version", WHERE)
    if tuple(int(part) for part in message.split(".")) <= LAST_WITH_ARGUMENT:
        oldest = ".".join(map(str, LAST_WITH_ARGUMENT))
        raise NotExecuted(
            f"{PROGRAM} {message} takes the session's token as an argument, which every user of this "
            f"machine can read; it has to be newer than {oldest}",
            WHERE,
        )
    return path


class PluginProcess:
    """The plugin's process with one session.

    Args:
        path: of the plugin.
        on_text: receives the plugin's output, in a thread of its own.

    Raises:
        NotExecuted: the session or the plugin could not be started; a started session is terminated.
    """

    def __init__(
        self,
        path: str,
        ssm: AwsClient,
        gateway: PluginGateway,
        request: Mapping[str, Any],
        on_text: Callable[[bytes], None],
    ) -> None:
        self._on_text = on_text
        region, profile, endpoint = gateway.caller()
        session_request = request["Target"], request["DocumentName"], request["Parameters"]
        self._started = ManagedSession(ssm, lambda: start(ssm, *session_request))
        reply = self._started.reply
        self._secrets = (str(reply["TokenValue"]), str(reply["StreamUrl"]))
        names = ("SessionId", "TokenValue", "StreamUrl")
        answer = json.dumps({name: reply[name] for name in names})
        argv = [
            *(path, VARIABLE, region, "StartSession", profile),
            *(json.dumps(dict(request)), endpoint),
        ]
        try:
            self.process = subprocess.Popen(
                argv,
                # The plugin gives up at the end of its input: the pipe stays open as long as the session.
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, VARIABLE: answer},
                # We handle Ctrl-C: the plugin would pass it on or ignore it, and is terminated anyway.
                process_group=0,
            )
        except OSError as error:
            self._started.end()
            raise NotExecuted(f"{path} could not be started: {error.strerror}", WHERE) from None
        self.is_closed = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def close(self) -> None:
        """Terminate the session, then the plugin; neither outlives this process."""
        self._started.end()
        with contextlib.suppress(OSError):
            if self.process.stdin is not None:
                self.process.stdin.close()
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                self.process.wait(END_WITHIN_S / 3)
                break
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.process.pid, number)
        self.process.wait()
        self.is_closed.wait(END_WITHIN_S)

    def plain(self, text: str) -> str:
        """The plugin's output as one line, without the session's token."""
        for secret in self._secrets:
            text = text.replace(secret, "(the session's token)")
        return " ".join(text.split())

    def _read(self) -> None:
        stream = self.process.stdout
        assert stream is not None  # noqa: S101  Popen was given a pipe
        with contextlib.suppress(OSError, ValueError), stream:
            while data := os.read(stream.fileno(), 65536):
                self._on_text(data)
        self.is_closed.set()


class Plugin:
    """Transport through the official plugin."""

    name = "plugin"

    def __init__(self, ssm: AwsClient, gateway: PluginGateway, instance_id: str) -> None:
        self._ssm, self._gateway, self._instance_id = ssm, gateway, instance_id

    def run(
        self, script: str, *, timeout_s: float, on_output: OnOutput = discard_output
    ) -> CommandResult:
        """Run a script in a session that the plugin opens."""
        path = find()
        parameters = {"command": [command(script, timeout_s)]}
        try:
            separated = {**parameters, "separateOutputStream": ["true"]}
            return self._run(path, NON_INTERACTIVE, separated, timeout_s, on_output)
        except UnknownDocument:
            return self._run(path, INTERACTIVE, parameters, timeout_s, on_output)

    def _run(
        self,
        path: str,
        document: str,
        parameters: Mapping[str, list[str]],
        timeout_s: float,
        on_output: OnOutput,
    ) -> CommandResult:
        deadline = time.monotonic() + timeout_s
        heard = OutputCollector(on_output)
        frames, news = Demultiplexer(heard), threading.Condition()

        def take(data: bytes) -> None:
            with news:
                frames.take(data)
                news.notify()

        request = _request(self._instance_id, document, parameters)
        with _closing(PluginProcess(path, self._ssm, self._gateway, request, take)) as running:
            ready_by = time.monotonic() + READY_WITHIN_S
            with news:
                while not (frames.has_ended or frames.cannot or running.is_closed.is_set()):
                    limit = deadline if frames.has_begun else min(deadline, ready_by)
                    if time.monotonic() >= limit:
                        raise OutcomeUnknown(self._why_late(frames, timeout_s, running))
                    news.wait(min(0.1, limit - time.monotonic()))
            if frames.cannot:
                raise NotExecuted(f"{self._instance_id} has no base64, which this transport needs")
            return heard.result(running.plain(frames.unframed), self._instance_id)

    def _why_late(self, frames: Demultiplexer, timeout_s: float, running: PluginProcess) -> str:
        if frames.has_begun or timeout_s < READY_WITHIN_S:
            return f"the command on {self._instance_id} did not end within {timeout_s:.0f} s"
        message = running.plain(frames.unframed)
        return f"{PROGRAM} brought no session within {READY_WITHIN_S:.0f} s: {message or 'it said nothing'}"


@contextlib.contextmanager
def _closing(running: PluginProcess) -> Iterator[PluginProcess]:
    try:
        yield running
    finally:
        running.close()


def _request(target: str, document: str, parameters: Mapping[str, list[str]]) -> dict[str, Any]:
    """The StartSession request as the plugin needs it: with the target, which the plugin reads from it."""
    return {"Target": target, "DocumentName": document, "Parameters": dict(parameters)}


def create(context: TransportContext) -> Plugin:
    """Create the transport for commands through the official plugin."""
    client = context.client
    return Plugin(client("ssm"), client("ssmmessages"), context.location.target)
