"""The route tables lead to the database and back.

Means: the two ends are in different VPCs, and a table has no route to the other, or one that leads
elsewhere. Peering needs a route in the tables of both sides, and is not transitive.
Found by: the tables of both subnets, the longest matching prefix. Paths over a transit gateway, a NAT
gateway or an appliance are not modelled: they are unknown, unless the instance connects.
Looks alike: a security group that drops; in another VPC group references need an active peering.
Fix: one route over the peering connection.
Not the fix: a public address for the database.
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

    def say(path: Path, checkpoint: Checkpoint) -> str:
        whose = (
            "the database's replies"
            if checkpoint.kind is CheckpointKind.REPLY_ROUTE
            else "the app's packets"
        )
        other_end = (
            path.source if checkpoint.kind is CheckpointKind.REPLY_ROUTE else path.destination
        )
        table = checkpoint.location.removesuffix(" route")
        return f"{table} leads {whose} nowhere near {other_end.name}: {checkpoint.decided_by}"

    good = "the route tables lead to the database and back"
    return check_path(paths, probe, ROUTES, (Reason.NO_ROUTE,), good=good, say=say)
