"""The database's security group admits the app's address.

Means: the rules for the port name address ranges only, and none contains the app's address: the app
was moved, or the range was mistyped.
Found by: the groups' rules, and a TCP connection from the instance; a security group drops packets
silently, so the client sees a time-out.
Looks alike: a network ACL that drops (NET004, NET007), a blackhole route (NET009), a stopped database
(RDS001), a stale address (PAR007).
Fix: attach the group that the app or the database has lost; else one rule that names the app's group,
for the database's port.
Not the fix: 0.0.0.0/0, a public address, or the whole VPC's range.
"""

from __future__ import annotations

from opskit.checks.interface import Finding
from opskit.checks.network.path_check import PATH_OR_CONNECTION, at_ingress
from opskit.facts.interface import Fact
from opskit.facts.probe import InstanceProbe
from opskit.facts.security_groups import SecurityGroups
from opskit.reachability.database_paths import DatabasePaths
from opskit.reachability.group_members import GroupMembers
from opskit.reachability.path import Path, Reason
from opskit.symptom import SymptomKind

passes_on = PATH_OR_CONNECTION
leads_to = (SymptomKind.DROPPED,)


def check(
    paths: DatabasePaths, groups: SecurityGroups, probe: Fact[InstanceProbe], members: GroupMembers
) -> Finding:
    """Judge the current path at the database's security groups."""

    def say(path: Path) -> str:
        own = path.destination.group_ids
        ranges = groups.peers_of(own, path.port)
        return (
            f"{groups.labels(own)} admits {path.port} from {ranges} only, which does not hold "
            f"{path.source.address} of {path.source.name}"
        )

    return at_ingress(paths, groups, probe, members, Reason.OTHER_ADDRESS, say)
