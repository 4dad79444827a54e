"""A pytest plugin for `make mutants`: every mutant starts with empty caches.

mutmut runs each mutant in a fork of a process that has already run the tests of the unchanged code.
What that code left in an `lru_cache` would answer for the mutant, which then survives.
"""

from __future__ import annotations

import functools
import sys

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Know the mark of pytest-xdist, which is not loaded."""
    config.addinivalue_line("markers", "xdist_group: one worker runs them all")


def pytest_sessionstart() -> None:
    """Empty the caches of opskit's functions."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "opskit":
            for value in list(vars(module).values()):
                if isinstance(value, functools._lru_cache_wrapper):
                    value.cache_clear()
