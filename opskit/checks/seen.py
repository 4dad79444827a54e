"""The positive evidence of a check: the fields of facts that it must have seen to pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from opskit.facts.interface import Fact, Known
from opskit.facts.snapshot import Snapshot


def is_present(value: object) -> bool:
    """Whether a value was seen at all: it is neither None nor an empty text or collection."""
    return value is not None and value not in ("", (), {}, frozenset())


def is_true(value: object) -> bool:
    """Whether a value is True, and not merely unknown."""
    return value is True


@dataclass(frozen=True, slots=True)
class Seen:
    """A field of a fact whose value allows a check to pass.

    Attributes:
        fact: the fact's type, which the check takes.
        path: the field's place, attributes joined by dots; empty for the fact itself.
        is_enough: whether the value there is enough; by default any value that is present.
    """

    fact: type
    path: str = ""
    is_enough: Callable[[Any], bool] = is_present

    @property
    def name(self) -> str:
        """The fact and the field, as in `docs/facts.md`."""
        return f"{self.fact.__name__}.{self.path}" if self.path else self.fact.__name__

    def holds(self, snapshot: Snapshot) -> bool:
        """Whether a snapshot has the field with a value that is enough."""
        fact: Fact[Any] = snapshot.get(self.fact)
        if not isinstance(fact, Known):
            return False
        value: Any = fact.value
        for attribute in self.path.split(".") if self.path else ():
            value = getattr(value, attribute, None)
            if value is None:
                break
        return self.is_enough(value)


EvidenceChoice: TypeAlias = tuple[tuple[Seen, ...], ...]
"""Ways to pass, of which one is enough: the fields that all have to be seen for it."""


def has_evidence(choice: EvidenceChoice, snapshot: Snapshot) -> bool:
    """Whether a snapshot has every field of one of the ways."""
    return any(all(seen.holds(snapshot) for seen in way) for way in choice)


def one_of(*ways: Seen | tuple[Seen, ...]) -> EvidenceChoice:
    """The ways to pass, each of one field or of several together."""
    return tuple((way,) if isinstance(way, Seen) else way for way in ways)
