"""The path is open from every subnet in which the app may run.

Means: this instance reaches the database, another of the same app would not: its subnet has another
ACL or route table, or the rules name this subnet's addresses only.
Found by: the path model, from the subnets of the Auto Scaling group and of instances with the same
security groups.
Looks alike: an app that fails on one of its instances only, or after the next scale-out.
Fix: the same rule for the other subnet, or a rule by group instead of by address.
Not the fix: running all instances in one zone.
"""

from __future__ import annotations

from opskit.checks.interface import Finding, derived, reported, skipped, undecided, warned
from opskit.checks.network import latent_path_check
from opskit.checks.seen import Seen, one_of
from opskit.facts.app_subnets import AppSubnets
from opskit.facts.interface import Fact, Unknown
from opskit.reachability.database_paths import DatabasePaths
from opskit.reachability.group_members import GroupMembers
from opskit.reachability.path import PathOutcome

passes_on = one_of(Seen(DatabasePaths, "from_other_subnets"))


def check(paths: DatabasePaths, subnets: Fact[AppSubnets], members: GroupMembers) -> Finding:
    """Judge the other subnets of the app."""
    if isinstance(subnets, Unknown):
        return undecided(subnets.reason, *subnets.missing)
    if not paths.from_other_subnets:
        return skipped("the app is known to run in one subnet only")
    if paths.current.outcome is PathOutcome.DROP:
        return skipped("the way is not open today")
    blocked = latent_path_check.blocked(paths, paths.from_other_subnets)
    if not blocked:
        count = len(paths.from_other_subnets)
        noun = "subnet" if count == 1 else "subnets"
        good = f"the way is open from {count} more {noun} of the app"
        return latent_path_check.open_or_unknown(paths.from_other_subnets, good)
    first = blocked[0]
    broken = latent_path_check.newly_broken(paths, first.path)
    return warned(
        f"{broken[0].location} would drop the connection from {first.subnet.label}: "
        f"{broken[0].decided_by}{latent_path_check.others_blocked(blocked)}",
        derived(first.path.line),
        reported(first.why),
        fix=latent_path_check.fix_of(paths, blocked, members),
    )
