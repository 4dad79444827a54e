"""You may describe the database, the network and the load balancer.

Means: the named layers cannot be judged, or not wholly; they are reported unknown, never ok.
Found by: your own policies, those of your groups, your boundary and the organization's, evaluated;
and IAM's simulator.
Looks alike: another account or Region without these resources.
Fix: one policy with the missing describe actions; all of them only read.
Not the fix: ReadOnlyAccess, which also reads the data in tables and buckets.
"""

from __future__ import annotations

from opskit.checks.interface import Finding
from opskit.checks.operator.permission_group_check import NEEDS_DECIDED, check_group
from opskit.facts.permissions import PermissionGroup
from opskit.policy.operator_access import OperatorAccess

passes_on = NEEDS_DECIDED


def check(access: OperatorAccess) -> Finding:
    """Judge the permissions of this group."""
    return check_group(access, PermissionGroup.ACCOUNT, is_needed=True)
