"""Runs the operator's `opskit` and `aws` in forks of a warm process, which has imported everything.

Most of what such a command costs is its start: imports, and service models that are parsed. A test that
is about the start, the interpreter's exit or the process itself starts a real one.
"""

from tests.warm.client import Process, for_scripts, start

__all__ = ["Process", "for_scripts", "start"]
