"""Types that all parts of a rotation share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from opskit.aws import CLOCK_CODE
from opskit.credential_source.combined_value import member
from opskit.credential_source.interface import CredentialUpdate
from opskit.errors import AwsError
from opskit.rotation.protocol.state_machine import CallOutcome, Direction
from opskit.secret import Secret


@dataclass(frozen=True, slots=True)
class DatabaseCredential:
    """A database user and its password."""

    user: str
    password: Secret

    @classmethod
    def parse(cls, text: str) -> DatabaseCredential | None:
        """Read a login from JSON with a username and a password; None if the text holds none."""
        user, password = member(text, "username"), member(text, "password")
        return None if user is None or password is None else cls(user, Secret(password))


@dataclass(frozen=True, slots=True)
class RotationIntent:
    """Everything a rotation intends: recorded before the first change, never altered.

    A process that resumes the rotation needs nothing else.

    Attributes:
        run: random id of the process that started it; by, where: its identity and machine.
        old, new: the credential that the database accepts before and after.
        published: the parameters to write, in this order going forward.
        resource: AWS's immutable id of the DB instance or cluster, which a namesake does not share.
        location: where the app runs, through which the database is reached; format: see
            `opskit.workload.write_location`; None: directly only.
        restart_targets: restarted one after the other; format: see `steps.restart.write`.
        was_healthy: whether the app was healthy before.
        admin_parameter: the parameter that holds an administrator's login; empty for none.
        readers: hosts that replicate from the writer and accept the change a moment later.
    """

    run: str
    by: str
    where: str
    tool: str
    strategy: str
    old: DatabaseCredential
    new: DatabaseCredential
    published: tuple[CredentialUpdate, ...]
    engine: str
    host: str
    port: int
    database: str
    db_instance: str
    cluster: str | None
    resource: str
    location: str | None
    restart_targets: tuple[str, ...]
    was_healthy: bool
    admin_parameter: str = ""
    readers: tuple[str, ...] = ()

    @property
    def is_alternating(self) -> bool:
        """Whether two users alternate."""
        return self.old.user != self.new.user

    def login_in(self, values: Sequence[Secret]) -> DatabaseCredential | None:
        """Return the login in the parameters' values; None if they hold none."""
        if self.published[0].old != self.old.password:
            return DatabaseCredential.parse(values[0].reveal())
        return DatabaseCredential(
            values[1].reveal() if len(values) > 1 else self.old.user, values[0]
        )


@dataclass(frozen=True, slots=True)
class ControlPlaneState:
    """The state of the database that its control plane reports.

    Attributes:
        is_pending: the control plane is busy, or has accepted a change and not yet applied it.
        description: the state as text.
        database: the identifier of the instance or cluster; empty if nothing can be pending.
    """

    is_pending: bool
    description: str
    database: str = ""


@dataclass(frozen=True, slots=True)
class ChangeOutcome:
    """The outcome of a change, and a reason that holds no secret."""

    outcome: CallOutcome
    why: str = ""

    @classmethod
    def by(cls, error: AwsError) -> ChangeOutcome:
        """Derive the outcome from the AWS error of the call."""
        outcome, message = outcome_of(error), f"{error.permission}: {error.code}"
        return cls(
            outcome,
            f"{message}: {error.message[:200]}" if outcome is CallOutcome.REFUSED else message,
        )


def outcome_of(error: AwsError) -> CallOutcome:
    """Classify an AWS error: not applied, refused, or unknown."""
    if error.code == CLOCK_CODE:
        return CallOutcome.NOT_APPLIED
    return CallOutcome.UNKNOWN if error.may_have_been_applied else CallOutcome.REFUSED


class AwsClients(Protocol):
    """Source of AWS clients."""

    @property
    def region(self) -> str:
        """Region of the calls."""

    @property
    def calls(self) -> int:
        """Number of calls so far, in all threads."""

    @property
    def calls_in_thread(self) -> int:
        """Number of calls so far in the current thread."""

    def client(self, service: str) -> Any:
        """Return a client for reads, with retries."""

    def write_client(self, service: str, before_send: Callable[[], None]) -> Any:
        """Return a client that sends each call at most once, after `before_send` has allowed it."""


class Strategy(Protocol):
    """A way to change the password that the database accepts."""

    needs_no_login: bool
    """Whether it can set a password without logging in itself."""
    is_synchronous: bool
    """Whether an accepted change is in force at once."""

    def control(self) -> ControlPlaneState:
        """Return whether the database is busy or has a pending change."""

    def change(
        self,
        to: DatabaseCredential,
        direction: Direction = Direction.FORWARD,
        works: DatabaseCredential | None = None,
    ) -> ChangeOutcome:
        """Make the database accept this login.

        Args:
            direction: the direction of the rotation in which the change is sent.
            works: a login that the database accepts now, if one is known.
        """
