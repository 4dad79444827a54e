"""Transport for opskit on the instance itself: a shell of this machine."""

from __future__ import annotations

import subprocess

from opskit.errors import NotExecuted, OutcomeUnknown
from opskit.transport.interface import (
    CommandResult,
    OnOutput,
    TransportContext,
    discard_output,
)


class LocalTransport:
    """Runs scripts in a shell of this machine."""

    name = "local"

    def run(
        self, script: str, *, timeout_s: float, on_output: OnOutput = discard_output
    ) -> CommandResult:
        """Run a script with `sh` here, with the rights of opskit's own process."""
        try:
            process = subprocess.run(
                ["sh"],
                input=script.encode(),
                capture_output=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise OutcomeUnknown(f"the command did not end within {timeout_s:.0f} s") from None
        except OSError as error:
            raise NotExecuted(f"no shell here: {error.strerror}") from None
        on_output(False, process.stdout)
        on_output(True, process.stderr)
        return CommandResult(
            process.returncode,
            process.stdout.decode("utf-8", "replace"),
            process.stderr.decode("utf-8", "replace"),
        )


def create(_: TransportContext) -> LocalTransport:
    """Create the transport to this machine."""
    return LocalTransport()
