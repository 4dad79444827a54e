"""The mutable state that effects change, and the error for a refused call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from opskit.facts.interface import Fact, Known, Unknown, fact_type
from opskit.facts.snapshot import Snapshot

Facts = dict[type, Fact[Any]]
STALE = Unknown("it was observed before the change", ("a new diagnosis",))


class CallRejected(Exception):
    """AWS would refuse the call in this state, or the state that it changes is not known."""


@dataclass(frozen=True, slots=True)
class State:
    """Facts that calls change; `origin` is the snapshot that an undo restores."""

    facts: Facts
    origin: Snapshot | None = None

    def value(self, kind: type) -> Any:
        """A fact's value.

        Raises:
            CallRejected: the fact was not read.
        """
        fact = self.facts.get(kind)
        if not isinstance(fact, Known):
            raise CallRejected(f"{kind.__name__} was not read")
        return fact.value

    def set(self, value: Any) -> None:
        """Replace a known fact."""
        kind = fact_type(value)
        fact = self.facts[kind]
        assert isinstance(fact, Known)  # noqa: S101  its value has just been taken
        self.facts[kind] = replace(fact, value=value)


Effect = Callable[[State, Mapping[str, Any]], None]
Effects = dict[tuple[str, str], Effect]
"""(service, operation) -> the effect on the facts, given the call's parameters."""
