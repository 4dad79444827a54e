"""You may read the four parameters and decrypt the password.

Means: opskit cannot compare the parameters with the database; the instance is judged nevertheless.
Found by: your own policies, those of your groups, your boundary and the organization's, evaluated;
and IAM's simulator.
Looks alike: a key whose policy allows no one (IAM012).
Fix: ssm:GetParameters on the parameters and kms:Decrypt on their key.
Not the fix: ssm:* or Resource "*".
"""

from __future__ import annotations

from opskit.checks.interface import Finding
from opskit.checks.operator.permission_group_check import NEEDS_DECIDED, check_group
from opskit.facts.permissions import PermissionGroup
from opskit.policy.operator_access import OperatorAccess

passes_on = NEEDS_DECIDED


def check(access: OperatorAccess) -> Finding:
    """Judge the permissions of this group."""
    return check_group(access, PermissionGroup.PARAMETERS, is_needed=True)
