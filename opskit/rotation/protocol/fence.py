"""What keeps late requests from doing harm: nothing is sent on an old look, and closing waits.

A request may be sent only shortly after a look that found no decision against it, and AWS refuses
one whose signature is old. So after some time, the fence, nothing of another direction can arrive.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from opskit.errors import OpskitError

DEFAULT_S = 20 * 60.0
"""Look 30 s, a stale read 1 min, a signature's life 5 min (some services 15), and a margin."""
LONGEST_LOOK_S = 30.0
LONGEST_HOLD_DOWN_S = 20.0


class StaleObservation(OpskitError):
    """The look is too old to send anything on it; look again."""

    def __init__(self) -> None:
        super().__init__(
            "this machine slept or waited between looking and sending, so that was not sent",
            "the same command again looks again",
        )


def boot_clock() -> float:
    """Seconds on a clock that also runs while the machine sleeps, where there is one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Fence:
    """The times of one run.

    Args:
        seconds: the fence.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = boot_clock) -> None:
        self.seconds = seconds
        self.max_observation_age_s = min(LONGEST_LOOK_S, seconds / 8)
        self.hold_down_s = min(LONGEST_HOLD_DOWN_S, seconds)
        """So long a database's description may lag behind what it has accepted."""
        self._clock = clock
        self._looked_at: float | None = None

    def mark_observed(self) -> None:
        """The decision begins to be read now."""
        self._looked_at = self._clock()

    def check(self) -> None:
        """Make sure that the look is young enough.

        Raises:
            StaleObservation: it is not.
        """
        if self._looked_at is None or self._clock() - self._looked_at > self.max_observation_age_s:
            raise StaleObservation
