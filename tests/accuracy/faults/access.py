"""Faults in the role of the app's instance, its policies and the key's policy."""

from __future__ import annotations

import copy
import json
from typing import Any

from opskit.sandbox import fixture, topology
from opskit.sandbox.faults.interface import FaultContext
from tests.accuracy.interface import Action, fault

ROLE = "linkbox-backend-role"
ACCOUNT_ARN = f"arn:aws:ssm:{topology.REGION}:{topology.ACCOUNT}"
KEY_ARN = f"arn:aws:kms:{topology.REGION}:{topology.ACCOUNT}:key"
READS = ["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"]


def document(*statements: dict[str, Any]) -> str:
    """A policy of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def rewritten(read: dict[str, Any] | None = None, decrypt: dict[str, Any] | None = None) -> Action:
    """Change members of the two statements of LinkBox's policy; None takes one out."""

    def action(h: FaultContext) -> None:
        policy = copy.deepcopy(fixture.read_policy(h.ids.key))
        for statement, changed in zip(policy["Statement"], (read, decrypt), strict=True):
            for name, value in (changed or {}).items():
                if value is None:
                    del statement[name]
                else:
                    statement[name] = value
        h.client("iam").put_role_policy(
            RoleName=ROLE, PolicyName="linkbox-parameters", PolicyDocument=json.dumps(policy)
        )
        h.restart_app()

    return action


def denied(**statement: Any) -> Action:
    """Add a policy that denies."""

    def action(h: FaultContext) -> None:
        text = document({"Sid": "Hardening", "Effect": "Deny", **statement})
        h.client("iam").put_role_policy(RoleName=ROLE, PolicyName="hardening", PolicyDocument=text)
        h.restart_app()

    return action


def policy_deleted(h: FaultContext) -> None:
    """Delete LinkBox's policy: the role is left with the agent's."""
    h.client("iam").delete_role_policy(RoleName=ROLE, PolicyName="linkbox-parameters")
    h.restart_app()


def key_policy(**statement: Any) -> Action:
    """Replace the key's policy by one statement for the account, and one more."""

    def action(h: FaultContext) -> None:
        root = f"arn:aws:iam::{topology.ACCOUNT}:root"
        whole = {"Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*"}
        h.client("kms").put_key_policy(
            KeyId=h.ids.key, PolicyName="default", Policy=document(whole, statement)
        )
        h.restart_app()

    return action


def key_policy_for(action_name: str) -> Action:
    """Let the key's policy give the account one action only."""

    def action(h: FaultContext) -> None:
        root = f"arn:aws:iam::{topology.ACCOUNT}:root"
        statement = {
            "Effect": "Allow", "Principal": {"AWS": root},
            "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:PutKeyPolicy", action_name],
            "Resource": "*",
        }  # fmt: skip
        h.client("kms").put_key_policy(
            KeyId=h.ids.key, PolicyName="default", Policy=document(statement)
        )
        h.restart_app()

    return action


def boundary(*allowed: str) -> Action:
    """Attach a permissions boundary that allows only these actions."""

    def action(h: FaultContext) -> None:
        agent = ["ssmmessages:*", "ec2messages:*", "ssm:UpdateInstanceInformation"]
        text = document({"Effect": "Allow", "Action": [*agent, *allowed], "Resource": "*"})
        iam = h.client("iam")
        policy = iam.create_policy(PolicyName="platform-boundary", PolicyDocument=text)["Policy"]
        iam.put_role_permissions_boundary(RoleName=ROLE, PermissionsBoundary=policy["Arn"])
        h.restart_app()

    return action


def organization(**statement: Any) -> Action:
    """Attach a service control policy to the organization's root."""

    def action(h: FaultContext) -> None:
        organizations = h.client("organizations")
        policy = organizations.create_policy(
            Content=document(statement),
            Description="",
            Name="guardrail",
            Type="SERVICE_CONTROL_POLICY",
        )["Policy"]["PolicySummary"]["Id"]
        parent = organizations.list_parents(ChildId=topology.ACCOUNT)["Parents"][0]["Id"]
        organizations.attach_policy(PolicyId=policy, TargetId=parent)
        h.restart_app()

    return action


def other_profile(h: FaultContext) -> None:
    """Give the instance the profile of another app."""
    iam, ec2 = h.client("iam"), h.client("ec2")
    trust = document(
        {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    )
    iam.create_role(RoleName="batch-role", AssumeRolePolicyDocument=trust)
    agent = ["ssmmessages:*", "ec2messages:*", "ssm:UpdateInstanceInformation"]
    iam.put_role_policy(
        RoleName="batch-role",
        PolicyName="agent",
        PolicyDocument=document({"Effect": "Allow", "Action": agent, "Resource": "*"}),
    )
    iam.create_instance_profile(InstanceProfileName="batch-profile")
    iam.add_role_to_instance_profile(InstanceProfileName="batch-profile", RoleName="batch-role")
    old = ec2.describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"][0]
    ec2.replace_iam_instance_profile_association(
        AssociationId=old["AssociationId"], IamInstanceProfile={"Name": "batch-profile"}
    )
    h.restart_app()


def empty_profile(h: FaultContext) -> None:
    """Take the role out of the instance profile."""
    h.client("iam").remove_role_from_instance_profile(
        InstanceProfileName="linkbox-backend-profile", RoleName=ROLE
    )
    h.restart_app()


CASES = (
    fault("role-policy-deleted", "IAM002", policy_deleted),
    fault("role-reads-by-path-only", "IAM007", rewritten({"Action": "ssm:GetParametersByPath"})),
    fault("role-describes-only", "IAM002", rewritten({"Action": "ssm:DescribeParameters"})),
    fault("role-reads-own-name-only", "IAM005",
          rewritten({"Resource": f"{ACCOUNT_ARN}:parameter/linkbox"})),
    fault("role-reads-three-of-four", "IAM005", rewritten(
        {"Resource": [f"{ACCOUNT_ARN}:parameter/linkbox/db-{n}" for n in ("endpoint", "username", "name")]})),
    fault("role-reads-other-environment", "IAM005",
          rewritten({"Resource": f"{ACCOUNT_ARN}:parameter/linkbox/staging/*"})),
    fault("role-names-other-account", "IAM008", rewritten(
        {"Resource": f"arn:aws:ssm:{topology.REGION}:210987654321:parameter/linkbox/*"})),
    fault("role-reads-without-slash", "IAM005",
          rewritten({"Resource": f"{ACCOUNT_ARN}:parameter:linkbox/*"})),
    fault("role-reads-from-address", "IAM013",
          rewritten({"Condition": {"IpAddress": {"aws:SourceIp": "198.51.100.0/24"}}}), heals=False),
    fault("role-reads-from-endpoint", "IAM013",
          rewritten({"Condition": {"StringEquals": {"aws:SourceVpce": "vpce-0123456789abcdef0"}}}),
          heals=False),
    fault("role-decrypts-other-key", "IAM003", rewritten(
        decrypt={"Resource": f"{KEY_ARN}/11111111-2222-3333-4444-555555555555"})),
    fault("role-decrypts-alias", "IAM003", rewritten(
        decrypt={"Resource": f"arn:aws:kms:{topology.REGION}:{topology.ACCOUNT}:alias/linkbox"})),
    fault("role-encrypts-only", "IAM003", rewritten(decrypt={"Action": "kms:Encrypt"})),
    fault("role-decrypts-by-other-service", "IAM013", rewritten(decrypt={
        "Condition": {"StringEquals": {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}}})),
    fault("deny-of-password", "IAM010", denied(
        Action="ssm:GetParameters", Resource=f"{ACCOUNT_ARN}:parameter/linkbox/db-password"),
        heals=False),
    fault("deny-of-decrypt", "IAM010", denied(Action="kms:Decrypt", Resource="*")),
    fault("deny-by-not-action", "IAM010", denied(
        NotAction=["ssmmessages:*", "ec2messages:*", "ssm:UpdateInstanceInformation"], Resource="*"),
        heals=False),
    fault("deny-outside-region", "IAM010", denied(Action="ssm:GetParameter*", Resource="*", Condition={
        "StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}}), heals=False),
    fault("key-policy-denies-role", "IAM012", key_policy(
        Effect="Deny", Principal={"AWS": f"arn:aws:iam::{topology.ACCOUNT}:role/{ROLE}"},
        Action="kms:Decrypt", Resource="*"), heals=False),
    fault("key-policy-without-decrypt", "IAM012", key_policy_for("kms:Encrypt")),
    fault("boundary-without-decrypt", "IAM009", boundary("ssm:*", "s3:*")),
    fault("boundary-without-parameters", "IAM009", boundary("kms:*", "s3:*", "logs:*")),
    fault("organization-denies-decrypt", "IAM011", organization(
        Effect="Deny", Action="kms:Decrypt", Resource="*"), heals=False),
    fault("organization-denies-region", "IAM011", organization(
        Effect="Deny", Action=["ssm:GetParameter*", "kms:*"], Resource="*",
        Condition={"StringEquals": {"aws:RequestedRegion": topology.REGION}}), heals=False),
    fault("instance-has-other-profile", "IAM002", other_profile),
    fault("profile-without-role", "IAM001", empty_profile),
)  # fmt: skip
