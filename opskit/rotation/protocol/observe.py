"""Finds the password that the database accepts, by logging in with every stored one."""

from __future__ import annotations

from opskit.engine.interface import LoginFailure
from opskit.rotation.protocol.interface import DatabaseCredential, RotationIntent
from opskit.rotation.protocol.services import RotationServices
from opskit.rotation.protocol.state_machine import DatabaseState, ParameterState
from opskit.rotation.steps.parameter import ParameterSnapshot

OURS = ((DatabaseState.NEW, "the new password"), (DatabaseState.OLD, "the old password"))


class PasswordCandidates:
    """The passwords that may log in.

    Attributes:
        works: the login that the database accepted last; None: none.
        tried: the places of the passwords that it rejected.
        why: the message of a login that could not be judged.
    """

    def __init__(self, world: RotationServices, intent: RotationIntent) -> None:
        self._world, self._intent = world, intent
        self.works: DatabaseCredential | None = None
        self.tried: list[str] = []
        self.why = ""

    def try_ours(self) -> DatabaseState | None:
        """Try the rotation's two passwords, the new one first; None if the database rejects both."""
        self.tried, self.why = [], ""
        for database_state, where in OURS:
            login = self._intent.new if database_state is DatabaseState.NEW else self._intent.old
            found = self._try(database_state, f"{where} of this rotation", login)
            if found is not None:
                return found
        return None

    def try_others(self, seen: ParameterSnapshot) -> DatabaseState:
        """Try the parameters' password, if it is neither of the two, then all other stored ones."""
        if seen.which is ParameterState.OTHER:
            held = self._intent.login_in(seen.values)
            found = (
                self._try(DatabaseState.HELD, "what the parameter holds", held) if held else None
            )
            if found is not None:
                return found
        for where, login in self._world.other_candidates():
            found = self._try(DatabaseState.OTHER, where, login)
            if found is not None:
                return found
        self.works = None
        return DatabaseState.NONE

    def _try(
        self, database_state: DatabaseState, where: str, login: DatabaseCredential
    ) -> DatabaseState | None:
        """Try one login; None if the database rejects its password."""
        done = self._world.connector.try_login(login.user, login.password)
        if done.succeeded:
            self.works = login
            return database_state
        if done.failure is LoginFailure.PASSWORD:
            self.tried.append(where)
            return None
        self.why = done.message
        return DatabaseState.UNJUDGED
