"""Facts derived from other facts by the policy and path models, computed once for all checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from opskit.checks.iam import effective_permissions, fix_context
from opskit.facts.interface import (
    Fact,
    FactUnavailable,
    Known,
    Unknown,
    inputs_of,
    outputs_of,
    unknown_by_bug,
)
from opskit.facts.snapshot import Snapshot
from opskit.policy import operator_access, role_access
from opskit.reachability import database_paths, group_members, load_balancer_paths

ANALYSES: tuple[Callable[..., Any], ...] = (
    database_paths.analyze,
    load_balancer_paths.analyze,
    group_members.analyze,
    role_access.analyze,
    effective_permissions.analyze,
    fix_context.analyze,
    operator_access.analyze,
)
"""In an order in which each analysis finds its inputs. They are pure, and no reader depends on them."""


def required_facts(wanted: Iterable[type]) -> set[type]:
    """The facts that must be read so that the wanted ones are read or can be derived."""
    by_output = {kind: work for work in ANALYSES for kind in outputs_of(work)}
    found: set[type] = set()
    todo = list(wanted)
    while todo:
        kind = todo.pop()
        if kind in by_output:
            todo += [item.type for item in inputs_of(by_output[kind])]
        else:
            found.add(kind)
    return found


def analyze_all(snapshot: Snapshot) -> Snapshot:
    """The snapshot with the results of all analyses added."""
    facts = dict(snapshot.facts)
    for work in ANALYSES:
        for kind in outputs_of(work):
            facts[kind] = _derive(work, Snapshot(facts))
    return Snapshot(facts, snapshot.calls, snapshot.rounds)


def _derive(work: Callable[..., Any], snapshot: Snapshot) -> Fact[Any]:
    arguments: dict[str, Any] = {}
    for item in inputs_of(work):
        fact = snapshot.get(item.type)
        if isinstance(fact, Unknown) and not item.tolerant:
            return fact
        arguments[item.name] = fact if item.tolerant or isinstance(fact, Unknown) else fact.value
    try:
        return Known(work(**arguments), "derived", datetime.now(UTC))
    except FactUnavailable as end:
        return end.unknown
    except Exception as error:
        return unknown_by_bug(error)
