"""You may run commands on the app's instance by Run Command.

Means: TCP, TLS, the login and the app itself are not tested from the instance.
Found by: your own policies, those of your groups, your boundary and the organization's, evaluated;
and IAM's simulator.
Looks alike: an agent that is offline: there the permission is granted and the command is refused.
Fix: ssm:SendCommand on this instance and the document AWS-RunShellScript.
Not the fix: ssm:SendCommand on every instance: it runs anything as root.
"""

from __future__ import annotations

from opskit.checks.interface import Finding
from opskit.checks.operator.permission_group_check import NEEDS_DECIDED, check_group
from opskit.facts.permissions import PermissionGroup, ResourceScope
from opskit.policy.operator_access import OperatorAccess

passes_on = NEEDS_DECIDED


def check(access: OperatorAccess) -> Finding:
    """Judge the permissions of this group."""
    # An operator who may start sessions reaches the instance without Run Command.
    starts = [n for n in access.needs if n.permission.group is PermissionGroup.SESSIONS]
    sessions = [n.is_allowed for n in starts if n.permission.on is not ResourceScope.EVERYTHING]
    return check_group(access, PermissionGroup.INSTANCE, is_needed=not (sessions and all(sessions)))
