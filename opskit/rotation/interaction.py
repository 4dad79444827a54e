"""Interfaces through which the workflows report and ask; the command line implements them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from opskit.errors import ExitStatus, OpskitError
from opskit.rotation.planning.plan import Plan
from opskit.rotation.protocol.journal import Record
from opskit.rotation.protocol.record_verification import RecordVerification
from opskit.rotation.protocol.services import Event, RotationResult
from opskit.rotation.status import RotationStatus
from opskit.secret import Secret


class Declined(OpskitError):
    """The user has answered no to a question."""

    exit_status = ExitStatus.INTERRUPTED

    def __init__(self) -> None:
        super().__init__("nothing was changed")


class Reporter(Protocol):
    """Reports progress and results to people or programs."""

    def say(self, text: str) -> None:
        """Report a sentence."""

    def waiting(self, text: str, *, key: str = "") -> None:
        """Report what is waited for.

        Args:
            key: also report it as a lasting line, once for each key; empty: only while it lasts.
        """

    def restart_clock(self) -> None:
        """Count the reported times from now."""

    def event(self, event: Event) -> None:
        """Report an event of the rotation."""

    def plan(self, plan: Plan, *, dry_run: bool) -> None:
        """Report the plan, its warnings and its problems."""

    def result(self, result: RotationResult) -> None:
        """Report the result of a closed rotation, and the next step."""

    def status(
        self,
        status: RotationStatus,
        fence_s: float,
        advice: str,
        verification: RecordVerification,
    ) -> None:
        """Report an unfinished rotation, the effect of --resume and --rollback, and the advice."""

    def history(self, records: Sequence[Record], initiators: Mapping[int, tuple[str, str]]) -> None:
        """Report past rotations.

        Args:
            initiators: number -> (initiator, strategy), of those that could be read.
        """

    def error(self, sentence: str, next_step: str) -> None:
        """Report an error."""


class Prompter(Protocol):
    """Asks the user."""

    @property
    def assumes_yes(self) -> bool:
        """Whether every confirmation is given in advance (`--yes`)."""

    @property
    def is_interactive(self) -> bool:
        """Whether a person can be asked, and wants to be."""

    def confirm(self, question: str) -> None:
        """Ask for consent; return at once if it is given in advance.

        Raises:
            Declined: the answer is no.
            UsageError: no one can be asked.
        """

    def password(self, prompt: str) -> Secret:
        """Read a password from stdin, or from a terminal without echo.

        Raises:
            UsageError: stdin is empty.
        """
