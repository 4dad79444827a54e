"""The role's statement names the parameters' Region and account.

Means: the statement was copied from another place: its Region, account or partition is another's, or
the field was left empty, which matches nothing for parameters.
Found by: the patterns of the role's allow statements, part by part.
Looks alike: another path (IAM005); a parameter that is in another Region (PAR001).
Fix: one statement for this Region and account.
Not the fix: `*` in place of the account.
"""

from __future__ import annotations

from opskit.checks.iam.effective_permissions import Standing
from opskit.checks.iam.fix_context import Bench
from opskit.checks.iam.permission_check import verdict
from opskit.checks.interface import Finding
from opskit.facts.instance_role import InstanceRole
from opskit.facts.interface import Fact
from opskit.policy.explanation import Denial

explains = ("auth", "app", "IAM003")


def check(standing: Standing, role: Fact[InstanceRole], bench: Bench) -> Finding:
    """Judge the refusals that have this reason."""
    return verdict(
        standing,
        role,
        bench,
        reading=(Denial.PLACE,),
    )
