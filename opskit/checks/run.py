"""Runs one check on a snapshot."""

from __future__ import annotations

from typing import Any

from opskit.checks.interface import Check, Finding, undecided, undecided_by_bug
from opskit.facts.interface import Unknown, inputs_of
from opskit.facts.snapshot import Snapshot


def run_check(check: Check, snapshot: Snapshot) -> Finding:
    """A check's finding; unknown when one of its facts is unknown, or when the check itself fails."""
    arguments: dict[str, Any] = {}
    for item in inputs_of(check.judge):
        fact = snapshot.get(item.type)
        if item.tolerant:
            arguments[item.name] = fact
        elif isinstance(fact, Unknown):
            return undecided(fact.reason, *fact.missing)
        else:
            arguments[item.name] = fact.value
    try:
        return check.judge(**arguments)
    except Exception as error:
        return undecided_by_bug(error)
