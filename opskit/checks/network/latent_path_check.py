"""Common code of the checks of latent faults: other paths than the current one, and their fixes."""

from __future__ import annotations

from collections.abc import Sequence

from opskit.checks.fix import Remedy
from opskit.checks.interface import Finding, passed, skipped, undecided
from opskit.checks.network.fix_context import to_database
from opskit.checks.network.fixes import open_paths
from opskit.checks.network.path_check import needs_of
from opskit.reachability.database_paths import AlternativePath, DatabasePaths
from opskit.reachability.group_members import GroupMembers
from opskit.reachability.path import Checkpoint, Path, PathOutcome


def blocked(paths: DatabasePaths, others: Sequence[AlternativePath]) -> list[AlternativePath]:
    """The other paths that are blocked at a checkpoint which the current path passes."""
    return [e for e in others if newly_broken(paths, e.path)]


def newly_broken(paths: DatabasePaths, path: Path) -> list[Checkpoint]:
    """The checkpoints of a path that drop more than the current path's at the same location."""
    today = {(c.kind, c.location): c.outcome for c in paths.current.broken}
    return [c for c in path.broken if today.get((c.kind, c.location)) is not c.outcome]


def open_or_unknown(others: Sequence[AlternativePath], good: str) -> Finding:
    """The finding where no other path drops more than the current one.

    Args:
        good: the summary where all of them are open.
    """
    for other in others:
        for checkpoint in other.path.checkpoints:
            if checkpoint.outcome is PathOutcome.UNKNOWN:
                text = f"{other.why}, {checkpoint.location}: {checkpoint.decided_by}"
                return undecided(text, needs_of(checkpoint))
    if any(other.path.outcome is not PathOutcome.PASS for other in others):
        return skipped("what drops a part of the packets today does so there too")
    return passed(good)


def fix_of(way: DatabasePaths, blocked: Sequence[AlternativePath], members: GroupMembers) -> Remedy:
    """One fix for all blocked paths, without attachments: their ends do not exist yet."""
    context = to_database(members, may_attach=False)
    paths = [e.path for e in blocked]
    return open_paths(context, way.network, paths, lambda path: newly_broken(way, path))


def others_blocked(blocked: Sequence[AlternativePath]) -> str:
    """The other subnets that are blocked, as the end of a sentence; empty when there are none."""
    labels = list(dict.fromkeys(e.subnet.label for e in blocked))[1:]
    return f"; the same holds for {', '.join(labels)}" if labels else ""
