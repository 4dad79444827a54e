"""A fix: structured commands, what they change, how dangerous that is, and how to undo it.

Commands are data until they are rendered (`checks/shell.py`): nothing edits a command line. AWS calls
can be applied to a snapshot (`checks/after/`), so that a fix is judged before it is shown
(`checks/proof.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Danger(StrEnum):
    """What a fix does beyond ending the finding."""

    RESTARTS_APP = "restarts the app"
    INTERRUPTS_DATABASE = "interrupts the database"
    WIDENS_ACCESS = "widens access"
    GUARDRAIL = "touches a guardrail owned by others"
    IRREVERSIBLE = "cannot be undone"


@dataclass(frozen=True, slots=True)
class AwsCall:
    """One AWS operation.

    Attributes:
        service: the name of its client, such as `iam`.
        operation, parameters: named as in the service's API reference; a policy document is a mapping.
    """

    service: str
    operation: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AwsWait:
    """Wait until a resource is in a state, such as `db-instance-available`."""

    service: str
    waiter: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class InstanceCommand:
    """Programs that Run Command runs on the instance as root, each only if the one before succeeded."""

    instance_id: str
    programs: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class OpskitCommand:
    """An opskit command for the same target; it verifies its own effect.

    Attributes:
        words: the command, such as `("rotate-password", "repair")`.
        options: after the options that name the target.
    """

    words: tuple[str, ...]
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LocalCommand:
    """A program on the operator's machine."""

    words: tuple[str, ...]


Command = AwsCall | AwsWait | InstanceCommand | OpskitCommand | LocalCommand


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a fix changes.

    Attributes:
        subject: what is changed, name first.
        before, after: its state; empty where it does not exist.
        kind: what sort of thing it is, in the singular, to be counted.
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
    """A change that ends a finding.

    Attributes:
        commands: to be run in this order, each only if the one before succeeded.
        does: what they do, in a few words; empty where `changes` says it.
        undo: commands that bring back the state before.
        no_undo: why there are none, as a clause.
        dangers: what to weigh before running it.
        ask: who has to agree, and to what, as a sentence without its full stop.
        caution: what to know before running it.
        restarts: names of the containers or services that the commands restart.
        changes: filled in by the proof, from the states before and after.
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
    """What to change where no fix is offered, and why none is.

    Attributes:
        commands: opskit commands that help on; each verifies its own effect.
    """

    text: str
    commands: tuple[OpskitCommand, ...] = ()


Remedy = Fix | Advice
