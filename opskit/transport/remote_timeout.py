"""A time limit that the instance itself enforces, for when this process is gone."""

from __future__ import annotations

import math


def limit_in_t(limit_s: float) -> str:
    """Shell code that sets `$t`, the prefix that limits a command; empty where `timeout` is unsuitable.

    Args:
        limit_s: seconds; a little more is granted, so that the waiting client gives up first.
    """
    limit = math.ceil(limit_s) + 1
    # The `timeout` of old BusyBox releases has other options.
    return f't=; if timeout -k 5 5 true 2>/dev/null; then t="timeout -k 5 {limit}"; fi'
