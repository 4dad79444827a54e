"""How slow this machine is now, against an idle one: limits in tests grow with it."""

from __future__ import annotations

import time

USUAL_S = 0.06
"""What the work below takes on the machine on which the limits were chosen, when it is idle."""


def _measure() -> float:
    """Wall time of a fixed piece of work: other work on the machine counts."""
    started = time.perf_counter()
    total = 0
    for number in range(2_000_000):
        total += number & 7
    return time.perf_counter() - started


MOST = 8.0
"""A limit is still reached some time."""
ANEW_AFTER_S = 20.0
_slowness, _measured_at = 1.0, float("-inf")


def slowness() -> float:
    """The slowest that this worker has measured: 1 on an idle machine and never less.

    Other work comes during a run, so that it is measured again from time to time; what has begun slowly
    keeps its limit.
    """
    global _slowness, _measured_at
    if time.monotonic() - _measured_at > ANEW_AFTER_S:
        _slowness = max(_slowness, min(_measure() / USUAL_S, MOST))
        _measured_at = time.monotonic()
    return _slowness


def scaled(seconds: float) -> float:
    """A limit for this machine, of one for an idle machine."""
    return seconds * slowness()
