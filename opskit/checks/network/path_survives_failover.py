"""The path stays open when the database moves to another subnet of its subnet group.

Means: the app works today; after a failover, or when AWS replaces the host, the database has an address
in another subnet, and there an ACL, a route or an address range blocks the path.
Found by: the same path model as for the current path, for every subnet of the DB subnet group and every
part of it that the rules treat differently.
Looks alike: nothing yet; after the failover any silent drop.
Fix: the same rule for the other subnet, or a rule by group instead of by address.
Not the fix: pinning the database to one Availability Zone.
"""

from __future__ import annotations

from opskit.checks.interface import Finding, derived, skipped, undecided, warned
from opskit.checks.network import latent_path_check
from opskit.checks.seen import Seen, one_of
from opskit.reachability.database_paths import DatabasePaths
from opskit.reachability.group_members import GroupMembers
from opskit.reachability.path import PathOutcome

passes_on = one_of(Seen(DatabasePaths, "after_failover"))


def check(paths: DatabasePaths, members: GroupMembers) -> Finding:
    """Judge the paths after a failover; a fault of the current path has its own code."""
    if paths.current.outcome is PathOutcome.DROP:
        return skipped("the way is not open today")
    if not paths.after_failover:
        return undecided("the subnets of the database are not known", "ec2:DescribeSubnets")
    blocked = latent_path_check.blocked(paths, paths.after_failover)
    if not blocked:
        count = len({e.subnet.subnet_id for e in paths.after_failover})
        good = f"the way is open to all {count} subnets of the database"
        return latent_path_check.open_or_unknown(paths.after_failover, good)
    first = blocked[0]
    broken = latent_path_check.newly_broken(paths, first.path)
    return warned(
        f"{broken[0].location} would drop the connection {first.why}: {broken[0].decided_by}"
        f"{latent_path_check.others_blocked(blocked)}",
        derived(first.path.line),
        fix=latent_path_check.fix_of(paths, blocked, members),
    )
