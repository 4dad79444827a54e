"""Calls by signature: what a function takes and gives is read from its annotations."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from opskit.facts.binding import bind, blocking_input, by_type, inputs_of, outputs_of, producers
from opskit.facts.interface import Fact, Known, Unknown

NOW = datetime(2026, 1, 1, tzinfo=UTC)
UNKNOWN = Unknown("not read")


def strict(number: int, text: str) -> float:
    """Take known facts only."""
    return float(text) * number


def tolerant(number: int, text: Fact[str]) -> tuple[bytes, complex]:
    """Take an unknown text too."""
    return b"", complex(number)


def facts(**values: Fact[object]) -> dict[type, Fact[object]]:
    found: dict[type, Fact[object]] = {int: Known(2, "given", NOW), str: Known("1.5", "given", NOW)}
    types: dict[str, type] = {"number": int, "text": str}
    return found | {types[k]: v for k, v in values.items()}


def test_inputs_and_outputs_follow_from_the_signature() -> None:
    assert [(i.name, i.type, i.tolerant) for i in inputs_of(tolerant)] == [
        ("number", int, False),
        ("text", str, True),
    ]
    assert outputs_of(strict) == (float,)
    assert outputs_of(tolerant) == (bytes, complex)
    assert producers([strict, tolerant]) == {float: strict, bytes: tolerant, complex: tolerant}


def test_a_tolerant_input_is_the_fact_and_another_its_value() -> None:
    fact_of = facts().__getitem__
    assert bind(strict, fact_of) == {"number": 2, "text": "1.5"}
    assert bind(tolerant, fact_of) == {"number": 2, "text": Known("1.5", "given", NOW)}
    assert strict(**bind(strict, fact_of)) == 3.0


@pytest.mark.parametrize(
    ("values", "blocks_strict", "blocks_tolerant"),
    [
        ({}, None, None),
        ({"text": UNKNOWN}, UNKNOWN, None),
        ({"number": UNKNOWN}, UNKNOWN, UNKNOWN),
    ],
)
def test_an_unknown_fact_blocks_where_it_is_not_tolerated(
    values: dict[str, Fact[object]], blocks_strict: Unknown | None, blocks_tolerant: Unknown | None
) -> None:
    fact_of = facts(**values).__getitem__
    assert blocking_input(strict, fact_of) is blocks_strict
    assert blocking_input(tolerant, fact_of) is blocks_tolerant


def test_a_result_is_stored_by_its_types() -> None:
    assert by_type(strict, 3.0) == {float: 3.0}
    assert by_type(tolerant, (b"x", 1j)) == {bytes: b"x", complex: 1j}
    with pytest.raises(ValueError, match="zip"):
        by_type(tolerant, (b"x",))
