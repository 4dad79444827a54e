"""For how long logins could fail during a rotation, measured by what was seen."""

from __future__ import annotations

from dataclasses import dataclass

from opskit.rotation.protocol.state_machine import DatabaseState, ParameterState


@dataclass
class LoginOutage:
    """For how long new logins with the parameters' values could fail: an upper bound, from looks.

    Attributes:
        seconds: None when this run saw no such time, or not its beginning.
        restarts_s: until the app ran on what logs in.
    """

    seconds: float | None = None
    restarts_s: float | None = None
    _sound_at: float | None = None
    _is_open: bool = False
    _began: float | None = None

    def observed(
        self, database: DatabaseState, parameter: ParameterState, began: float, now: float
    ) -> None:
        """A look that began at a time showed what logs in and what the parameters hold."""
        if str(database) == str(parameter):
            self._shut(now)
            self._sound_at = began
        elif database in (DatabaseState.NEW, DatabaseState.OLD) and not self._is_open:
            self._is_open = True
            self._began = self._began if self._began is not None else self._sound_at

    def change_sent(self, now: float) -> None:
        """A change is about to be sent."""
        if not self._is_open:
            self._sound_at = now

    def parameter_written(self, now: float) -> None:
        """The parameters hold what logs in."""
        self._shut(now)

    def restarted(self, now: float) -> None:
        """The app runs on it."""
        if self._began is not None:
            self.restarts_s = now - self._began

    def _shut(self, now: float) -> None:
        if self._is_open and self._sound_at is not None:
            self.seconds = (self.seconds or 0.0) + now - self._sound_at
        self._is_open = False
