"""No entry of a network ACL denies the app's packets or the database's replies.

Means: the first entry that matches decides, so a deny with a lower number drops traffic that a later
entry allows.
Found by: the four ACL checkpoints between the two subnets, entry by entry in the order of their numbers.
Looks alike: a missing allow (NET004): there the final * denies, and the fix may have any number.
Fix: an allow for the other subnet, with a number below that of the deny, once the deny's owner agrees.
Not the fix: removing the deny, which may be a defence against an attack.
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
        numbers = sorted({p.entry.number for p in checkpoint.dropped if p.entry})
        entry = f"entry {numbers[0]}" if numbers else "an entry"
        return f"{entry} of {checkpoint.location} denies {WHOSE[checkpoint.kind]} before any allow is reached"

    good = f"the ACLs pass {paths.current.port} and the replies between app and database"
    return check_path(paths, probe, ACLS, (Reason.DENY_ENTRY,), good=good, say=say)
