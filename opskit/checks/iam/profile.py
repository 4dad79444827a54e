"""The instance has a profile with a role, an ECS task a task role.

Means: programs on the instance get no credentials, so they can read no parameter; Session Manager
usually goes with it. A process that runs goes on with what it read.
Found by: the instance's profile in EC2 and the profile's role in IAM.
Looks alike: an agent that is merely offline: there the profile is in place.
Fix: attach the profile; credentials arrive within a minute.
Not the fix: access keys in a file on the instance.
"""

from __future__ import annotations

from opskit.checks.interface import Finding, Fix, failed, passed, reported
from opskit.checks.remedy import aws
from opskit.facts.app_instance import AppInstance
from opskit.facts.ecs_task import EcsTask
from opskit.facts.instance_role import InstanceRole

explains = ("iam", "tcp", "tls", "auth", "app", "dns")


def check(app: AppInstance, role: InstanceRole) -> Finding:
    """Judge profile and role."""
    instance = app.instance
    if app.task is not None and role.role_name is None:
        return _without_role(app.task)
    if role.role_name:
        return passed(f"{instance.label} has role {role.role_name}")
    if instance.profile_arn is None:
        commands: tuple[str, ...] = ()
        if role.candidates:
            commands = (
                aws(
                    "ec2",
                    "associate-iam-instance-profile",
                    instance_id=instance.instance_id,
                    iam_instance_profile=f"Name={role.candidates[0]}",
                ),
            )
        fitting = ", ".join(role.candidates) or "none"
        return failed(
            f"{instance.label} has no instance profile, so nothing on it gets AWS credentials",
            reported("ec2:DescribeInstances shows no IamInstanceProfile"),
            reported(f"profiles that carry the target's name: {fitting}"),
            fix=Fix("attaches the profile", commands) if commands else None,
        )
    return failed(
        f"instance profile {role.profile_name} of {instance.label} holds no role",
        reported("iam:GetInstanceProfile shows no role in it"),
    )


def _without_role(task: EcsTask) -> Finding:
    return failed(
        f"task definition {task.family} names no task role, so nothing in its containers gets AWS "
        "credentials",
        reported("ecs:DescribeTaskDefinition shows no taskRoleArn; the execution role is not it"),
    )
