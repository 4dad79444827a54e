"""Logs the commands of a transport with their limits and results, without scripts and outputs."""

from __future__ import annotations

import logging
import time

from opskit.errors import TransportError
from opskit.transport.interface import CommandResult, OnOutput, Transport, discard_output

log = logging.getLogger("opskit.transport")


def logged(transport: Transport) -> Transport:
    """The transport; with `--debug` one that logs its commands."""
    return LoggedTransport(transport) if log.isEnabledFor(logging.DEBUG) else transport


class LoggedTransport:
    """Logs the beginning and the end of each command of another transport."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.name = transport.name

    def run(
        self, script: str, *, timeout_s: float, on_output: OnOutput = discard_output
    ) -> CommandResult:
        """Run the script over the other transport."""
        log.debug("%s: runs %d characters, at most %.0f s", self.name, len(script), timeout_s)
        started = time.monotonic()
        try:
            result = self._transport.run(script, timeout_s=timeout_s, on_output=on_output)
        except TransportError as error:
            log.debug(
                "%s: %s after %.0f ms: %s",
                self.name,
                type(error).__name__,
                1000 * (time.monotonic() - started),
                error.sentence,
            )
            raise
        log.debug(
            "%s: exit status %d after %.0f ms, %d + %d characters%s",
            self.name,
            result.exit_status,
            1000 * (time.monotonic() - started),
            len(result.stdout),
            len(result.stderr),
            f", {result.lost}" if result.lost else "",
        )
        return result
