"""A process with a terminal, as ECS Exec gives it: input and output are one pair of bytes streams."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Callable, Sequence

Say = Callable[[int, bytes], None]
Start = Callable[[Sequence[str], int], "subprocess.Popen[bytes]"]
"""Starts a process in a container, its three streams on a terminal's descriptor."""


class Terminal:
    """One running command.

    Args:
        say: sends a payload to the client; waits while too much is under way.
        ended: told when everything was said.
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
        """Take what the client typed."""
        if kind == 1:
            with contextlib.suppress(OSError):
                os.write(self._own, payload)

    def _read(self) -> None:
        # A terminal whose last user is gone answers with an error.
        with contextlib.suppress(OSError):
            while data := os.read(self._own, 1024):
                self._say(1, data)
        self.process.wait()
        os.close(self._own)
        self._ended()
