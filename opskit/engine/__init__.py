"""Database engines: one package each, with all that differs between databases.

An engine knows its port, its first bytes and how to read the answer, its login, its error texts, its words
for TLS and its statements. Facts of the instance or of AWS belong elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping

from opskit.engine.interface import Engine
from opskit.engine.postgresql.engine import ENGINE as POSTGRESQL
from opskit.redaction import keep_readable

ENGINES: Mapping[str, Engine] = {
    "postgres": POSTGRESQL,
    "aurora-postgresql": POSTGRESQL,
}
"""RDS's name of an engine -> the engine; a new engine is a package and a line here."""
ASSUMED = "postgres"
"""The engine that is assumed while the database is not known."""

# Redaction lies below the engines and cannot ask them.
keep_readable(*(own_word for engine in ENGINES.values() for own_word in engine.own_words))


class UnknownEngine(Exception):
    """RDS names an engine that opskit does not support yet."""


def for_rds_engine(name: str) -> Engine:
    """The engine that RDS calls `name`.

    Raises:
        UnknownEngine: opskit does not support it.
    """
    if name not in ENGINES:
        raise UnknownEngine(name)
    return ENGINES[name]


def all_engines() -> tuple[Engine, ...]:
    """Every supported engine, once."""
    return tuple(dict.fromkeys(ENGINES.values()))
