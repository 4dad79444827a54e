"""Who calls, and which policies that one has."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from opskit.sandbox import world
from opskit.sandbox.aws.evaluate import Context, Decision, Policy, decide, decide_with_key

OWN_KEY = "AKIASANDBOXSANDBOX00"
"""The sandbox's own calls: they are never delayed, refused or denied."""
OPERATOR_KEY = "AKIAOPERATORONCALL00"
OPERATOR = "oncall"


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller: its ARN as messages show it, and the user or role behind it."""

    arn: str
    kind: str
    name: str

    @property
    def entity_arn(self) -> str:
        """The ARN that policies name."""
        return f"arn:aws:iam::{world.ACCOUNT}:{self.kind}/{self.name}"


def iam() -> Any:
    """The account's IAM backend."""
    from moto.iam.models import iam_backends

    return iam_backends[world.ACCOUNT]["aws"]


def who(access_key: str) -> Principal | None:
    """The caller behind an access key; None when nobody has it."""
    if access_key == OPERATOR_KEY:
        return Principal(f"arn:aws:iam::{world.ACCOUNT}:user/{OPERATOR}", "user", OPERATOR)
    from moto.sts.models import sts_backends

    assumed = sts_backends[world.ACCOUNT]["aws"].get_assumed_role_from_access_key(access_key)
    if assumed is None:
        return None
    return Principal(assumed.arn, "role", assumed.role_arn.rsplit("/", 1)[-1])


def policies_of(principal: Principal) -> tuple[list[Policy], Policy | None]:
    """Identity policies and permissions boundary of a user or role."""
    backend = iam()
    entity = (
        backend.users[principal.name]
        if principal.kind == "user"
        else backend.get_role(principal.name)
    )
    inline = entity.policies.values() if isinstance(entity.policies, dict) else entity.policies
    documents = [_document(p) for p in inline]
    documents += [_document(p.document) for p in entity.managed_policies.values()]
    boundary_arn = getattr(entity, "permissions_boundary_arn", None)
    if not boundary_arn:
        return documents, None
    return documents, _document(backend.get_policy(boundary_arn).document)


def decision(principal: Principal, action: str, resource: str, context: Context) -> Decision:
    """What IAM says to a principal's call."""
    identity, boundary = policies_of(principal)
    return decide(identity, boundary, action, resource, context)


def decrypt_decision(principal: Principal, key: Any, context: Context) -> Decision:
    """What IAM and the key's policy say together to kms:Decrypt."""
    own = decision(principal, "kms:Decrypt", key.arn, context)
    names = (principal.arn, principal.entity_arn)
    policy = _document(key.policy)
    return decide_with_key(own, policy, names, world.ACCOUNT, "kms:Decrypt", key.arn, context)


def _document(raw: Any) -> Policy:
    text = (
        raw.get("policy_document", raw) if isinstance(raw, dict) and "Statement" not in raw else raw
    )
    if isinstance(text, dict):
        return text
    parsed: Policy = json.loads(unquote(text) if text.startswith("%7B") else text)
    return parsed
