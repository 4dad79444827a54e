"""All facts of one run as one immutable value, which checks and analyses read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from opskit.errors import Bug
from opskit.facts.interface import Fact, Unknown

T = TypeVar("T")
NOT_READ = Unknown("it was not asked for")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Facts by their type; types in `SECRET_FACTS` are never among them.

    Attributes:
        calls: number of AWS calls.
        rounds: length of the longest chain of dependent calls, before the instance probe.
    """

    facts: Mapping[type, Fact[Any]] = field(default_factory=dict)
    calls: int = 0
    rounds: int = 0

    def get(self, kind: type[T]) -> Fact[T]:
        """The fact of a type: known, or why it is not."""
        return self.facts.get(kind, NOT_READ)

    @property
    def bugs(self) -> tuple[str, ...]:
        """The errors of opskit's own that prevented reads, each once."""
        bugs = (f.bug for f in self.facts.values() if isinstance(f, Unknown) and f.bug)
        return tuple(dict.fromkeys(bugs))

    def refuse_bugs(self) -> None:
        """Raise an error of opskit's own, for a caller whose fact is unknown: it may be the reason.

        Raises:
            Bug: an error of opskit's own prevented a read.
        """
        if self.bugs:
            raise Bug(self.bugs[0])

    def value(self, kind: type[T]) -> T | None:
        """The value of a fact; None when it is unknown."""
        fact = self.get(kind)
        return None if isinstance(fact, Unknown) else fact.value
