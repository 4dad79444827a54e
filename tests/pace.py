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


SLOWNESS = min(max(1.0, _measure() / USUAL_S), 8.0)
"""Measured once a worker, when its tests begin: 1 on an idle machine and never less. A limit is still
reached some time."""


def scaled(seconds: float) -> float:
    """A limit for this machine, of one for an idle machine."""
    return seconds * SLOWNESS
