"""Faults of the transports: the app works, but its instance is unreachable or the session is altered.

Network errors of a session belong to the daemon's command `inject`.
"""

from __future__ import annotations

import json
from typing import Any

from opskit.sandbox import instance
from opskit.sandbox.aws.session_key import PREFERENCES
from opskit.sandbox.faults.interface import Fault, FaultAction, FaultContext

ROLE, OPERATOR = "linkbox-backend-role", "oncall"
OLD_AGENT = "3.0.196.0"
KEY_ALIAS = "alias/linkbox-sessions"
KEY_POLICY, NO_DATA_KEYS, NO_MESSAGES = "session-key", "no-data-keys", "no-messages"


def _agent(verb: str) -> FaultAction:
    def action(h: FaultContext) -> None:
        h.shell(f"systemctl {verb} amazon-ssm-agent")

    return action


def _version(new: str) -> FaultAction:
    """Give the instance an old agent, as from an old image; the agent reports its version itself."""

    def action(h: FaultContext) -> None:
        h.shell(instance.set_version(new))

    return action


def _document(effect: str, action: str, resource: str) -> str:
    statement = {"Effect": effect, "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _without_messages(h: FaultContext) -> None:
    h.client("iam").put_role_policy(
        RoleName=ROLE,
        PolicyName=NO_MESSAGES,
        PolicyDocument=_document("Deny", "ssmmessages:*", "*"),
    )


def _with_messages(h: FaultContext) -> None:
    h.client("iam").delete_role_policy(RoleName=ROLE, PolicyName=NO_MESSAGES)


def _encrypt(h: FaultContext) -> str:
    """Turn on encryption in the account's session preferences; return the key's ARN."""
    kms = h.client("kms")
    key: dict[str, Any] = kms.create_key(Description="Session Manager")["KeyMetadata"]
    kms.create_alias(AliasName=KEY_ALIAS, TargetKeyId=key["KeyId"])
    content = {
        "schemaVersion": "1.0",
        "description": "Preferences for sessions",
        "sessionType": "Standard_Stream",
        "inputs": {"kmsKeyId": key["Arn"], "idleSessionTimeout": "20"},
    }
    h.client("ssm").create_document(
        Name=PREFERENCES,
        Content=json.dumps(content),
        DocumentType="Session",
        DocumentFormat="JSON",
    )
    return str(key["Arn"])


def _encrypted(h: FaultContext) -> None:
    document = _document("Allow", "kms:Decrypt", _encrypt(h))
    h.client("iam").put_role_policy(RoleName=ROLE, PolicyName=KEY_POLICY, PolicyDocument=document)


def _encrypted_for_others(h: FaultContext) -> None:
    _encrypted(h)
    document = _document("Deny", "kms:GenerateDataKey", "*")
    h.client("iam").put_user_policy(
        UserName=OPERATOR, PolicyName=NO_DATA_KEYS, PolicyDocument=document
    )


def _encrypted_without_role(h: FaultContext) -> None:
    _encrypt(h)


def _plain(h: FaultContext) -> None:
    iam, kms = h.client("iam"), h.client("kms")
    h.client("ssm").delete_document(Name=PREFERENCES)
    kms.delete_alias(AliasName=KEY_ALIAS)
    if KEY_POLICY in iam.list_role_policies(RoleName=ROLE)["PolicyNames"]:
        iam.delete_role_policy(RoleName=ROLE, PolicyName=KEY_POLICY)
    if NO_DATA_KEYS in iam.list_user_policies(UserName=OPERATOR)["PolicyNames"]:
        iam.delete_user_policy(UserName=OPERATOR, PolicyName=NO_DATA_KEYS)


FAULTS = (
    Fault("agent-stopped", "someone stopped the agent on the instance", "OPR008",
          _agent("stop"), _agent("start")),
    Fault("role-lacks-messages", "a hardening policy denies the role ssmmessages", "OPR008",
          _without_messages, _with_messages),
    Fault("agent-old", f"the instance's image carries agent {OLD_AGENT}", "OPR008",
          _version(OLD_AGENT), _version(instance.AGENT_VERSION), status="warn"),
    Fault("sessions-encrypted", "someone turned on encryption of sessions, with all rights", "",
          _encrypted, _plain),
    Fault("session-key-operator", "the same, and the operator may not use the key", "",
          _encrypted_for_others, _plain),
    Fault("session-key-role", "the same, and the instance's role may not use the key", "",
          _encrypted_without_role, _plain),
)  # fmt: skip
