"""Describes an unfinished rotation's status, and what resuming it or rolling it back would do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto

from opskit import engine
from opskit.rotation.protocol.interface import ControlPlaneState, RotationIntent
from opskit.rotation.protocol.journal import Record
from opskit.rotation.protocol.runner import Rotation
from opskit.rotation.protocol.state_machine import (
    REPAIRABLE,
    CredentialState,
    DatabaseState,
    Direction,
    Observation,
    RunnerState,
    StopReason,
)
from opskit.rotation.steps.restart import is_readable


class OpenWork(Enum):
    """The work that a command leaves unfinished if it ends early.

    ROTATION: one in the journal, which --resume and --rollback complete.
    MANAGED: one that RDS makes; the parameter may be behind the secret.
    REPAIR: a single write, which was made or was not.
    """

    NOTHING = auto()
    ROTATION = auto()
    MANAGED = auto()
    REPAIR = auto()


@dataclass(frozen=True, slots=True)
class RotationStatus:
    """The status of an unfinished rotation.

    Attributes:
        stops: why it cannot be resumed now, with the evidence; empty if it can.
        stop: the same reason as a value; None if it can be resumed.
    """

    record: Record
    intent: RotationIntent
    observation: Observation
    control: ControlPlaneState
    stops: str = ""
    stop: StopReason | None = None

    @property
    def needs_repair(self) -> bool:
        """Whether the rotation cannot be resumed before `repair` was run."""
        return self.stop in REPAIRABLE or self.observation.stored is CredentialState.ABSENT


def read_status(
    record: Record,
    intent: RotationIntent,
    create: Callable[[int, RotationIntent, RunnerState, Mapping[str, str]], Rotation],
) -> RotationStatus:
    """Observe an unfinished rotation, and find what a process that resumes it would do next.

    Args:
        create: creates the runner of a rotation.
    """
    observed = intent
    if not all(map(is_readable, intent.restart_targets)):
        observed = replace(intent, restart_targets=())
    rotation = create(record.number, observed, RunnerState(Direction.FORWARD), {})
    observation = rotation.observe()
    action = rotation.next_action(observation, Direction.FORWARD)
    stops = rotation.describe_stop(action)
    return RotationStatus(
        record,
        intent,
        observation,
        rotation.control,
        stops,
        action.stop,
    )


def logins_fail_now(situation: RotationStatus) -> bool:
    """Whether the parameters' values do not log in now."""
    database, parameter = situation.observation.database, situation.observation.stored
    if parameter is CredentialState.ABSENT:
        return True
    if situation.intent.is_alternating:
        return parameter is CredentialState.MIXED
    return database in (DatabaseState.NEW, DatabaseState.OLD) and str(database) != str(parameter)


def resume_words(situation: RotationStatus) -> str:
    """Describe what `--resume` would do now."""
    observation, intent = situation.observation, situation.intent
    name, user = intent.published[0].name, intent.new.user
    if situation.stops:
        return f"stops: {situation.stops}"
    if observation.decision is Direction.SUPERSEDED:
        return f"lets the database follow what {name} holds, and closes"
    if observation.decision is Direction.ROLLBACK:
        return "goes on going back, which was decided"
    if observation.decision is Direction.FORWARD:
        return "checks everything once more and closes it"
    if observation.is_pending and observation.database is not DatabaseState.NEW:
        return f"waits until {situation.control.database} is available, and goes on"
    if observation.database is DatabaseState.NEW and observation.stored is CredentialState.NEW:
        return f"restarts the app on the new password of {user}, and closes"
    if observation.database is DatabaseState.NEW:
        return f"writes the new password to {name}, restarts the app, and closes"
    return f"gives {user} the new password, writes it to {name}, restarts the app, and closes"


def rollback_words(situation: RotationStatus, fence_s: float) -> str:
    """Describe what `--rollback` would do now."""
    observation, intent = situation.observation, situation.intent
    if situation.stops:
        return f"stops: {situation.stops}"
    if observation.decision is Direction.FORWARD:
        return (
            "is too late: forward was decided. --resume closes it; then --previous-password gives the "
            "old password back, in a rotation of its own"
        )
    if observation.decision is Direction.SUPERSEDED:
        return "is too late: others have replaced the password"
    closes = f"and closes after {_duration(fence_s)}"
    is_untouched = observation.database is DatabaseState.OLD or intent.is_alternating
    if is_untouched and observation.stored is CredentialState.OLD:
        return f"decides to go back; nothing has to be undone; {closes}"
    parts = []
    if observation.database is not DatabaseState.OLD and not intent.is_alternating:
        parts.append(f"gives {intent.old.user} its old password again")
    if observation.was_published:
        parts.append(f"writes it back to {intent.published[0].name}, restarts the app")
    return f"{', '.join(parts)}, {closes}"


def stop_advice(stop: StopReason, intent: RotationIntent, flags: str) -> list[str]:
    """Return the steps that let a stopped rotation continue, one a line; empty if resuming it is enough.

    Args:
        flags: the target's options.
    """
    command = f"opskit rotate-password {flags}".rstrip()
    repair = f"opskit rotate-password repair {flags}".rstrip()
    if stop is StopReason.LOCKED_OUT:
        advice = engine.for_rds_engine(intent.engine).advice
        return [
            advice.set_password(intent.old.user, "the password that the parameter holds"),
            f"{repair} --password-stdin   or this: writes a password that you know to log in",
            f"{command} --resume   goes on afterwards",
        ]
    if stop is StopReason.REPLACED:
        return [f"{command} --resume --take-over   ends this rotation; what is there now stays"]
    if stop in REPAIRABLE:
        return [
            f"{repair}   writes what logs in to the parameter",
            f"{command} --resume   goes on afterwards",
        ]
    if stop is StopReason.UNHEALTHY:
        return [
            f"{command} --resume   restarts what is not healthy once more",
            f"{command} --resume --restart none   closes without looking at the app",
        ]
    return []


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
