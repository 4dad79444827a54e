"""The services a runner uses, the events it emits and its result."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from opskit.credential_source.interface import Version
from opskit.rotation.protocol.fence import Fence
from opskit.rotation.protocol.interface import DatabaseCredential, Strategy
from opskit.rotation.protocol.journal import Journal
from opskit.rotation.protocol.state_machine import Direction, StopReason
from opskit.rotation.steps.credential_writer import CredentialWriter
from opskit.rotation.steps.restart import RestartResult
from opskit.transport.database_connector import DatabaseConnector
from opskit.workload.interface import RestartTarget


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a rotation, for people and programs.

    Attributes:
        kind: step, wait or note.
        name: the step's, such as `publish`.
        seconds: duration of the step.
        details: further data for programs; never a secret.
        is_long: a wait that takes minutes, and is reported also where it cannot be shown while it lasts.
    """

    kind: str
    name: str
    text: str
    seconds: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    is_long: bool = False


@dataclass(frozen=True, slots=True)
class RotationResult:
    """The result of a run.

    Attributes:
        direction: None: the rotation is unfinished.
        why: why it is unfinished or was rolled back.
        stop: the reason of an unfinished one, if it follows from the state that was observed.
        versions: of the parameters.
        window_s: upper bound of the time in which new logins with the parameters' values could fail;
            None: unknown.
        restarts_s: upper bound of the time in which a running app's new connections could fail;
            None: unknown.
        verified: the checks that passed with the parameters' values.
        is_app_verified: the app was seen to be healthy with them.
    """

    direction: Direction | None
    why: str
    versions: tuple[Version, ...]
    window_s: float | None
    restarts_s: float | None
    verified: tuple[str, ...]
    stop: StopReason | None = None
    is_app_verified: bool = True


class Verifier(Protocol):
    """Logs in from where the app runs."""

    def __call__(self) -> tuple[bool | None, str]:
        """Return whether the parameters' values log in from there, and why not; None: not checked."""


@dataclass(frozen=True, slots=True)
class RotationServices:
    """All services that a runner uses.

    Attributes:
        other_candidates: further passwords that the database may accept, and the place of each: the
            parameter's history and earlier rotations, newest first. Called only if neither of the
            rotation's two passwords logs in.
        describe_writer: returns who wrote the parameters last, and when.
        restart: restarts one target.
        ask_instance: logs in from where the app runs.
        readers: host -> its connector, for the replicas that accept the change later than the writer.
    """

    journal: Journal
    writer: CredentialWriter
    strategy: Strategy
    connector: DatabaseConnector
    fence: Fence
    other_candidates: Callable[[], Sequence[tuple[str, DatabaseCredential]]]
    restart: Callable[[RestartTarget], RestartResult]
    ask_instance: Verifier
    on_event: Callable[[Event], None]
    readers: Mapping[str, DatabaseConnector] = field(default_factory=dict)
    describe_writer: Callable[[], str] = lambda: ""
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
