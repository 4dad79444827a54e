"""What every road to the instance promises."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CommandResult:
    """A command's end.

    Attributes:
        stdout, stderr: as text; `is_truncated` says that one of them is not whole here, although it
            may have been told to `on_output` as a whole.
        lost: what of the output never arrived, as a sentence; empty where all of it did.
        notices: what the road has to say of itself, such as a host key that nobody knows.
    """

    exit_status: int
    stdout: str
    stderr: str
    is_truncated: bool = False
    notices: tuple[str, ...] = ()
    lost: str = ""


OnOutput = Callable[[bool, bytes], None]
"""Told a piece of output as it comes: whether it is standard error, and the bytes."""


def discard_output(_: bool, __: bytes) -> None:
    """Nobody listens: the result has it all."""


class Transport(Protocol):
    """A way to run a shell script on the instance."""

    name: str

    def run(
        self, script: str, *, timeout_s: float, on_output: OnOutput = discard_output
    ) -> CommandResult:
        """Run a script with `sh`, as root where that is allowed, and wait for its end.

        Args:
            timeout_s: seconds from now; the command is cancelled when they are over.
            on_output: told the output while it comes where the road can, else at the end.

        Raises:
            Refused: it has surely not run.
            Lost: it may have run; it is not repeated here.
        """


ProblemCallback = Callable[[str], None]
"""Told in a sentence what happened to a connection of a tunnel, or on its way."""


class Tunnel(Protocol):
    """A local port that leads to the database, from the moment that its road was opened.

    Attributes:
        is_closed: set when nothing goes through any more.
        failure: why that is so; empty when it was closed here.
    """

    is_closed: threading.Event
    failure: str

    def start(self, local_port: int) -> int:
        """Listen on 127.0.0.1 and carry connections, many at once.

        Args:
            local_port: 0 for any that is free.

        Returns:
            the port.

        Raises:
            Lost: the road did not become ready.
            OSError: the port is taken.
        """

    def close(self) -> None:
        """End all connections and the road."""
