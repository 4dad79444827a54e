"""What every road to the instance promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CommandResult:
    """A command's end.

    Attributes:
        stdout, stderr: as text; `is_truncated` says that the road cut the first.
    """

    exit_status: int
    stdout: str
    stderr: str
    is_truncated: bool = False


OnOutput = Callable[[bool, bytes], None]
"""Told a piece of output as it comes: whether it is standard error, and the bytes."""


def unheard(_: bool, __: bytes) -> None:
    """Nobody listens: the result has it all."""


class Road(Protocol):
    """A way to run a shell script on the instance."""

    name: str

    def run(self, script: str, *, timeout_s: float, on_output: OnOutput = unheard) -> CommandResult:
        """Run a script with `sh`, as root where that is allowed, and wait for its end.

        Args:
            timeout_s: seconds from now; the command is cancelled when they are over.
            on_output: told the output while it comes where the road can, else at the end.

        Raises:
            Refused: it has surely not run.
            Lost: it may have run; it is not repeated here.
        """
