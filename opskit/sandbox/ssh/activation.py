"""Starts an SSH server at the first connection, as socket activation does: an unused one costs nothing."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

STOP_WITHIN_S = 5


class Activation:
    """A listening port that starts its server.

    Args:
        join: moves the calling thread into the machine's network.
        command: turns a command into one that runs on the machine.
        elsewhere: `host:port` -> the host and port to connect to instead.
    """

    def __init__(
        self,
        name: str,
        address: tuple[str, int],
        directory: Path,
        *,
        join: Callable[[], None],
        command: Callable[[Sequence[str]], list[str]],
        environment: Mapping[str, str],
        elsewhere: Mapping[str, tuple[str, int]],
    ) -> None:
        self._name, self._address, self._directory = name, address, directory
        self._join, self._command, self._environment = join, command, environment
        self._elsewhere = json.dumps(elsewhere)
        self._is_bound = threading.Event()
        self._thread: threading.Thread | None = None
        self._waker: socket.socket
        self._error: OSError | None = None
        self.pid: int | None = None
        """The server's process, once it has started."""

    def start(self) -> None:
        """Accept connections from now on; nothing if it does already.

        Raises:
            OSError: the port is taken.
        """
        if self._thread is not None and self._thread.is_alive():
            return
        self._is_bound.clear()
        self._error, self.pid = None, None
        wake, self._waker = socket.socketpair()
        self._thread = threading.Thread(target=self._work, args=(wake,), daemon=True)
        self._thread.start()
        self._is_bound.wait(5)
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Accept no more connections, and end the server."""
        if self._thread is None:
            return
        self._waker.close()
        limit = time.monotonic() + STOP_WITHIN_S
        while self._thread.is_alive() and time.monotonic() < limit:
            if self.pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)
            self._thread.join(0.02)

    def _work(self, wake: socket.socket) -> None:
        try:
            self._join()
            listener = socket.create_server(self._address)
        except OSError as error:
            self._error = error
            return
        finally:
            self._is_bound.set()
        ready, _, _ = select.select([listener, wake], [], [])
        if wake in ready:
            listener.close()
            return
        number = listener.fileno()
        program = [sys.executable, "-m", "opskit.sandbox.ssh.server", str(number)]
        command = self._command([*program, str(self._directory), self._name, self._elsewhere])
        # The server ends at the end of its standard input, which is the end of this process.
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            env=dict(self._environment),
            pass_fds=[number],
            # The instance's own PATH does not have it.
            executable=shutil.which(command[0]),
        )
        self.pid = process.pid
        listener.close()
        process.wait()
