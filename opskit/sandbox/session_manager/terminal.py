"""A process with a terminal, as with ECS Exec: its output streams are merged, and its input is echoed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Callable, Sequence

Say = Callable[[int, bytes], None]
Start = Callable[[Sequence[str], int], "subprocess.Popen[bytes]"]
"""Starts a process in a container, with its three streams on a terminal's descriptor."""


class Terminal:
    """One running command on a terminal.

    Args:
        say: sends a payload to the client; waits while too much is under way.
        ended: called when all output was sent.
    """

    def __init__(
        self, start: Start, argv: Sequence[str], say: Say, ended: Callable[[], None]
    ) -> None:
        self._own, theirs = os.openpty()
        self._say, self._ended = say, ended
        try:
            self.process = start(argv, theirs)
        finally:
            os.close(theirs)
        threading.Thread(target=self._read, daemon=True).start()

    def take(self, kind: int, payload: bytes) -> None:
        """Write the client's input to the terminal."""
        if kind == 1:
            with contextlib.suppress(OSError):
                os.write(self._own, payload)

    def _read(self) -> None:
        # A terminal whose last user is gone returns an error.
        with contextlib.suppress(OSError):
            while data := os.read(self._own, 1024):
                self._say(1, data)
        self.process.wait()
        os.close(self._own)
        self._ended()
