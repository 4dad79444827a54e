"""Every right that opskit's commands need, and what is not judged without it.

The one list: the README's policy is compared with it, and so are the calls that really happen.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class On(StrEnum):
    """What a right is needed on."""

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


class Group(StrEnum):
    """Rights that are given together."""

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
    """One right.

    Attributes:
        without: the layers that are not judged, or not wholly, without it; or the command.
    """

    action: str
    on: On
    group: Group
    without: tuple[str, ...]


def _rows(group: Group, on: On, without: tuple[str, ...], *actions: str) -> tuple[Permission, ...]:
    return tuple(Permission(action, on, group, without) for action in actions)


ALL = On.EVERYTHING
BEYOND = ("tcp", "tls", "auth", "app")
"""What only the instance can tell."""
ROTATES = ("rotate-password",)
PERMISSIONS: tuple[Permission, ...] = (
    *_rows(Group.ACCOUNT, ALL, ("database", "network"), "rds:DescribeDBInstances", "rds:DescribeDBClusters"),
    *_rows(Group.ACCOUNT, ALL, ("tls",), "rds:DescribeDBParameters"),
    *_rows(
        Group.ACCOUNT, ALL, ("network",),
        "ec2:DescribeInstances", "ec2:DescribeSecurityGroups", "ec2:DescribeSecurityGroupRules",
        "ec2:DescribeSubnets", "ec2:DescribeNetworkAcls", "ec2:DescribeRouteTables",
        "ec2:DescribeVpcPeeringConnections", "ec2:GetManagedPrefixListEntries",
        "autoscaling:DescribeAutoScalingGroups", "elasticloadbalancing:DescribeLoadBalancers",
        "elasticloadbalancing:DescribeListeners",
    ),
    *_rows(Group.ACCOUNT, ALL, ("dns",), "ec2:DescribeVpcs", "ec2:DescribeVpcAttribute",
           "route53:ListHostedZonesByVPC", "route53:GetHostedZone"),
    *_rows(Group.ACCOUNT, ALL, ("app",), "elasticloadbalancing:DescribeTargetGroups",
           "elasticloadbalancing:DescribeTargetHealth"),
    *_rows(Group.ACCOUNT, ALL, ("parameters",), "ssm:DescribeParameters", "kms:DescribeKey"),
    *_rows(Group.PARAMETERS, On.PARAMETERS, ("parameters", "database"),
           "ssm:GetParameters", "ssm:GetParameter"),
    *_rows(Group.PARAMETERS, On.KEY, ("parameters",), "kms:Decrypt"),
    *_rows(Group.INSTANCE, ALL, BEYOND, "ssm:DescribeInstanceInformation",
           "ssm:GetCommandInvocation", "ssm:CancelCommand"),
    *_rows(Group.INSTANCE, On.INSTANCE, BEYOND, "ssm:SendCommand"),
    *_rows(Group.INSTANCE, On.DOCUMENT, BEYOND, "ssm:SendCommand"),
    *_rows(Group.SESSIONS, ALL, ("operator",), "ssm:GetConnectionStatus"),
    *_rows(Group.SESSIONS, On.INSTANCE, BEYOND, "ssm:StartSession"),
    *_rows(Group.SESSIONS, On.SESSION_DOCUMENT, BEYOND, "ssm:StartSession"),
    *_rows(Group.SESSIONS, On.TUNNEL_DOCUMENT, ("auth",), "ssm:StartSession"),
    *_rows(Group.SESSIONS, On.SESSIONS, BEYOND, "ssm:ResumeSession", "ssm:TerminateSession",
           "ssmmessages:OpenDataChannel"),
    *_rows(Group.TASKS, ALL, BEYOND, "ecs:ListTasks"),
    *_rows(Group.TASKS, ALL, ("iam",), "ecs:DescribeTaskDefinition"),
    *_rows(Group.TASKS, ALL, ("network",), "ec2:DescribeNetworkInterfaces"),
    *_rows(Group.TASKS, On.CLUSTER, BEYOND, "ecs:ExecuteCommand"),
    *_rows(Group.TASKS, On.TASK, BEYOND, "ecs:DescribeTasks", "ecs:ExecuteCommand"),
    *_rows(Group.TASKS, On.TASK, ("auth",), "ssm:StartSession"),
    *_rows(Group.TASKS, On.TASK_SESSIONS, BEYOND, "ssm:ResumeSession", "ssm:TerminateSession",
           "ssmmessages:OpenDataChannel"),
    *_rows(Group.SSH, On.SSH_DOCUMENT, BEYOND, "ssm:StartSession"),
    *_rows(Group.SSH, On.SSH_KEY, BEYOND, "ec2-instance-connect:SendSSHPublicKey"),
    *_rows(Group.SSH, On.INSTANCE, BEYOND, "ssm:StartSession"),
    *_rows(Group.SSH, ALL, ("the host key",), "ec2:GetConsoleOutput"),
    *_rows(Group.SSH, On.SESSIONS, BEYOND, "ssm:ResumeSession", "ssm:TerminateSession",
           "ssmmessages:OpenDataChannel"),
    *_rows(
        Group.POLICIES, ALL, ("iam",),
        "iam:ListInstanceProfiles", "iam:GetInstanceProfile", "iam:GetRole", "iam:ListRolePolicies",
        "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:GetPolicy", "iam:GetPolicyVersion",
        "iam:SimulatePrincipalPolicy", "kms:GetKeyPolicy", "kms:ListGrants",
    ),
    *_rows(
        Group.POLICIES, ALL, ("iam",),
        "organizations:DescribeOrganization", "organizations:ListParents",
        "organizations:ListPoliciesForTarget", "organizations:DescribePolicy",
    ),
    *_rows(
        Group.POLICIES, ALL, ("operator",),
        "iam:GetUser", "iam:ListUserPolicies", "iam:GetUserPolicy", "iam:ListAttachedUserPolicies",
        "iam:ListGroupsForUser", "iam:ListGroupPolicies", "iam:GetGroupPolicy",
        "iam:ListAttachedGroupPolicies",
    ),
    *_rows(Group.ROTATION, On.PARAMETERS, ROTATES, "ssm:PutParameter", "ssm:GetParameterHistory"),
    *_rows(Group.ROTATION, On.JOURNAL, ROTATES, "ssm:PutParameter", "ssm:GetParameter",
           "ssm:GetParametersByPath", "ssm:DeleteParameter"),
    *_rows(Group.ROTATION, On.KEY, ROTATES, "kms:Encrypt"),
    *_rows(Group.ROTATION, On.DATABASE, ROTATES, "rds:ModifyDBInstance"),
    *_rows(Group.ROTATION, On.MANAGED_SECRET, ROTATES, "secretsmanager:GetSecretValue",
           "secretsmanager:RotateSecret"),
    *_rows(Group.ACCOUNT, ALL, ROTATES, "rds:DescribeDBProxies", "rds:DescribeDBProxyTargets"),
    *_rows(Group.PARAMETERS, On.PARAMETERS, ROTATES, "ssm:ListTagsForResource"),
)  # fmt: skip
