"""The engine of the database, assumed only while the database is not known."""

from __future__ import annotations

import pytest

from opskit import engine
from opskit.facts import database_engine
from opskit.facts.interface import Unknown
from tests import builders as b


def test_the_engine_is_the_one_that_rds_names() -> None:
    found = database_engine.read(b.known(b.database(engine="aurora-postgresql")))
    assert (found.rds_name, found.is_assumed) == ("aurora-postgresql", False)
    assert found.engine.default_port == 5432


def test_an_unknown_database_is_probed_as_the_assumed_engine() -> None:
    found = database_engine.read(Unknown("no right"))
    assert found.is_assumed
    assert found.engine is engine.ENGINES[engine.ASSUMED]


def test_an_engine_that_is_not_supported_is_not_taken_for_another() -> None:
    with pytest.raises(engine.UnknownEngine, match="oracle-ee"):
        database_engine.read(b.known(b.database(engine="oracle-ee")))
