"""Guards against delayed requests: no write on a stale observation, and no close before they have expired.

Fencing: after a decision, no request of another direction may still take effect. opskit sends a request
only shortly after an observation without a contrary decision, and AWS rejects a request whose signature
is old. So once a decision is `Fence.seconds` old, no request of another direction can arrive.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from opskit.errors import OpskitError

DEFAULT_S = 20 * 60.0
"""Observation 30 s, stale read 1 min, lifetime of a signature 5 min (some services 15 min), and a margin."""
LONGEST_LOOK_S = 30.0
LONGEST_HOLD_DOWN_S = 20.0


class StaleObservation(OpskitError):
    """The observation is too old to send a request; observe again."""

    def __init__(self) -> None:
        super().__init__(
            "this machine slept or waited between looking and sending, so that was not sent",
            "the same command again looks again",
        )


def boot_clock() -> float:
    """Return seconds on a clock that also runs while the machine sleeps, where the system has one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Fence:
    """The time limits of one run.

    Args:
        seconds: age of a decision after which no request of another direction can arrive.
        clock: in seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = boot_clock) -> None:
        self.seconds = seconds
        self.max_observation_age_s = min(LONGEST_LOOK_S, seconds / 8)
        self.hold_down_s = min(LONGEST_HOLD_DOWN_S, seconds)
        """A database's description may lag this long behind a change that RDS has accepted."""
        self._clock = clock
        self._looked_at: float | None = None

    def mark_observed(self) -> None:
        """Note that the read of the decision starts now."""
        self._looked_at = self._clock()

    def check(self) -> None:
        """Check that the observation is recent enough to send a request.

        Raises:
            StaleObservation: it is too old.
        """
        if self._looked_at is None or self._clock() - self._looked_at > self.max_observation_age_s:
            raise StaleObservation
