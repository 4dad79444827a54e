"""The words that all parts of a rotation share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from opskit.aws import CLOCK_CODE
from opskit.errors import AwsError
from opskit.facts.parameters import part
from opskit.rotation.protocol.state_machine import CallOutcome, Direction
from opskit.secret import Secret


@dataclass(frozen=True, slots=True)
class DatabaseCredential:
    """A user and a password."""

    user: str
    password: Secret

    @classmethod
    def parse(cls, text: str) -> DatabaseCredential | None:
        """The login in a JSON text with a username and a password; None where it is none."""
        user, password = part(text, "username"), part(text, "password")
        return None if user is None or password is None else cls(user, Secret(password))


@dataclass(frozen=True, slots=True)
class ParameterUpdate:
    """One parameter that a rotation writes: the password's, and where users alternate the user's.

    Attributes:
        kind, key_id, tier, pattern: as the parameter has them, to be written again.
        old, new: its whole text before and after.
        old_version: the version that held `old`.
        labels: those of that version; they move along.
    """

    name: str
    kind: str
    key_id: str | None
    tier: str
    old: Secret
    new: Secret
    old_version: int
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RotationIntent:
    """What a rotation is about: written down before anything is changed, and never altered.

    Whoever resumes it needs nothing else.

    Attributes:
        run: random id of the process that opened it; by, where: its identity and machine.
        old, new: what the database accepts before and after.
        published: the parameters that are written, in this order forward.
        resource: the DB instance's or cluster's own id, which a namesake does not have.
        instance: of the app, through which the database is reached; None: directly only.
        restart_targets: what is restarted, one after the other; see `restart`.
        was_healthy: the app, before.
        admin_parameter: holds an administrator's login; empty for none.
        readers: hosts that follow the writer, and take the change a moment later.
    """

    run: str
    by: str
    where: str
    tool: str
    strategy: str
    old: DatabaseCredential
    new: DatabaseCredential
    published: tuple[ParameterUpdate, ...]
    engine: str
    host: str
    port: int
    database: str
    db_instance: str
    cluster: str | None
    resource: str
    instance: str | None
    restart_targets: tuple[str, ...]
    was_healthy: bool
    admin_parameter: str = ""
    readers: tuple[str, ...] = ()

    @property
    def is_alternating(self) -> bool:
        """Whether two users alternate."""
        return self.old.user != self.new.user

    def login_in(self, values: Sequence[Secret]) -> DatabaseCredential | None:
        """The login that its parameters hold; None where they hold none."""
        if self.published[0].old != self.old.password:
            return DatabaseCredential.parse(values[0].reveal())
        return DatabaseCredential(
            values[1].reveal() if len(values) > 1 else self.old.user, values[0]
        )


@dataclass(frozen=True, slots=True)
class ControlPlaneState:
    """What the database's control plane says of itself."""

    is_pending: bool
    description: str


@dataclass(frozen=True, slots=True)
class ChangeOutcome:
    """How a change ended, and why in words that hold no secret."""

    outcome: CallOutcome
    why: str = ""

    @classmethod
    def by(cls, error: AwsError) -> ChangeOutcome:
        """What AWS's error says of the call that met it."""
        outcome, message = outcome_of(error), f"{error.permission}: {error.code}"
        return cls(
            outcome,
            f"{message}: {error.message[:200]}" if outcome is CallOutcome.REFUSED else message,
        )


def outcome_of(error: AwsError) -> CallOutcome:
    """How a call ended that met an error: whether it was carried out, and whether to try again."""
    if error.code == CLOCK_CODE:
        return CallOutcome.NOT_APPLIED
    return CallOutcome.UNKNOWN if error.may_have_been_applied else CallOutcome.REFUSED


class AwsClients(Protocol):
    """Where clients come from."""

    @property
    def region(self) -> str:
        """The Region that calls go to."""

    @property
    def calls(self) -> int:
        """All calls so far."""

    @property
    def calls_in_thread(self) -> int:
        """The present thread's calls."""

    def client(self, service: str) -> Any:
        """A client that reads, with retries."""

    def write_client(self, service: str, before_send: Callable[[], None]) -> Any:
        """A client whose every call leaves once at the most, if `before_send` lets it."""


class Strategy(Protocol):
    """A way to change what the database accepts."""

    needs_no_login: bool
    """It needs no login of its own."""
    is_synchronous: bool
    """A change that was accepted is in force."""

    def control(self) -> ControlPlaneState:
        """Whether the database is busy or has something unapplied."""

    def change(
        self,
        to: DatabaseCredential,
        direction: Direction = Direction.FORWARD,
        works: DatabaseCredential | None = None,
    ) -> ChangeOutcome:
        """Let the database accept this login from now on.

        Args:
            direction: the way on which it is changed.
            works: a login that the database accepts now, if one is known.
        """
