"""The roads one after the other, until one takes the command."""

from __future__ import annotations

from collections.abc import Sequence

from opskit.errors import NotExecuted
from opskit.transport.interface import CommandResult, OnOutput, Transport, discard_output


class FallbackTransport:
    """One road after the other, until one takes the command.

    Args:
        transports: in the order in which they are tried.
    """

    def __init__(self, transports: Sequence[Transport]) -> None:
        self._transports = transports
        self.name = "auto"

    def run(
        self, script: str, *, timeout_s: float, on_output: OnOutput = discard_output
    ) -> CommandResult:
        """Run the script over the first road that takes it; `name` says which that was.

        Raises:
            Refused: no road took it; every refusal is told.
            Lost: a road took it and lost it: it is not run a second time.
        """
        refusals: list[NotExecuted] = []
        for transport in self._transports:
            try:
                done = transport.run(script, timeout_s=timeout_s, on_output=on_output)
            except NotExecuted as error:
                refusals.append(error)
            else:
                self.name = transport.name
                return done
        raise merge_refusals(refusals)


def merge_refusals(refusals: Sequence[NotExecuted]) -> NotExecuted:
    """All refusals as one; a single one as it is."""
    if len(refusals) == 1:
        return refusals[0]
    sentences = dict.fromkeys(e.sentence for e in refusals)
    missing = dict.fromkeys(e.missing for e in refusals if e.missing)
    steps = dict.fromkeys(e.next_step for e in refusals if e.next_step)
    return NotExecuted("; ".join(sentences), "\n".join(steps), ", or ".join(missing))
