"""No route on the way is a black hole.

Means: the longest matching route names something that was deleted; it still wins, and packets are
lost in silence. Routes more specific than the VPC's own are possible since 2021.
Found by: the route tables of both subnets, and their state `blackhole`.
Looks alike: a missing route (NET010), a security group's drop.
Fix: remove the dead route where the next best leads there, or point it to what is alive.
Not the fix: another default route.
"""

from __future__ import annotations

from opskit.checks.interface import Finding
from opskit.checks.network.fixes import ROUTES
from opskit.checks.network.path_check import check_path
from opskit.facts.interface import Fact
from opskit.facts.probe import InstanceProbe
from opskit.reachability.database_paths import DatabasePaths
from opskit.reachability.path import Checkpoint, CheckpointKind, Path, Reason

explains = ("tcp", "tls", "auth", "app")


def check(paths: DatabasePaths, probe: Fact[InstanceProbe]) -> Finding:
    """Judge the routes of the current path in both directions."""

    def say(_: Path, one: Checkpoint) -> str:
        whose = (
            "the database's replies"
            if one.kind is CheckpointKind.REPLY_ROUTE
            else "the app's packets"
        )
        return f"{one.location.removesuffix(' route')} sends {whose} into a black hole: {one.decided_by}"

    good = "the route tables lead to the database and back"
    return check_path(paths, probe, ROUTES, (Reason.BLACKHOLE,), good=good, say=say)
