"""No route on the path is a blackhole.

Means: the longest matching route has a target that was deleted; it still decides, and packets are
lost silently. Routes more specific than the VPC's own are possible since 2021.
Found by: the route tables of both subnets, and their state `blackhole`.
Looks alike: a missing route (NET010), a security group that drops.
Fix: delete the dead route where the next longest match leads to the other end, or replace its target.
Not the fix: another default route.
"""

from __future__ import annotations

from opskit.checks.interface import Finding
from opskit.checks.network.fixes import ROUTES
from opskit.checks.network.path_check import PATH_OR_CONNECTION, check_path
from opskit.facts.interface import Fact
from opskit.facts.probe import InstanceProbe
from opskit.reachability.database_paths import DatabasePaths
from opskit.reachability.path import Checkpoint, CheckpointKind, Path, Reason
from opskit.symptom import SymptomKind

passes_on = PATH_OR_CONNECTION
leads_to = (SymptomKind.DROPPED,)


def check(paths: DatabasePaths, probe: Fact[InstanceProbe]) -> Finding:
    """Judge the routes of the current path in both directions."""

    def say(_: Path, checkpoint: Checkpoint) -> str:
        whose = (
            "the database's replies"
            if checkpoint.kind is CheckpointKind.REPLY_ROUTE
            else "the app's packets"
        )
        return (
            f"{checkpoint.location.removesuffix(' route')} sends {whose} into a black hole: "
            f"{checkpoint.decided_by}"
        )

    good = "the route tables lead to the database and back"
    return check_path(paths, probe, ROUTES, (Reason.BLACKHOLE,), good=good, say=say)
