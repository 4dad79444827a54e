"""A pytest plugin for `make mutants`: every mutant starts with empty caches.

mutmut runs each mutant in a fork of a process that has already run the tests of the unchanged code.
What that code left in an `lru_cache` would answer for the mutant, which then survives.
"""

from __future__ import annotations

import sys


def pytest_sessionstart() -> None:
    """Empty the caches of opskit's functions."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "opskit":
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear"):
                    value.cache_clear()
