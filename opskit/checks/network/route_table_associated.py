"""The subnets use the route table that was created for them.

Means: a subnet without its own association uses the VPC's main table; the table with the route exists,
but does not apply.
Found by: the associations of the route tables, and whether the other table leads to the other end.
Looks alike: a missing route (NET010): there no table of the VPC leads to the other end.
Fix: associate the subnet with the table.
Not the fix: copying routes into the main table, which other subnets use too.
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
        return f"the main table decides for {whose}, and it does not lead there: {checkpoint.decided_by}"

    good = "the route tables lead to the database and back"
    return check_path(paths, probe, ROUTES, (Reason.MAIN_TABLE,), good=good, say=say)
