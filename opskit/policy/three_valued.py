"""Yes, no, or it depends on something that is not known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Truth:
    """A value of three; `depends_on` names the condition keys when `value` is None."""

    value: bool | None
    depends_on: frozenset[str] = frozenset()


YES, NO = Truth(True), Truth(False)


def depends(*keys: str) -> Truth:
    """It depends on these keys."""
    return Truth(None, frozenset(keys))


def every(parts: Iterable[Truth]) -> Truth:
    """Yes if all are yes, no as soon as one is no."""
    doubtful: frozenset[str] = frozenset()
    is_doubtful = False
    for part in parts:
        if part.value is False:
            return NO
        if part.value is None:
            is_doubtful, doubtful = True, doubtful | part.depends_on
    return Truth(None, doubtful) if is_doubtful else YES


def some(parts: Iterable[Truth]) -> Truth:
    """Yes as soon as one is yes, no if all are no."""
    return negate(every(negate(part) for part in parts))


def negate(truth: Truth) -> Truth:
    """The opposite; what depends goes on depending."""
    return truth if truth.value is None else Truth(not truth.value)
