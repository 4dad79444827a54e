"""The engine of the target's database, from the name that RDS gives it."""

from __future__ import annotations

from dataclasses import dataclass

from opskit import engine
from opskit.engine.interface import Engine
from opskit.facts.database import Database
from opskit.facts.interface import Fact, Known


@dataclass(frozen=True, slots=True)
class DatabaseEngine:
    """The engine of the database.

    Attributes:
        rds_name: RDS's name of it, a key of `opskit.engine.ENGINES`.
        is_assumed: the database is not known; the instance was probed as if it used this engine.
    """

    rds_name: str
    is_assumed: bool = False

    @property
    def engine(self) -> Engine:
        """The implementation."""
        return engine.for_rds_engine(self.rds_name)


def read(database: Fact[Database]) -> DatabaseEngine:
    """Take the engine that RDS names.

    Raises:
        UnknownEngine: opskit does not support it.
    """
    if not isinstance(database, Known):
        return DatabaseEngine(engine.ASSUMED, is_assumed=True)
    name = database.value.instance.engine
    engine.for_rds_engine(name)
    return DatabaseEngine(name)
