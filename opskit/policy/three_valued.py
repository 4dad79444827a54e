"""Three-valued logic: true, false, or dependent on unknown condition keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tristate:
    """A three-valued result; `depends_on` names the condition keys when `value` is None."""

    value: bool | None
    depends_on: frozenset[str] = frozenset()


TRUE, FALSE = Tristate(True), Tristate(False)


def indeterminate(*keys: str) -> Tristate:
    """A result that depends on these condition keys."""
    return Tristate(None, frozenset(keys))


def all_of(parts: Iterable[Tristate]) -> Tristate:
    """Three-valued AND."""
    doubtful: frozenset[str] = frozenset()
    is_doubtful = False
    for part in parts:
        if part.value is False:
            return FALSE
        if part.value is None:
            is_doubtful, doubtful = True, doubtful | part.depends_on
    return Tristate(None, doubtful) if is_doubtful else TRUE


def any_of(parts: Iterable[Tristate]) -> Tristate:
    """Three-valued OR."""
    return negate(all_of(negate(part) for part in parts))


def negate(truth: Tristate) -> Tristate:
    """Three-valued NOT; an indeterminate value stays indeterminate."""
    return truth if truth.value is None else Tristate(not truth.value)
