"""What every road to the instance promises."""

from __future__ import annotations

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


class Road(Protocol):
    """A way to run a shell script on the instance."""

    name: str

    def run(self, script: str, *, timeout_s: float) -> CommandResult:
        """Run a script with `sh` as root and wait for its end.

        Args:
            timeout_s: seconds from now; the command is cancelled when they are over.

        Raises:
            Refused: it has surely not run.
            Lost: it may have run; it is not repeated here.
        """
