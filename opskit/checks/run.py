"""Runs one check on a snapshot."""

from __future__ import annotations

from opskit.checks.interface import Check, Finding, undecided, undecided_by_bug
from opskit.facts.binding import bind, blocking_input
from opskit.facts.snapshot import Snapshot


def run_check(check: Check, snapshot: Snapshot) -> Finding:
    """A check's finding; unknown when one of its facts is unknown, or when the check itself fails."""
    unknown = blocking_input(check.judge, snapshot.get)
    if unknown is not None:
        return undecided(unknown.reason, *unknown.missing)
    try:
        return check.judge(**bind(check.judge, snapshot.get))
    except Exception as error:
        return undecided_by_bug(error)
