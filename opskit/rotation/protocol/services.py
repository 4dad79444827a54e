"""What a runner touches, tells and ends with."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from opskit.rotation.protocol.fence import Fence
from opskit.rotation.protocol.interface import DatabaseCredential, Strategy
from opskit.rotation.protocol.journal import Journal
from opskit.rotation.protocol.state_machine import Direction
from opskit.rotation.steps.parameter import ParameterWriter
from opskit.rotation.steps.restart import RestartResult, RestartTarget
from opskit.transport.database_connector import DatabaseConnector


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a person or a program may want to know.

    Attributes:
        kind: step, wait or note.
        name: of the step, such as `publish`.
        seconds: how long the step took.
        details: more for programs; never a secret.
    """

    kind: str
    name: str
    text: str
    seconds: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RotationResult:
    """How a run ended.

    Attributes:
        direction: None: it stands open.
        why: it stands open, or went back.
        stop: the same for an open one, without what was seen of it.
        versions: of the parameters.
        window_s: how long at the most new logins with the parameters' values could fail.
        restarts_s: how long at the most a running app's new connections could fail; None: not known.
        verified: what was seen to work with what the parameters hold.
    """

    direction: Direction | None
    why: str
    versions: tuple[int, ...]
    window_s: float | None
    restarts_s: float | None
    verified: tuple[str, ...]
    stop: str = ""


class Verifier(Protocol):
    """Asks the place where the app runs."""

    def __call__(self) -> tuple[bool | None, str]:
        """Whether the parameters' values log in from there; None: it cannot be asked, and why."""


@dataclass(frozen=True, slots=True)
class RotationServices:
    """Everything that a runner touches.

    Attributes:
        other_candidates: further passwords that the database may accept, and where each is kept: the
            parameter's history and earlier rotations, newest first. Asked for only when
            neither of the two logs in.
        describe_writer: who wrote the parameters last, and when.
        restart: restarts one target.
        ask_instance: logs in from where the app runs.
        readers: host -> the way to it, of those that take the change later than the writer.
    """

    journal: Journal
    parameters: ParameterWriter
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
