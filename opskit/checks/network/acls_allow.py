"""The network ACLs allow the app's packets and the database's replies.

Means: ACLs are stateless, so replies need a separate allow for the ports from which the client
connected; ACLs drop packets silently.
Found by: the four ACL checkpoints between the two subnets, entry by entry in the order of their numbers;
traffic within one subnet passes no ACL.
Looks alike: a security group that drops (NET001, NET002); only the rules tell them apart.
Fix: one allow entry where none matches.
Not the fix: an ACL that allows everything, or moving the subnet to the default ACL.
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
        return f"{checkpoint.location} drops {WHOSE[checkpoint.kind]}: no entry allows them"

    good = f"the ACLs pass {paths.current.port} and the replies between app and database"
    return check_path(paths, probe, ACLS, (Reason.NO_ENTRY,), good=good, say=say)
