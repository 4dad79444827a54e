"""A role's password, changed by SQL: in force at once, and fenced by a lock in the database."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from opskit.errors import AwsError, CannotProceed, TransportError
from opskit.rotation.protocol.interface import (
    ChangeOutcome,
    ControlPlaneState,
    DatabaseCredential,
    RotationIntent,
)
from opskit.rotation.protocol.state_machine import CallOutcome, Direction
from opskit.transport.database_connector import DatabaseConnector


class RoleStrategy:
    """ALTER ROLE, by the role itself or by whoever is admitted to do it.

    Args:
        logins: who may change it, in the order in which they are tried.
        still_wanted: reads the journal, while the lock is held: whether it still goes that way.
        limit_s: for every wait inside the server.
        needs_no_login: one of them is an administrator, who needs none of the passwords.
        partner: the role of which a new one becomes a member; None: none is made.
    """

    is_synchronous = True

    def __init__(
        self,
        connector: DatabaseConnector,
        intent: RotationIntent,
        logins: Callable[[DatabaseCredential], Sequence[DatabaseCredential]],
        still_wanted: Callable[[Direction], bool],
        limit_s: float,
        *,
        needs_no_login: bool,
        partner: str | None,
    ) -> None:
        self.needs_no_login = needs_no_login
        self._connector, self._intent, self._logins = connector, intent, logins
        self._still_wanted, self._limit_s, self._partner = still_wanted, limit_s, partner

    def control(self) -> ControlPlaneState:
        """SQL is applied when it is accepted."""
        return ControlPlaneState(False, "")

    def change(
        self,
        to: DatabaseCredential,
        direction: Direction = Direction.FORWARD,
        works: DatabaseCredential | None = None,
    ) -> ChangeOutcome:
        """Change it as the first who can."""
        reasons: list[str] = []
        is_final = True
        logins = list(self._logins(to))
        if works is not None and works.user == to.user and works not in logins:
            logins.insert(0, works)
        for login in logins:
            try:
                done = self._connector.engine.change_password(
                    self._connector.server(),
                    login.user,
                    login.password,
                    to.user,
                    to.password,
                    member_of=self._partner,
                    lock=f"opskit {self._intent.published[0].name}",
                    still_wanted=lambda: self._still_wanted(direction),
                    limit_s=self._limit_s,
                )
            except (TransportError, CannotProceed) as error:
                return ChangeOutcome(CallOutcome.NOT_APPLIED, error.sentence)
            except AwsError as error:
                return ChangeOutcome(CallOutcome.NOT_APPLIED, f"{error.permission}: {error.code}")
            if done.succeeded:
                return ChangeOutcome(CallOutcome.APPLIED)
            reasons.append(f"as {login.user}: {done.message}")
            is_final = is_final and done.is_final
            if done.succeeded is None:
                return ChangeOutcome(CallOutcome.UNKNOWN, reasons[-1])
        why = "; ".join(dict.fromkeys(reasons)) or "nobody is known who could"
        return ChangeOutcome(CallOutcome.REFUSED if is_final else CallOutcome.NOT_APPLIED, why)
