"""Callers and their IAM policies."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from opskit.sandbox import topology
from opskit.sandbox.aws import organization
from opskit.sandbox.aws.iam_evaluator import (
    AccessDecision,
    Context,
    KeyRequest,
    Policy,
    ceilings,
    decide,
    decide_with_key,
)


@dataclass(frozen=True, slots=True)
class CallerIdentity:
    """A caller: its ARN as messages show it, and its user or role."""

    arn: str
    kind: str
    name: str

    @property
    def entity_arn(self) -> str:
        """The ARN that policies name."""
        return f"arn:aws:iam::{topology.ACCOUNT}:{self.kind}/{self.name}"


def iam() -> Any:
    """The account's IAM backend."""
    from moto.iam.models import iam_backends

    return iam_backends[topology.ACCOUNT]["aws"]


def policies_of(principal: CallerIdentity) -> tuple[list[Policy], Policy | None]:
    """Identity policies and permissions boundary of a user or role."""
    backend = iam()
    entity = (
        backend.users[principal.name]
        if principal.kind == "user"
        else backend.get_role(principal.name)
    )
    inline = entity.policies.values() if isinstance(entity.policies, dict) else entity.policies
    documents = [_document(p) for p in inline]
    documents += [_default_version(p) for p in entity.managed_policies.values()]
    boundary_arn = getattr(entity, "permissions_boundary_arn", None)
    if not boundary_arn:
        return documents, None
    return documents, _default_version(backend.get_policy(boundary_arn))


def _default_version(policy: Any) -> Policy:
    """The default version of a managed policy."""
    versions = policy.versions
    version = next(v for v in versions if v.version_id == policy.default_version_id)
    return _document(version.document)


def decision(
    principal: CallerIdentity, action: str, resource: str, context: Context
) -> AccessDecision:
    """The decision of IAM and the organization on a principal's call."""
    identity, boundary = policies_of(principal)
    full = _with_caller(principal, context)
    return decide(identity, boundary, action, resource, full, scps=organization.levels())


def key_decision(
    principal: CallerIdentity, key: Any, action: str, context: Context
) -> AccessDecision:
    """The decision of IAM, the organization, the key's policy and its grants on a use of a key."""
    identity, boundary = policies_of(principal)
    full = _with_caller(principal, context)
    levels = organization.levels()
    ask = KeyRequest(
        own=decide(identity, boundary, action, key.arn, full, scps=levels),
        ceiling=ceilings(boundary, action, key.arn, full, scps=levels),
        role=principal.entity_arn,
        session=principal.arn if principal.kind == "role" else "",
        account=topology.ACCOUNT,
        action=action,
        arn=key.arn,
        context=full,
        has_boundary=boundary is not None,
    )
    grants = [
        {
            "GranteePrincipal": g.grantee_principal,
            "Operations": g.operations,
            "Constraints": g.constraints,
        }
        for g in key.grants.values()
    ]
    return decide_with_key(ask, _document(key.policy), grants)


def _with_caller(principal: CallerIdentity, context: Context) -> Context:
    """A request's context with the condition keys of the caller added."""
    named = {"aws:username": principal.name} if principal.kind == "user" else {}
    return {
        **named,
        "aws:PrincipalArn": principal.entity_arn,
        "aws:PrincipalAccount": topology.ACCOUNT,
        "aws:PrincipalType": "AssumedRole" if principal.kind == "role" else "User",
        "aws:SecureTransport": "true",
        "aws:RequestedRegion": topology.REGION,
        **context,
    }


def _document(raw: Any) -> Policy:
    text = (
        raw.get("policy_document", raw) if isinstance(raw, dict) and "Statement" not in raw else raw
    )
    if isinstance(text, dict):
        return text
    parsed: Policy = json.loads(unquote(text) if text.startswith("%7B") else text)
    return parsed
