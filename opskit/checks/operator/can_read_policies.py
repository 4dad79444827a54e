"""You may read the policies that apply to the instance's role.

Means: without them opskit relies on the simulator and on the instance's own attempt, and cannot name
the statement that denies.
Found by: your own policies, those of your groups, your boundary and the organization's, evaluated;
and IAM's simulator.
Looks alike: a member account of an organization, which usually cannot read the SCPs.
Fix: one policy with the missing iam, kms and organizations actions; all of them only read.
Not the fix: IAMFullAccess.
"""

from __future__ import annotations

from opskit.checks.interface import Finding
from opskit.checks.operator.permission_group_check import NEEDS_DECIDED, check_group
from opskit.facts.permissions import PermissionGroup
from opskit.policy.operator_access import OperatorAccess

passes_on = NEEDS_DECIDED


def check(access: OperatorAccess) -> Finding:
    """Judge the permissions of this group."""
    return check_group(access, PermissionGroup.POLICIES, is_needed=False)
