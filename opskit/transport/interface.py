"""Interfaces of a transport, its result, and a tunnel."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from opskit.config import Target
from opskit.workload.interface import Location


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The result of a command.

    Attributes:
        stdout, stderr: as text; `is_truncated` means that one of them is incomplete here, although
            `on_output` may have received all of it.
        lost: the part of the output that never arrived, as a sentence; empty where all of it did.
        notices: reports of the transport itself, such as an unknown host key.
    """

    exit_status: int
    stdout: str
    stderr: str
    is_truncated: bool = False
    notices: tuple[str, ...] = ()
    lost: str = ""


OnOutput = Callable[[bool, bytes], None]
"""Receives a piece of output as it comes: whether it is standard error, and the bytes."""


def discard_output(_: bool, __: bytes) -> None:
    """Ignore the output: the result holds all of it."""


class Transport(Protocol):
    """Runs shell scripts on the instance or in the task's container."""

    name: str

    def run(
        self, script: str, *, timeout_s: float, on_output: OnOutput = discard_output
    ) -> CommandResult:
        """Run a script with `sh`, as root where that is allowed, and wait for its end.

        Args:
            timeout_s: seconds from now; the command is cancelled when they are over.
            on_output: receives the output as it comes where the transport can, else at the end.

        Raises:
            NotExecuted: the command definitely did not run.
            OutcomeUnknown: it may have run; the caller must check before a retry.
        """


ProblemCallback = Callable[[str], None]
"""Receives a sentence when a connection of a tunnel, or the tunnel's transport, fails."""


class Tunnel(Protocol):
    """A local port that leads to the database, once it is started.

    Attributes:
        is_closed: set when no connection is forwarded any more.
        failure: the reason; empty when the tunnel was closed here.
    """

    is_closed: threading.Event
    failure: str

    def start(self, local_port: int) -> int:
        """Listen on 127.0.0.1 and forward connections concurrently.

        Args:
            local_port: 0 for any free port.

        Returns:
            the port it listens on.

        Raises:
            OutcomeUnknown: the transport did not become ready.
            OSError: the port is taken.
        """

    def close(self) -> None:
        """Close all connections and the transport."""


ClientOf = Callable[[str], Any]
"""Answers the client of an AWS service, by the service's name."""


@dataclass(frozen=True, slots=True)
class TransportContext:
    """The inputs of every function in the registries of transports.

    Attributes:
        target: its settings for SSH and for `--via`.
        location: of the app.
    """

    target: Target
    client: ClientOf
    location: Location
