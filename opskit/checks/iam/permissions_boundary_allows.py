"""The role's permissions boundary allows what its policies allow.

Means: the boundary is a ceiling: what it does not allow the role cannot do, whatever its own policies
say. It grants nothing itself.
Found by: the boundary evaluated beside the policies, AWS's message, the simulator's boundary detail.
Looks alike: a missing statement (IAM002); another allow in the role changes nothing here.
Fix: a new version of the boundary that allows it too; its owner has to agree.
Not the fix: removing the boundary.
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
        reading=(Denial.BOUNDARY,),
        decrypting=(Denial.BOUNDARY,),
    )
