"""Faults in keys, roles and policies."""

from __future__ import annotations

import json
from typing import Any

from opskit.sandbox import fixture, topology
from opskit.sandbox.faults import transport
from opskit.sandbox.faults.interface import Fault, FaultAction, FaultContext

ROLE = "linkbox-backend-role"
POLICY = {"RoleName": ROLE, "PolicyName": "linkbox-parameters"}
BOUNDARY, HARDENING, GUARDRAIL = "instance-boundary", "hardening", "no-parameters-for-roles"
KNOWN_POLICIES = {"linkbox-parameters", "session-manager"} | {
    HARDENING,
    transport.NO_MESSAGES,
    transport.KEY_POLICY,
}
"""LinkBox's own inline policies, and those that other faults add."""


def _statement(index: int) -> FaultAction:
    def inject(h: FaultContext) -> None:
        policy = fixture.read_policy(h.ids.key)
        del policy["Statement"][index]
        h.client("iam").put_role_policy(**POLICY, PolicyDocument=json.dumps(policy))
        h.restart_app()

    return inject


def _policy_back(h: FaultContext) -> None:
    """Restore LinkBox's policy of the role, and delete the policies that a printed fix has added."""
    iam = h.client("iam")
    for name in iam.list_role_policies(RoleName=ROLE)["PolicyNames"]:
        if name not in KNOWN_POLICIES:
            iam.delete_role_policy(RoleName=ROLE, PolicyName=name)
    policy = json.dumps(fixture.read_policy(h.ids.key))
    h.client("iam").put_role_policy(**POLICY, PolicyDocument=policy)
    h.restart_app()


def _key_back(h: FaultContext) -> None:
    h.client("kms").enable_key(KeyId=h.ids.key)
    h.restart_app()


def _key_off(h: FaultContext) -> None:
    h.client("kms").disable_key(KeyId=h.ids.key)
    h.restart_app()


def _no_profile(h: FaultContext) -> None:
    ec2 = h.client("ec2")
    for association in ec2.describe_iam_instance_profile_associations()[
        "IamInstanceProfileAssociations"
    ]:
        ec2.disassociate_iam_instance_profile(AssociationId=association["AssociationId"])


def _profile_back(h: FaultContext) -> None:
    ec2 = h.client("ec2")
    if not ec2.describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"]:
        ec2.associate_iam_instance_profile(
            InstanceId=h.ids.instance, IamInstanceProfile={"Name": "linkbox-backend-profile"}
        )


def _policy(**changed: Any) -> FaultAction:
    """Rewrite LinkBox's policy with a changed first statement."""

    def action(h: FaultContext) -> None:
        policy = fixture.read_policy(h.ids.key)
        policy["Statement"][0] |= changed
        h.client("iam").put_role_policy(**POLICY, PolicyDocument=json.dumps(policy))
        h.restart_app()

    return action


def _parameters(region: str = topology.REGION, path: str = "/linkbox/*") -> str:
    return f"arn:aws:ssm:{region}:{topology.ACCOUNT}:parameter{path}"


def _other_context(h: FaultContext) -> None:
    policy = fixture.read_policy(h.ids.key)
    other = _parameters(path="/linkbox/db-secret")
    policy["Statement"][1]["Condition"] = {
        "StringEquals": {"kms:EncryptionContext:PARAMETER_ARN": other}
    }
    h.client("iam").put_role_policy(**POLICY, PolicyDocument=json.dumps(policy))
    h.restart_app()


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _boundary(h: FaultContext) -> None:
    """Attach the platform team's boundary for instances, which does not allow reading parameters."""
    iam = h.client("iam")
    agent = ["ssmmessages:*", "ec2messages:*", "ssm:UpdateInstanceInformation", "logs:*", "s3:*"]
    document = _document({"Effect": "Allow", "Action": agent, "Resource": "*"})
    policy = iam.create_policy(PolicyName=BOUNDARY, PolicyDocument=document)["Policy"]
    iam.put_role_permissions_boundary(RoleName=ROLE, PermissionsBoundary=policy["Arn"])
    h.restart_app()


def _no_boundary(h: FaultContext) -> None:
    iam = h.client("iam")
    arn = f"arn:aws:iam::{topology.ACCOUNT}:policy/{BOUNDARY}"
    iam.delete_role_permissions_boundary(RoleName=ROLE)
    for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=arn)
    h.restart_app()


def _deny(h: FaultContext) -> None:
    document = _document(
        {
            "Sid": "NoSecretsOnInstances",
            "Effect": "Deny",
            "Action": ["ssm:GetParameter*", "secretsmanager:GetSecretValue"],
            "Resource": "*",
        }
    )
    h.client("iam").put_role_policy(RoleName=ROLE, PolicyName=HARDENING, PolicyDocument=document)
    h.restart_app()


def _no_deny(h: FaultContext) -> None:
    h.client("iam").delete_role_policy(RoleName=ROLE, PolicyName=HARDENING)
    h.restart_app()


def _guardrail(h: FaultContext) -> None:
    """Let the organization deny parameters to the roles of all its workloads."""
    organizations = h.client("organizations")
    content = _document(
        {
            "Sid": "NoParametersForRoles",
            "Effect": "Deny",
            "Action": "ssm:GetParameter*",
            "Resource": "*",
            "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}},
        }
    )
    policy = organizations.create_policy(
        Content=content, Description="", Name=GUARDRAIL, Type="SERVICE_CONTROL_POLICY"
    )
    parent = organizations.list_parents(ChildId=topology.ACCOUNT)["Parents"][0]["Id"]
    policy_id = policy["Policy"]["PolicySummary"]["Id"]
    organizations.attach_policy(PolicyId=policy_id, TargetId=parent)
    h.restart_app()


def _no_guardrail(h: FaultContext) -> None:
    organizations = h.client("organizations")
    parent = organizations.list_parents(ChildId=topology.ACCOUNT)["Parents"][0]["Id"]
    for policy in organizations.list_policies(Filter="SERVICE_CONTROL_POLICY")["Policies"]:
        if policy["Name"] == GUARDRAIL:
            organizations.detach_policy(PolicyId=policy["Id"], TargetId=parent)
            organizations.delete_policy(PolicyId=policy["Id"])
    h.restart_app()


def _key_for_people(h: FaultContext) -> None:
    """Let the key's policy name the people on call, but neither the role nor the account."""
    principal = {"AWS": f"arn:aws:iam::{topology.ACCOUNT}:user/oncall"}
    statement = {"Sid": "OnCall", "Effect": "Allow", "Principal": principal}
    document = _document(statement | {"Action": "kms:*", "Resource": "*"})
    h.client("kms").put_key_policy(KeyId=h.ids.key, PolicyName="default", Policy=document)
    h.restart_app()


def _key_for_account(h: FaultContext) -> None:
    fixture.write_key_policy(h.client("kms"), h.ids.key)
    h.restart_app()


def _key_going(h: FaultContext) -> None:
    h.client("kms").schedule_key_deletion(KeyId=h.ids.key, PendingWindowInDays=7)
    h.restart_app()


def _key_stays(h: FaultContext) -> None:
    kms = h.client("kms")
    if kms.describe_key(KeyId=h.ids.key)["KeyMetadata"]["KeyState"] == "PendingDeletion":
        kms.cancel_key_deletion(KeyId=h.ids.key)
    _key_back(h)


FAULTS = (
    Fault("key-disabled", "someone disabled the key of the parameters", "PAR003", _key_off, _key_back),
    Fault("no-instance-profile", "the instance lost its profile", "IAM001", _no_profile, _profile_back),
    Fault("role-lacks-get-parameter", "a clean-up took ssm:GetParameter from the role", "IAM002",
          _statement(0), _policy_back),
    Fault("role-lacks-decrypt", "a clean-up took kms:Decrypt from the role", "IAM003",
          _statement(1), _policy_back),
    Fault("key-pending-deletion", "someone scheduled the key for deletion", "PAR008",
          _key_going, _key_stays),
    Fault("role-wrong-path", "the role's policy was copied from production", "IAM005",
          _policy(Resource=_parameters(path="/production/linkbox/*")), _policy_back),
    Fault("role-double-slash", "the role's policy says parameter//linkbox/*", "IAM006",
          _policy(Resource=_parameters(path="//linkbox/*")), _policy_back),
    Fault("role-singular-only", "the role may call GetParameter, the app calls GetParameters", "IAM007",
          _policy(Action="ssm:GetParameter"), _policy_back),
    Fault("role-other-region", "the role's policy names the old Region", "IAM008",
          _policy(Resource=_parameters(region="eu-west-1")), _policy_back),
    Fault("boundary-too-low", "the role got a permissions boundary without Parameter Store", "IAM009",
          _boundary, _no_boundary),
    Fault("role-explicit-deny", "a hardening policy denies the role all parameters", "IAM010",
          _deny, _no_deny),
    Fault("organization-denies", "the organization denies parameters to every role", "IAM011",
          _guardrail, _no_guardrail),
    Fault("key-policy-without-role", "the key's policy names people only, not the role", "IAM012",
          _key_for_people, _key_for_account),
    Fault("encryption-context", "the role may decrypt another parameter only", "IAM013",
          _other_context, _policy_back),
)  # fmt: skip
