"""A limit that a command has on the instance, where nobody may be left to end it."""

from __future__ import annotations

import math


def limit_in_t(limit_s: float) -> str:
    """Shell words after which `$t` before a command limits it; empty where `timeout` cannot.

    Args:
        limit_s: seconds; a little more is given, so that whoever waits gives up first.
    """
    limit = math.ceil(limit_s) + 1
    # Old ones of BusyBox have other options.
    return f't=; if timeout -k 5 5 true 2>/dev/null; then t="timeout -k 5 {limit}"; fi'
