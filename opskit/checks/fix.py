"""A fix: structured commands, what they change, how dangerous that is, and how to undo it.

Its AWS calls can be applied to a snapshot (`fix_effects`), so that it is verified before it is shown
(`fix_verification`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from opskit.commands import Command, OpskitCommand


class Danger(StrEnum):
    """Side effects of a fix that the user must weigh."""

    RESTARTS_APP = "restarts the app"
    INTERRUPTS_DATABASE = "interrupts the database"
    WIDENS_ACCESS = "widens access"
    GUARDRAIL = "touches a guardrail owned by others"
    IRREVERSIBLE = "cannot be undone"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a fix changes.

    Attributes:
        subject: the changed resource, name first.
        before, after: its state; empty where it does not exist.
        kind: the noun for it in the singular, for counting.
    """

    subject: str
    before: str
    after: str
    kind: str = "setting"

    @property
    def text(self) -> str:
        """The change in one line."""
        return f"{self.subject}: {self.before or 'none'} -> {self.after or 'none'}"


@dataclass(frozen=True, slots=True)
class Fix:
    """Commands that fix the cause of a finding.

    Attributes:
        commands: to be run in this order; the first failure ends the sequence.
        does: their purpose, in a few words; empty where `changes` says it.
        undo: commands that restore the state before.
        no_undo: why there is no undo, as a clause.
        dangers: side effects to weigh before running it.
        ask: who has to agree, and to what, as a sentence without its full stop.
        caution: a warning to read before running it.
        restarts: names of the containers or services that the commands restart.
        changes: filled in by `fix_verification`, from the states before and after.
    """

    commands: tuple[Command, ...]
    does: str = ""
    undo: tuple[Command, ...] = ()
    no_undo: str = ""
    dangers: tuple[Danger, ...] = ()
    ask: str = ""
    caution: str = ""
    restarts: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Advice:
    """The change to make where no fix is offered, and why none is.

    Attributes:
        commands: opskit commands for the next step; each verifies its own effect.
    """

    text: str
    commands: tuple[OpskitCommand, ...] = ()


Remedy = Fix | Advice
