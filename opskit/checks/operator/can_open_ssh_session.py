"""You may open SSH over a session with the app's instance.

Means: `--via ssh-session` is refused. Checked only for that transport; the others do not need it.
Found by: your own policies, those of your groups, your boundary and the organization's, evaluated;
and IAM's simulator.
Looks alike: an image without the package ec2-instance-connect: there the permission is granted and the
SSH server accepts no key.
Fix: ec2-instance-connect:SendSSHPublicKey on this instance with the condition ec2:osuser, so that it
opens one account only, and ssm:StartSession on the document AWS-StartSSHSession.
Not the fix: SendSSHPublicKey without the condition: it opens every account, root's included.
"""

from __future__ import annotations

from opskit.checks.interface import Finding
from opskit.checks.operator.permission_group_check import NEEDS_DECIDED, check_group
from opskit.facts.permissions import PermissionGroup
from opskit.policy.operator_access import OperatorAccess

passes_on = NEEDS_DECIDED


def check(access: OperatorAccess) -> Finding:
    """Judge the permissions of this group."""
    return check_group(access, PermissionGroup.SSH, is_needed=False)
