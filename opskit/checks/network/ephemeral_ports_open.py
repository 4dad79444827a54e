"""The network ACLs allow replies to every port from which the app may connect.

Means: some connections succeed and others time out, at random: the system gives each connection a
port of its range, and the replies to a part of the range are dropped.
Found by: the instance's own range (net.ipv4.ip_local_port_range), compared with the ACLs' entries. One
working connection proves nothing here: the system assigns neighbouring ports one after the other.
Looks alike: packet loss, a pool that is too small, a database under load.
Fix: one allow entry for replies on 1024-65535.
Not the fix: narrowing the instance's range until it matches: load balancers and NAT use their own.
"""

from __future__ import annotations

from opskit.checks.interface import Finding
from opskit.checks.network.fixes import ACLS
from opskit.checks.network.path_check import PATH_OR_CONNECTION, check_path
from opskit.facts.interface import Fact
from opskit.facts.probe import InstanceProbe
from opskit.reachability.database_paths import DatabasePaths
from opskit.reachability.path import Checkpoint, CheckpointKind, Path, Reason
from opskit.symptom import SymptomKind

leads_to = (SymptomKind.DROPPED,)
WHOSE = {
    CheckpointKind.ACL_OUT: "the app's packets",
    CheckpointKind.ACL_IN: "the app's packets",
    CheckpointKind.REPLY_ACL_OUT: "the database's replies",
    CheckpointKind.REPLY_ACL_IN: "the database's replies",
}
passes_on = PATH_OR_CONNECTION


def check(paths: DatabasePaths, probe: Fact[InstanceProbe]) -> Finding:
    """Judge the four ACL checkpoints of the current path."""

    def say(_: Path, checkpoint: Checkpoint) -> str:
        ports = ", ".join(f"{p.ports[0]}-{p.ports[1]}" for p in checkpoint.dropped[:3])
        return (
            f"{checkpoint.location} drops {WHOSE[checkpoint.kind]} to ports {ports}, so some "
            "connections fail"
        )

    good = f"the ACLs pass {paths.current.port} and the replies between app and database"
    return check_path(paths, probe, ACLS, (Reason.NARROW_REPLY,), good=good, say=say)
