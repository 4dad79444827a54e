"""Changes a role's password by SQL: in force at once, and fenced by a lock in the database."""

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
    """Sends ALTER ROLE, as the role itself or as an administrator.

    Args:
        logins: password to set -> the logins that may set it, in the order of trial.
        still_wanted: reads the journal while the lock is held: whether the direction is still valid.
        limit_s: limit for every wait inside the server.
        needs_no_login: an administrator is among them, so neither of the two passwords need log in.
        partner: the role of which a newly created role becomes a member; None: no role is created.
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
        """Return a state without pending changes: SQL is applied when it is accepted."""
        return ControlPlaneState(False, "")

    def change(
        self,
        to: DatabaseCredential,
        direction: Direction = Direction.FORWARD,
        works: DatabaseCredential | None = None,
    ) -> ChangeOutcome:
        """Change the password with the first login that can."""
        reasons: list[str] = []
        is_final = True
        logins = list(self._logins(to))
        if works is not None and works.user == to.user and works not in logins:
            logins.insert(0, works)
        for login in logins:
            try:
                result = self._connector.engine.change_password(
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
            if result.succeeded:
                return ChangeOutcome(CallOutcome.APPLIED)
            reasons.append(f"as {login.user}: {result.message}")
            is_final = is_final and result.is_final
            if result.succeeded is None:
                return ChangeOutcome(CallOutcome.UNKNOWN, reasons[-1])
        why = "; ".join(dict.fromkeys(reasons)) or "no one is known who could"
        return ChangeOutcome(CallOutcome.REFUSED if is_final else CallOutcome.NOT_APPLIED, why)
