"""What differs between databases: one file each.

Here belongs an engine's port, its first bytes and how to read the answer, its login and its words
for what went wrong. What the instance or AWS says does not.
"""

from __future__ import annotations

import importlib
from typing import cast

from opskit.engine.interface import Engine

ENGINES: dict[str, str] = {
    "postgres": "opskit.engine.postgresql.engine",
    "aurora-postgresql": "opskit.engine.postgresql.engine",
}
"""RDS's name of an engine -> module; a new engine is a file and a line here."""


class UnknownEngine(Exception):
    """RDS names an engine that opskit does not speak yet."""


def for_rds_engine(name: str) -> Engine:
    """The engine that RDS calls `name`.

    Raises:
        UnknownEngine: opskit does not speak it.
    """
    if name not in ENGINES:
        raise UnknownEngine(name)
    return cast(Engine, importlib.import_module(ENGINES[name]).ENGINE)
