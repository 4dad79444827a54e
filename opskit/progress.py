"""Progress reports of long work; silent without a listener."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives progress reports; the library never asks whether there is a terminal."""

    def update(self, text: str) -> None:
        """Report the current wait, and its limit if it has one."""

    def note(self, text: str) -> None:
        """Report an event worth keeping on the screen, such as a wait after throttling."""


class Silent:
    """Ignores all reports."""

    def update(self, text: str) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""
