"""A role's password, changed by SQL: in force at once, and fenced by a lock in the database."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from opskit.errors import AwsError, Incomplete, TransportError
from opskit.rotation.protocol.interface import Changed, Control, Login, Opening
from opskit.rotation.protocol.state_machine import Direction, Outcome
from opskit.transport.database_connector import Door


class Role:
    """ALTER ROLE, by the role itself or by whoever is admitted to do it.

    Args:
        logins: who may change it, in the order in which they are tried.
        still_wanted: reads the journal, while the lock is held: whether it still goes that way.
        limit_s: for every wait inside the server.
        resets: one of them is an administrator, who needs none of the passwords.
        partner: the role of which a new one becomes a member; None: none is made.
    """

    is_synchronous = True

    def __init__(
        self,
        door: Door,
        opening: Opening,
        logins: Callable[[Login], Sequence[Login]],
        still_wanted: Callable[[Direction], bool],
        limit_s: float,
        *,
        resets: bool,
        partner: str | None,
    ) -> None:
        self.resets = resets
        self._door, self._opening, self._logins = door, opening, logins
        self._still_wanted, self._limit_s, self._partner = still_wanted, limit_s, partner

    def control(self) -> Control:
        """SQL is applied when it is accepted."""
        return Control(False, "")

    def change(
        self,
        to: Login,
        direction: Direction = Direction.FORWARD,
        works: Login | None = None,
    ) -> Changed:
        """Change it as the first who can."""
        reasons: list[str] = []
        is_final = True
        logins = list(self._logins(to))
        if works is not None and works.user == to.user and works not in logins:
            logins.insert(0, works)
        for login in logins:
            try:
                done = self._door.engine.change_password(
                    self._door.server(),
                    login.user,
                    login.password,
                    to.user,
                    to.password,
                    member_of=self._partner,
                    lock=f"opskit {self._opening.published[0].name}",
                    still_wanted=lambda: self._still_wanted(direction),
                    limit_s=self._limit_s,
                )
            except (TransportError, Incomplete) as error:
                return Changed(Outcome.MISSED, error.sentence)
            except AwsError as error:
                return Changed(Outcome.MISSED, f"{error.permission}: {error.code}")
            if done.succeeded:
                return Changed(Outcome.APPLIED)
            reasons.append(f"as {login.user}: {done.message}")
            is_final = is_final and done.is_final
            if done.succeeded is None:
                return Changed(Outcome.UNKNOWN, reasons[-1])
        why = "; ".join(dict.fromkeys(reasons)) or "nobody is known who could"
        return Changed(Outcome.REFUSED if is_final else Outcome.MISSED, why)
