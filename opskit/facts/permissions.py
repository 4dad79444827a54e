"""Every permission that opskit's commands need, and the layers that cannot be judged without it.

This is the only list: tests compare it with the policies of docs/permissions.md and with the actual calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from opskit.credential_source import CREDENTIAL_SOURCES, load
from opskit.credential_source.interface import DECRYPT, SourceActions


class ResourceScope(StrEnum):
    """The kind of resource that a permission is needed on."""

    EVERYTHING = "*"
    PARAMETERS = "the parameters"
    KEY = "the parameters' key"
    INSTANCE = "the app's instance"
    DOCUMENT = "the document AWS-RunShellScript"
    SESSION_DOCUMENT = "the document AWS-StartNonInteractiveCommand"
    TUNNEL_DOCUMENT = "the document AWS-StartPortForwardingSessionToRemoteHost"
    SSH_DOCUMENT = "the document AWS-StartSSHSession"
    SSH_KEY = "the app's instance, for one user of it"
    SESSIONS = "one's own sessions"
    CLUSTER = "the ECS cluster"
    TASK = "the ECS task"
    TASK_SESSIONS = "sessions of ECS Exec"
    JOURNAL = "the journal of rotations"
    DATABASE = "the database"
    MANAGED_SECRET = "the secret in which RDS keeps the master password"


class PermissionGroup(StrEnum):
    """Permissions that are granted together."""

    ACCOUNT = "read the account"
    PARAMETERS = "read the parameters"
    INSTANCE = "ask the instance"
    SESSIONS = "start sessions"
    TASKS = "ask the task"
    SSH = "open SSH"
    POLICIES = "read policies"
    ROTATION = "rotate the password"


@dataclass(frozen=True, slots=True)
class Permission:
    """One IAM permission that opskit's commands need.

    Attributes:
        needed_by: the layers that cannot be judged, or not wholly, without it; or the command.
    """

    action: str
    on: ResourceScope
    group: PermissionGroup
    needed_by: tuple[str, ...]


def _rows(
    group: PermissionGroup, on: ResourceScope, without: tuple[str, ...], *actions: str
) -> tuple[Permission, ...]:
    return tuple(Permission(action, on, group, without) for action in actions)


ALL = ResourceScope.EVERYTHING
PROBE_LAYERS = ("tcp", "tls", "auth", "app")
"""The layers that only a probe on the instance can judge."""
ROTATION_COMMANDS = ("rotate-password",)
_ACCOUNT: tuple[Permission, ...] = (
    *_rows(
        PermissionGroup.ACCOUNT,
        ALL,
        ("database", "network"),
        "rds:DescribeDBInstances",
        "rds:DescribeDBClusters",
    ),
    *_rows(PermissionGroup.ACCOUNT, ALL, ("tls",), "rds:DescribeDBParameters"),
    *_rows(
        PermissionGroup.ACCOUNT,
        ALL,
        ("network",),
        "ec2:DescribeInstances",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSecurityGroupRules",
        "ec2:DescribeSubnets",
        "ec2:DescribeNetworkAcls",
        "ec2:DescribeRouteTables",
        "ec2:DescribeVpcPeeringConnections",
        "ec2:DescribeVpcEndpoints",
        "ec2:DescribeNetworkInterfaces",
        "ec2:GetManagedPrefixListEntries",
        "autoscaling:DescribeAutoScalingGroups",
        "elasticloadbalancing:DescribeLoadBalancers",
        "elasticloadbalancing:DescribeListeners",
    ),
    *_rows(
        PermissionGroup.ACCOUNT,
        ALL,
        ("dns",),
        "ec2:DescribeVpcs",
        "ec2:DescribeVpcAttribute",
        "route53:ListHostedZonesByVPC",
        "route53:GetHostedZone",
    ),
    *_rows(
        PermissionGroup.ACCOUNT,
        ALL,
        ("app",),
        "elasticloadbalancing:DescribeTargetGroups",
        "elasticloadbalancing:DescribeTargetHealth",
    ),
)
_WORKLOADS_AND_POLICIES: tuple[Permission, ...] = (
    *_rows(
        PermissionGroup.INSTANCE,
        ALL,
        PROBE_LAYERS,
        "ssm:DescribeInstanceInformation",
        "ssm:GetCommandInvocation",
        "ssm:CancelCommand",
    ),
    *_rows(PermissionGroup.INSTANCE, ResourceScope.INSTANCE, PROBE_LAYERS, "ssm:SendCommand"),
    *_rows(PermissionGroup.INSTANCE, ResourceScope.DOCUMENT, PROBE_LAYERS, "ssm:SendCommand"),
    *_rows(PermissionGroup.SESSIONS, ALL, ("operator",), "ssm:GetConnectionStatus"),
    *_rows(PermissionGroup.SESSIONS, ResourceScope.INSTANCE, PROBE_LAYERS, "ssm:StartSession"),
    *_rows(
        PermissionGroup.SESSIONS, ResourceScope.SESSION_DOCUMENT, PROBE_LAYERS, "ssm:StartSession"
    ),
    *_rows(PermissionGroup.SESSIONS, ResourceScope.TUNNEL_DOCUMENT, ("auth",), "ssm:StartSession"),
    *_rows(
        PermissionGroup.SESSIONS,
        ResourceScope.SESSIONS,
        PROBE_LAYERS,
        "ssm:ResumeSession",
        "ssm:TerminateSession",
        "ssmmessages:OpenDataChannel",
    ),
    *_rows(PermissionGroup.TASKS, ALL, PROBE_LAYERS, "ecs:ListTasks"),
    *_rows(PermissionGroup.TASKS, ALL, ("iam",), "ecs:DescribeTaskDefinition"),
    *_rows(PermissionGroup.TASKS, ALL, ("network",), "ec2:DescribeNetworkInterfaces"),
    *_rows(PermissionGroup.TASKS, ResourceScope.CLUSTER, PROBE_LAYERS, "ecs:ExecuteCommand"),
    *_rows(
        PermissionGroup.TASKS,
        ResourceScope.TASK,
        PROBE_LAYERS,
        "ecs:DescribeTasks",
        "ecs:ExecuteCommand",
    ),
    *_rows(PermissionGroup.TASKS, ResourceScope.TASK, ("auth",), "ssm:StartSession"),
    *_rows(
        PermissionGroup.TASKS,
        ResourceScope.TASK_SESSIONS,
        PROBE_LAYERS,
        "ssm:ResumeSession",
        "ssm:TerminateSession",
        "ssmmessages:OpenDataChannel",
    ),
    *_rows(PermissionGroup.SSH, ResourceScope.SSH_DOCUMENT, PROBE_LAYERS, "ssm:StartSession"),
    *_rows(
        PermissionGroup.SSH,
        ResourceScope.SSH_KEY,
        PROBE_LAYERS,
        "ec2-instance-connect:SendSSHPublicKey",
    ),
    *_rows(PermissionGroup.SSH, ResourceScope.INSTANCE, PROBE_LAYERS, "ssm:StartSession"),
    *_rows(PermissionGroup.SSH, ALL, ("the host key",), "ec2:GetConsoleOutput"),
    *_rows(
        PermissionGroup.SSH,
        ResourceScope.SESSIONS,
        PROBE_LAYERS,
        "ssm:ResumeSession",
        "ssm:TerminateSession",
        "ssmmessages:OpenDataChannel",
    ),
    *_rows(
        PermissionGroup.POLICIES,
        ALL,
        ("iam",),
        "iam:ListInstanceProfiles",
        "iam:GetInstanceProfile",
        "iam:GetRole",
        "iam:ListRolePolicies",
        "iam:GetRolePolicy",
        "iam:ListAttachedRolePolicies",
        "iam:GetPolicy",
        "iam:GetPolicyVersion",
        "iam:SimulatePrincipalPolicy",
        "kms:GetKeyPolicy",
        "kms:ListGrants",
    ),
    *_rows(
        PermissionGroup.POLICIES,
        ALL,
        ("iam",),
        "organizations:DescribeOrganization",
        "organizations:ListParents",
        "organizations:ListPoliciesForTarget",
        "organizations:DescribePolicy",
    ),
    *_rows(
        PermissionGroup.POLICIES,
        ALL,
        ("operator",),
        "iam:GetUser",
        "iam:ListUserPolicies",
        "iam:GetUserPolicy",
        "iam:ListAttachedUserPolicies",
        "iam:ListGroupsForUser",
        "iam:ListGroupPolicies",
        "iam:GetGroupPolicy",
        "iam:ListAttachedGroupPolicies",
    ),
)


def permissions_of(actions: SourceActions) -> tuple[Permission, ...]:
    """Every permission, where the credential is kept in the source with these actions."""
    return (
        *_ACCOUNT,
        *_reading(actions),
        *_WORKLOADS_AND_POLICIES,
        *_rotation(actions),
    )


def all_permissions() -> tuple[Permission, ...]:
    """Every permission, each once, for all credential sources: the ones that docs/permissions.md grants."""
    actions = [load(name).actions for name in CREDENTIAL_SOURCES]
    return tuple(dict.fromkeys(p for action in actions for p in permissions_of(action)))


def _reading(actions: SourceActions) -> tuple[Permission, ...]:
    return (
        *_rows(PermissionGroup.ACCOUNT, ALL, ("parameters",), actions.describe, "kms:DescribeKey"),
        *_rows(
            PermissionGroup.PARAMETERS,
            ResourceScope.PARAMETERS,
            ("parameters", "database"),
            *actions.diagnose,
        ),
        *_rows(PermissionGroup.PARAMETERS, ResourceScope.KEY, ("parameters",), DECRYPT),
    )


def _rotation(actions: SourceActions) -> tuple[Permission, ...]:
    """The journal is in Parameter Store, wherever the credential is kept."""
    return (
        *_rows(
            PermissionGroup.ROTATION,
            ResourceScope.PARAMETERS,
            ROTATION_COMMANDS,
            actions.write,
            actions.history,
        ),
        *_rows(
            PermissionGroup.ROTATION,
            ResourceScope.JOURNAL,
            ROTATION_COMMANDS,
            "ssm:PutParameter",
            "ssm:GetParameter",
            "ssm:GetParametersByPath",
            "ssm:DeleteParameter",
        ),
        *_rows(PermissionGroup.ROTATION, ResourceScope.KEY, ROTATION_COMMANDS, actions.encrypt),
        *_rows(
            PermissionGroup.ROTATION,
            ResourceScope.DATABASE,
            ROTATION_COMMANDS,
            "rds:ModifyDBInstance",
        ),
        *_rows(
            PermissionGroup.ROTATION,
            ResourceScope.MANAGED_SECRET,
            ROTATION_COMMANDS,
            "secretsmanager:GetSecretValue",
            "secretsmanager:RotateSecret",
        ),
        *_rows(
            PermissionGroup.ACCOUNT,
            ALL,
            ROTATION_COMMANDS,
            "rds:DescribeDBProxies",
            "rds:DescribeDBProxyTargets",
        ),
        *_rows(
            PermissionGroup.PARAMETERS,
            ResourceScope.PARAMETERS,
            ROTATION_COMMANDS,
            actions.tags,
        ),
    )
