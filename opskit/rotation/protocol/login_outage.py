"""Measures from observations how long logins could fail during a rotation."""

from __future__ import annotations

from dataclasses import dataclass

from opskit.rotation.protocol.state_machine import CredentialState, DatabaseState


@dataclass
class LoginOutage:
    """An upper bound of the time in which new logins with the parameters' values could fail.

    Attributes:
        seconds: None if this run did not observe such a time, or not its beginning.
        restarts_s: time until the app ran on a password that logs in.
    """

    seconds: float | None = None
    restarts_s: float | None = None
    _sound_at: float | None = None
    _is_open: bool = False
    _began: float | None = None

    def observed(
        self, database: DatabaseState, parameter: CredentialState, began: float, now: float
    ) -> None:
        """Record an observation: the password that logs in, and the parameters' state.

        Args:
            began: start of the observation; now: its end.
        """
        if str(database) == str(parameter):
            self._shut(now)
            self._sound_at = began
        elif database in (DatabaseState.NEW, DatabaseState.OLD) and not self._is_open:
            self._is_open = True
            self._began = self._began if self._began is not None else self._sound_at

    def change_sent(self, now: float) -> None:
        """Record that a change is about to be sent."""
        if not self._is_open:
            self._sound_at = now

    def parameter_written(self, now: float) -> None:
        """Record that the parameters hold a password that logs in."""
        self._shut(now)

    def restarted(self, now: float) -> None:
        """Record that the app runs on that password."""
        if self._began is not None:
            self.restarts_s = now - self._began

    def _shut(self, now: float) -> None:
        if self._is_open and self._sound_at is not None:
            self.seconds = (self.seconds or 0.0) + now - self._sound_at
        self._is_open = False
