"""Runs one check on a snapshot."""

from __future__ import annotations

from opskit.checks.interface import Check, Finding, Status, not_reached, undecided, undecided_by_bug
from opskit.checks.seen import has_evidence
from opskit.errors import Alternatives
from opskit.facts.binding import bind, blocking_input
from opskit.facts.snapshot import Snapshot


def run_check(check: Check, snapshot: Snapshot) -> Finding:
    """A check's finding; unknown when one of its facts is unknown, or when the check itself fails.

    A check that would pass without the evidence that it declares is unknown as well.
    """
    unknown = blocking_input(check.judge, snapshot.get)
    if unknown is not None:
        return not_reached(unknown.reason, unknown.waits_for, *unknown.missing)
    try:
        finding = check.judge(**bind(check.judge, snapshot.get))
        if finding.status is Status.PASS and not has_evidence(check.passes_on, snapshot):
            names = [" and ".join(seen.name for seen in way) for way in check.passes_on]
            return undecided("what it passes on was not seen", Alternatives(tuple(names)))
    except Exception as error:
        return undecided_by_bug(error)
    return finding
