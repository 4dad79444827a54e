"""Database engines: one package each, with all that differs between databases.

An engine knows its port, its first bytes and how to read the answer, its login and its error texts. Facts
of the instance or of AWS belong elsewhere.
"""

from __future__ import annotations

import importlib
from typing import cast

from opskit.engine.interface import Engine

ENGINES: dict[str, str] = {
    "postgres": "opskit.engine.postgresql.engine",
    "aurora-postgresql": "opskit.engine.postgresql.engine",
}
"""Engine as RDS names it -> module; a new engine is a package and a line here."""


class UnknownEngine(Exception):
    """RDS names an engine that opskit does not support yet."""


def for_rds_engine(name: str) -> Engine:
    """The engine that RDS calls `name`.

    Raises:
        UnknownEngine: opskit does not support it.
    """
    if name not in ENGINES:
        raise UnknownEngine(name)
    return cast(Engine, importlib.import_module(ENGINES[name]).ENGINE)
