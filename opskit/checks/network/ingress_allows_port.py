"""The database's security group admits the app on the database's port.

Means: the rule exists but is for another port or protocol.
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
        rules = groups.ingress_of(own)
        ports = ", ".join(
            r.ports_words
            for r in rules
            if r.is_tcp and r.names(path.source.group_ids, path.source.address) is not False
        )
        return f"{groups.labels(own)} admits the app on {ports} only, not on {path.port}"

    return at_ingress(paths, groups, probe, members, Reason.OTHER_PORT, say)
