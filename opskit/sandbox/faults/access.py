"""Mistakes in keys, roles and policies."""

from __future__ import annotations

import json

from opskit.sandbox import linkbox
from opskit.sandbox.faults.interface import Deed, Fault, Hands

POLICY = {"RoleName": "linkbox-backend-role", "PolicyName": "linkbox-parameters"}


def _statement(index: int) -> Deed:
    def inject(h: Hands) -> None:
        policy = linkbox.read_policy(h.ids.key)
        del policy["Statement"][index]
        h.client("iam").put_role_policy(**POLICY, PolicyDocument=json.dumps(policy))
        h.restart_app()

    return inject


def _policy_back(h: Hands) -> None:
    policy = json.dumps(linkbox.read_policy(h.ids.key))
    h.client("iam").put_role_policy(**POLICY, PolicyDocument=policy)
    h.restart_app()


def _key_back(h: Hands) -> None:
    h.client("kms").enable_key(KeyId=h.ids.key)
    h.restart_app()


def _key_off(h: Hands) -> None:
    h.client("kms").disable_key(KeyId=h.ids.key)
    h.restart_app()


def _no_profile(h: Hands) -> None:
    ec2 = h.client("ec2")
    for one in ec2.describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"]:
        ec2.disassociate_iam_instance_profile(AssociationId=one["AssociationId"])


def _profile_back(h: Hands) -> None:
    ec2 = h.client("ec2")
    if not ec2.describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"]:
        ec2.associate_iam_instance_profile(
            InstanceId=h.ids.instance, IamInstanceProfile={"Name": "linkbox-backend-profile"}
        )


FAULTS = (
    Fault("key-disabled", "somebody disabled the key of the parameters", "PAR003", _key_off, _key_back),
    Fault("no-instance-profile", "the instance lost its profile", "IAM001", _no_profile, _profile_back),
    Fault("role-lacks-get-parameter", "a clean-up took ssm:GetParameter from the role", "IAM002",
          _statement(0), _policy_back),
    Fault("role-lacks-decrypt", "a clean-up took kms:Decrypt from the role", "IAM003",
          _statement(1), _policy_back),
)  # fmt: skip
