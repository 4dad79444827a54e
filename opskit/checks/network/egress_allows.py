"""The app's security group allows egress to the database.

Means: the packet never leaves the instance's interface.
Found by: the egress rules of the interface's groups; a new group allows all egress, so the rule was
removed.
Looks alike: every other silent drop on the path.
Fix: attach the group that the app or the database has lost; else one egress rule to the database's
group on its port.
Not the fix: egress to 0.0.0.0/0 on all ports, if it was narrowed on purpose.
"""

from __future__ import annotations

from opskit.checks.interface import Finding
from opskit.checks.network.path_check import PATH_OR_CONNECTION, check_path
from opskit.facts.interface import Fact
from opskit.facts.probe import InstanceProbe
from opskit.facts.security_groups import SecurityGroups
from opskit.reachability.database_paths import DatabasePaths
from opskit.reachability.group_members import GroupMembers
from opskit.reachability.path import Checkpoint, CheckpointKind, Path, Reason
from opskit.symptom import SymptomKind

passes_on = PATH_OR_CONNECTION
leads_to = (SymptomKind.DROPPED,)


def check(
    paths: DatabasePaths, groups: SecurityGroups, probe: Fact[InstanceProbe], members: GroupMembers
) -> Finding:
    """Judge the current path at the app's security groups."""

    def say(path: Path, _: Checkpoint) -> str:
        own = groups.labels(path.source.group_ids)
        return f"{own} lets nothing out to {path.destination.name} on {path.port}"

    good = f"{groups.labels(paths.current.source.group_ids)} lets the app out to the database"
    return check_path(
        paths,
        probe,
        (CheckpointKind.EGRESS,),
        (Reason.EGRESS,),
        good=good,
        say=say,
        members=members,
    )
