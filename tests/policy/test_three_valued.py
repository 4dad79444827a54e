"""Three-valued logic by its whole truth table."""

from __future__ import annotations

import itertools

import pytest

from opskit.policy.three_valued import FALSE, TRUE, all_of, any_of, indeterminate, negate

OPEN, OTHER = indeterminate("aws:a"), indeterminate("aws:b")


@pytest.mark.parametrize("parts", list(itertools.product((TRUE, FALSE, OPEN), repeat=3)))
def test_and_and_or(parts: tuple[object, ...]) -> None:
    both, either = all_of(parts), any_of(parts)  # type: ignore[arg-type]
    assert both == (FALSE if FALSE in parts else OPEN if OPEN in parts else TRUE)
    assert either == (TRUE if TRUE in parts else OPEN if OPEN in parts else FALSE)


def test_of_nothing() -> None:
    assert all_of(()) == TRUE
    assert any_of(()) == FALSE


def test_all_open_keys_are_named() -> None:
    assert all_of((OPEN, TRUE, OTHER)).depends_on == {"aws:a", "aws:b"}
    assert any_of((OPEN, FALSE, OTHER)).depends_on == {"aws:a", "aws:b"}
    assert any_of((OPEN, TRUE)).depends_on == frozenset(), "it does not matter any more"


def test_not() -> None:
    assert (negate(TRUE), negate(FALSE), negate(OPEN)) == (FALSE, TRUE, OPEN)
