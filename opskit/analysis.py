"""Facts derived from other facts by the policy and path models, computed once for all checks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from opskit.checks import resolved_database
from opskit.checks.iam import effective_permissions, fix_context
from opskit.checks.network import api_paths
from opskit.facts.binding import (
    Function,
    bind,
    blocking_input,
    by_type,
    inputs_of,
    outputs_of,
    producers,
)
from opskit.facts.interface import Fact, FactUnavailable, Known, unknown_by_bug
from opskit.facts.snapshot import Snapshot
from opskit.policy import operator_access, role_access
from opskit.reachability import database_paths, group_members, load_balancer_paths

ANALYSES: tuple[Function, ...] = (
    resolved_database.analyze,
    database_paths.analyze,
    load_balancer_paths.analyze,
    api_paths.analyze,
    group_members.analyze,
    role_access.analyze,
    effective_permissions.analyze,
    fix_context.analyze,
    operator_access.analyze,
)
"""In an order in which each analysis finds its inputs. They are pure, and no reader depends on them."""


def required_facts(wanted: Iterable[type]) -> set[type]:
    """The facts that must be read so that the wanted ones are read or can be derived."""
    analysis_of = producers(ANALYSES)
    required: set[type] = set()
    todo = list(wanted)
    while todo:
        kind = todo.pop()
        if kind in analysis_of:
            todo += [item.type for item in inputs_of(analysis_of[kind])]
        else:
            required.add(kind)
    return required


def analyze_all(snapshot: Snapshot) -> Snapshot:
    """The snapshot with the results of all analyses added."""
    facts = dict(snapshot.facts)
    for analysis in ANALYSES:
        facts.update(_derive(analysis, Snapshot(facts)))
    return Snapshot(facts, snapshot.calls, snapshot.rounds)


def _derive(analysis: Function, snapshot: Snapshot) -> dict[type, Fact[Any]]:
    unknown = blocking_input(analysis, snapshot.get)
    if unknown is None:
        try:
            result = analysis(**bind(analysis, snapshot.get))
        except FactUnavailable as unavailable:
            unknown = unavailable.unknown
        except Exception as error:
            unknown = unknown_by_bug(error)
        else:
            now = datetime.now(UTC)
            values = by_type(analysis, result)
            return {kind: Known(value, "derived", now) for kind, value in values.items()}
    return dict.fromkeys(outputs_of(analysis), unknown)
