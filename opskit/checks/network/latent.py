"""What the checks of faults to come share: ways that are not today's, and how they are mended."""

from __future__ import annotations

from collections.abc import Sequence

from opskit.checks.fix import Fix
from opskit.checks.network import fixes
from opskit.checks.network.passage import ACLS
from opskit.reachability.path import Checkpoint, Kind, Outcome, Path
from opskit.reachability.way import Elsewhere, Way


def blocked(way: Way, others: Sequence[Elsewhere]) -> list[Elsewhere]:
    """The other ways on which something breaks that today's way does not break on."""
    return [e for e in others if newly_broken(way, e.path)]


def newly_broken(way: Way, path: Path) -> list[Checkpoint]:
    """The checkpoints of a way that drop more than today's does at the same place."""
    today = {(c.kind, c.place): c.outcome for c in way.today.broken}
    return [c for c in path.broken if today.get((c.kind, c.place)) is not c.outcome]


def fix_of(way: Way, path: Path, broken: Sequence[Checkpoint]) -> Fix | None:
    """The change for the first of several broken checkpoints, or for all where ACLs drop."""
    acls = [c for c in broken if c.kind in ACLS]
    if acls:
        return fixes.entries_of(way.network, path, acls)
    first = broken[0]
    if first.outcome is not Outcome.DROP:
        return None
    if first.kind is Kind.INGRESS:
        return fixes.ingress_of(path)
    return fixes.egress_of(path) if first.kind is Kind.EGRESS else None
