"""The instance has a profile with a role, an ECS task a task role.

Means: programs on the instance get no credentials, so they can read no parameter; Session Manager
usually fails too. A running process uses the values it has read.
Found by: the instance's profile in EC2 and the profile's role in IAM.
Looks alike: an agent that is merely offline: there the profile is in place.
Fix: attach the profile; credentials arrive within a minute.
Not the fix: access keys in a file on the instance.
"""

from __future__ import annotations

from opskit.checks.fix import Advice, Fix, Remedy
from opskit.checks.fix_commands import call
from opskit.checks.interface import Finding, failed, passed, reported
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
        fitting = ", ".join(role.candidates) or "none"
        return failed(
            f"{instance.label} has no instance profile, so nothing on it gets AWS credentials",
            reported("ec2:DescribeInstances shows no IamInstanceProfile"),
            reported(f"profiles that carry the target's name: {fitting}"),
            fix=_attach(instance.instance_id, role.candidates),
        )
    return failed(
        f"instance profile {role.profile_name} of {instance.label} holds no role",
        reported("iam:GetInstanceProfile shows no role in it"),
        fix=Advice(
            f"Add the app's role to {role.profile_name} (iam:AddRoleToInstanceProfile); which role that is "
            "cannot be read from here, so no command is offered."
        ),
    )


def _attach(instance_id: str, candidates: tuple[str, ...]) -> Remedy:
    """Attach the one profile whose name contains the target's."""
    if len(candidates) != 1:
        which = f"several fit ({', '.join(candidates)})" if candidates else "none carries its name"
        return Advice(f"Attach the app's profile with ec2:AssociateIamInstanceProfile: {which}.")
    profile = {"Name": candidates[0]}
    return Fix(
        (
            call(
                "ec2",
                "AssociateIamInstanceProfile",
                InstanceId=instance_id,
                IamInstanceProfile=profile,
            ),
        ),
        "attaches the profile",
        no_undo="the id of the association is known only afterwards: "
        "ec2:DescribeIamInstanceProfileAssociations names it",
    )


def _without_role(task: EcsTask) -> Finding:
    return failed(
        f"task definition {task.family} names no task role, so nothing in its containers gets AWS "
        "credentials",
        reported("ecs:DescribeTaskDefinition shows no taskRoleArn; the execution role is not it"),
        fix=Advice(
            f"Register a new revision of {task.family} with taskRoleArn, and update the service to it; which "
            "role it should be is not known here, so no command is offered."
        ),
    )
