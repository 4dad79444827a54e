"""How far an open rotation is, and what each way on would do: in words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from opskit.rotation.decide import Accepts, Direction, Sight, Which
from opskit.rotation.interface import Opening
from opskit.rotation.journal import Record


class Standing(Enum):
    """What a command leaves open when it ends before its end.

    ROTATION: one that is written down, which --resume and --rollback bring to an end.
    MANAGED: one that RDS makes; the parameter may be behind the secret.
    REPAIR: one write, which was made or was not.
    """

    NOTHING = auto()
    ROTATION = auto()
    MANAGED = auto()
    REPAIR = auto()


@dataclass(frozen=True, slots=True)
class Situation:
    """How far an open rotation is."""

    record: Record
    opening: Opening
    sight: Sight
    control: str


def is_urgent(situation: Situation) -> bool:
    """Whether what the parameters hold does not log in now."""
    database, parameter = situation.sight.database, situation.sight.parameter
    if situation.opening.takes_turns:
        return parameter is Which.MIXED
    return database in (Accepts.NEW, Accepts.OLD) and str(database) != str(parameter)


def resume_words(situation: Situation) -> str:
    """What `--resume` would do now."""
    sight, opening = situation.sight, situation.opening
    name, user = opening.published[0].name, opening.new.user
    if sight.decision is Direction.BACK:
        return "goes on going back, which was decided"
    if sight.decision is Direction.FORWARD:
        return "checks everything once more and closes it"
    if sight.is_pending and sight.database is not Accepts.NEW:
        return f"waits until {situation.control.split(' is ')[0]} is available, and goes on"
    if sight.database is Accepts.NEW and sight.parameter is Which.NEW:
        return f"restarts the app on the new password of {user}, and closes"
    if sight.database is Accepts.NEW:
        return f"writes the new password to {name}, restarts the app, and closes"
    return f"gives {user} the new password, writes it to {name}, restarts the app, and closes"


def rollback_words(situation: Situation, fence_s: float) -> str:
    """What `--rollback` would do now."""
    sight, opening = situation.sight, situation.opening
    if sight.decision is Direction.FORWARD:
        return "is too late: forward was decided; another rotation can bring the old password back"
    closes = f"and closes after {_duration(fence_s)}"
    is_untouched = sight.database is Accepts.OLD or opening.takes_turns
    if is_untouched and sight.parameter is Which.OLD:
        return f"decides to go back; nothing has to be undone; {closes}"
    parts = []
    if sight.database is not Accepts.OLD and not opening.takes_turns:
        parts.append(f"gives {opening.old.user} its old password again")
    if sight.was_published:
        parts.append(f"writes it back to {opening.published[0].name}, restarts the app")
    return f"{', '.join(parts)}, {closes}"


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
