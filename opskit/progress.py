"""How long work reports: silent unless somebody listens."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told what is being waited for; the library never asks whether there is a terminal."""

    def update(self, text: str) -> None:
        """Say what is being waited for now, and its limit if it has one."""

    def note(self, text: str) -> None:
        """Say something worth keeping on the screen, such as a wait after throttling."""


class Silent:
    """Hears nothing."""

    def update(self, text: str) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""
