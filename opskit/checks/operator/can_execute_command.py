"""You may run commands in the app's ECS task.

Means: TCP, TLS, the login and the app itself are not tested from the task. Checked only where the app
is a task (`--ecs-task`).
Found by: your own policies, those of your groups, your boundary and the organization's, evaluated;
and IAM's simulator.
Looks alike: a task that was started without ECS Exec, or whose agent has stopped: there the permission
is granted and the command is refused.
Fix: ecs:ExecuteCommand on the cluster and on its tasks, and the actions that find the task; for a tunnel
also ssm:StartSession on the tasks.
Not the fix: ecs:* or ecs:ExecuteCommand on every cluster: it opens a shell in every container.
"""

from __future__ import annotations

from opskit.checks.interface import Finding
from opskit.checks.operator.permission_group_check import NEEDS_DECIDED, check_group
from opskit.facts.permissions import PermissionGroup
from opskit.policy.operator_access import OperatorAccess

passes_on = NEEDS_DECIDED


def check(access: OperatorAccess) -> Finding:
    """Judge the permissions of this group."""
    return check_group(access, PermissionGroup.TASKS, is_needed=True)
