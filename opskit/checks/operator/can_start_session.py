"""You may start sessions with the app's instance.

Means: where you may not send commands either, TCP, TLS, the login and the app are not tested from the
instance. One of the two transports is enough.
Found by: your own policies, those of your groups, your boundary and the organization's, evaluated;
and IAM's simulator.
Looks alike: an agent that is offline: there the permission is granted and the session is refused.
Fix: ssm:StartSession on this instance and on the document AWS-StartNonInteractiveCommand, and the
data channel of your own sessions.
Not the fix: ssm:StartSession on every instance with the default document, which is a shell.
"""

from __future__ import annotations

from opskit.checks.interface import Finding
from opskit.checks.operator.permission_group_check import NEEDS_DECIDED, check_group
from opskit.facts.permissions import PermissionGroup
from opskit.policy.operator_access import OperatorAccess

passes_on = NEEDS_DECIDED


def check(access: OperatorAccess) -> Finding:
    """Judge the permissions of this group."""
    return check_group(access, PermissionGroup.SESSIONS, is_needed=False)
