"""A local port forwarded through the instance by the official plugin."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable

from opskit.aws_protocols import AwsClient
from opskit.errors import OutcomeUnknown
from opskit.transport.interface import ProblemCallback, TransportContext
from opskit.transport.session_manager.plugin import (
    PROGRAM,
    READY_WITHIN_S,
    PluginGateway,
    PluginProcess,
    find,
)
from opskit.transport.session_manager.tunnel import DOCUMENT

OPENED = re.compile(r"Port (\d+) opened for sessionId")
UNREACHABLE = "Connection to destination port failed"
MOST_KEPT = 500


class PluginTunnel:
    """The local port, and the plugin that listens on it; an implementation of `interface.Tunnel`.

    Args:
        target: as Session Manager names it.
        host, port: the destination of every connection.
        on_problem: called with a sentence when a connection fails.
    """

    def __init__(
        self,
        ssm: AwsClient,
        gateway: PluginGateway,
        target: str,
        host: str,
        port: int,
        on_problem: Callable[[str], None],
    ) -> None:
        self._ssm, self._gateway, self._target = ssm, gateway, target
        self._host, self._port, self._on_problem = host, port, on_problem
        self._path = find()
        self._running: PluginProcess | None = None
        self._rest = self._message = ""
        self._opened = 0
        self._news = threading.Condition()
        self.failure = ""
        self.is_closed = threading.Event()

    def start(self, local_port: int) -> int:
        """Start the session and the plugin, and wait until it listens (`interface.Tunnel`).

        Raises:
            NotExecuted: the session could not be started.
        """
        # The plugin reports a taken port late, and in its log only.
        with socket.create_server(("127.0.0.1", local_port)):
            pass
        request = {
            "Target": self._target,
            "DocumentName": DOCUMENT,
            "Parameters": {
                "host": [self._host],
                "portNumber": [str(self._port)],
                "localPortNumber": [str(local_port)],
            },
        }
        self._running = PluginProcess(self._path, self._ssm, self._gateway, request, self._take)
        threading.Thread(target=self._watch, args=(self._running,), daemon=True).start()
        limit = time.monotonic() + READY_WITHIN_S
        with self._news:
            while not (self._opened or self.is_closed.is_set()):
                if not self._news.wait(max(0.0, limit - time.monotonic())):
                    break
        if not self._opened:
            self.close()
            raise OutcomeUnknown(
                f"{PROGRAM} opened no port within {READY_WITHIN_S:.0f} s: "
                f"{self.failure or self._running.plain(self._message) or 'it said nothing'}"
            )
        return self._opened

    def close(self) -> None:
        """End the session and the plugin."""
        if self._running is not None:
            self._running.close()
        self.is_closed.set()

    def _take(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data.decode("utf-8", "replace")).split("\n")
        for line in lines:
            opened = OPENED.search(line)
            if UNREACHABLE in line:
                self._on_problem(
                    "the instance could not connect to the database: refused, or no answer"
                )
            with self._news:
                if opened:
                    self._opened = int(opened.group(1))
                self._message = f"{self._message} {line}"[-MOST_KEPT:]
                self._news.notify_all()

    def _watch(self, running: PluginProcess) -> None:
        """Detect that the plugin has exited."""
        running.is_closed.wait()
        with self._news:
            self.failure = f"{PROGRAM} ended: {running.plain(f'{self._message} {self._rest}')}"
            self.is_closed.set()
            self._news.notify_all()


def open_tunnel(
    context: TransportContext, host: str, port: int, on_problem: ProblemCallback
) -> PluginTunnel:
    """Open a tunnel through the official plugin.

    Raises:
        NotExecuted: the plugin or the session could not be started.
    """
    client, location = context.client, context.location
    return PluginTunnel(
        client("ssm"), client("ssmmessages"), location.target, host, port, on_problem
    )
