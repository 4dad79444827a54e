"""Tries several transports in order, until one accepts the command."""

from __future__ import annotations

from collections.abc import Sequence

from opskit.errors import Alternatives, NotExecuted, alternatives_of
from opskit.transport.interface import CommandResult, OnOutput, Transport, discard_output


class FallbackTransport:
    """Tries transports in order, until one accepts the command.

    Args:
        transports: in the order in which they are tried.
    """

    def __init__(self, transports: Sequence[Transport]) -> None:
        self._transports = transports
        self.name = "auto"

    def run(
        self, script: str, *, timeout_s: float, on_output: OnOutput = discard_output
    ) -> CommandResult:
        """Run the script over the first transport that accepts it; `name` is then that transport's.

        Raises:
            NotExecuted: no transport accepted it; the message names every refusal.
            OutcomeUnknown: a transport accepted it and lost the result: it is not run a second time.
        """
        refusals: list[NotExecuted] = []
        for transport in self._transports:
            try:
                result = transport.run(script, timeout_s=timeout_s, on_output=on_output)
            except NotExecuted as error:
                refusals.append(error)
            else:
                self.name = transport.name
                return result
        raise merge_refusals(refusals)


def merge_refusals(refusals: Sequence[NotExecuted]) -> NotExecuted:
    """All refusals as one error; a single one unchanged."""
    if len(refusals) == 1:
        return refusals[0]
    sentences = dict.fromkeys(e.sentence for e in refusals)
    missing = dict.fromkeys(m for e in refusals for m in alternatives_of(e.missing))
    steps = dict.fromkeys(e.next_step for e in refusals if e.next_step)
    return NotExecuted(
        "; ".join(sentences),
        "\n".join(steps),
        Alternatives(tuple(missing)) if missing else "",
        tuple(dict.fromkeys(kind for e in refusals for kind in e.symptoms)),
    )
