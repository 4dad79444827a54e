"""You may rotate the password.

Means: `opskit rotate-password` would be refused before it begins, or would have to roll back.
Found by: your own policies, those of your groups, your boundary and the organization's, evaluated;
and IAM's simulator.
Looks alike: a parameter's own AllowedPattern, or a disabled key: there the permission is granted and
the write is refused.
Fix: ssm:PutParameter on the parameters and on the rotation journal, kms:Encrypt on their key, and
rds:ModifyDBInstance on this database where the app uses its master user.
Not the fix: ssm:PutParameter on every parameter; or the app's own role with permission to write.
"""

from __future__ import annotations

from opskit.checks.interface import Finding
from opskit.checks.operator.permission_group_check import NEEDS_DECIDED, check_group
from opskit.facts.permissions import PermissionGroup
from opskit.policy.operator_access import OperatorAccess

passes_on = NEEDS_DECIDED


def check(access: OperatorAccess) -> Finding:
    """Judge the permissions of this group."""
    return check_group(access, PermissionGroup.ROTATION, is_needed=False)
