"""The IAM policy simulator's answers about the instance role's permissions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from opskit.config import Target
from opskit.credential_source import source_of
from opskit.credential_source.interface import DECRYPT, CredentialSource
from opskit.facts.identity import Identity
from opskit.facts.interface import Fact, FactUnavailable, Iam, Known
from opskit.facts.key import Key
from opskit.facts.region import Region
from opskit.workload.interface import WorkloadRole


class SimulatorLimit(StrEnum):
    """A policy type that limits the identity's own policies, as the simulator reports it."""

    BOUNDARY = "permissions boundary"
    ORGANIZATION = "organization"


@dataclass(frozen=True, slots=True)
class SimulatedDecision:
    """One decision of the IAM simulator: `allowed`, `explicitDeny` or `implicitDeny`.

    Attributes:
        is_conditional: a context value was missing, so the answer is not certain.
        limited_by: the permissions boundary or the organization when one of them denies.
    """

    action: str
    resource: str
    decision: str
    is_conditional: bool
    limited_by: SimulatorLimit | None


@dataclass(frozen=True, slots=True)
class Simulation:
    """The simulator's answers; it evaluates no resource policy for a role (IAM API reference)."""

    decisions: tuple[SimulatedDecision, ...]

    def find(self, action: str, resource: str) -> SimulatedDecision | None:
        """The answer for an action on a resource."""
        return next(
            (d for d in self.decisions if (d.action, d.resource) == (action, resource)), None
        )


def read(
    iam: Iam, role: WorkloadRole, identity: Identity, region: Region, key: Fact[Key], target: Target
) -> Simulation:
    """Simulate every action on every resource in one call."""
    if role.role_arn is None:
        raise FactUnavailable(f"{target.workload_kind.definite} has no role")
    source = source_of(target)
    arns = [location_arn(source, region, identity, name) for name in source.names]
    context = [_entry("kms:ViaService", source.via_service(region.name))]
    actions, resources = list(source.actions.read), list(arns)
    if isinstance(key, Known) and not key.value.is_aws_managed:
        password = location_arn(source, region, identity, source.location("password").name)
        actions.append(DECRYPT)
        resources.append(key.value.arn)
        encrypted_with = source.encryption_context(password).items()
        context += [_entry(f"kms:EncryptionContext:{name}", text) for name, text in encrypted_with]
    reply = iam.simulate_principal_policy(
        PolicySourceArn=role.role_arn,
        ActionNames=actions,
        ResourceArns=resources,
        ContextEntries=context,
        MaxItems=1000,
    )
    return Simulation(tuple(decisions_of(reply)))


def decisions_of(reply: Mapping[str, Any]) -> list[SimulatedDecision]:
    """All answers of a reply, one for each action and resource."""
    return [d for result in reply["EvaluationResults"] for d in _decisions(result)]


def location_arn(source: CredentialSource, region: Region, identity: Identity, name: str) -> str:
    """The ARN of a location of the credential in the caller's account."""
    return source.arn(name, region.partition, region.name, identity.account)


def _entry(name: str, value: str) -> Mapping[str, object]:
    return {"ContextKeyName": name, "ContextKeyType": "string", "ContextKeyValues": [value]}


def _decisions(result: Mapping[str, Any]) -> list[SimulatedDecision]:
    per_resource = result.get("ResourceSpecificResults") or [
        {
            **result,
            "EvalResourceName": result.get("EvalResourceName", "*"),
            "EvalResourceDecision": result["EvalDecision"],
        }
    ]
    return [
        SimulatedDecision(
            action=result["EvalActionName"],
            resource=r["EvalResourceName"],
            decision=r["EvalResourceDecision"],
            is_conditional=bool(r.get("MissingContextValues")),
            limited_by=_ceiling(r) or _ceiling(result),
        )
        for r in per_resource
    ]


def _ceiling(result: Mapping[str, Any]) -> SimulatorLimit | None:
    boundary = result.get("PermissionsBoundaryDecisionDetail") or {}
    if boundary.get("AllowedByPermissionsBoundary") is False:
        return SimulatorLimit.BOUNDARY
    organization = result.get("OrganizationsDecisionDetail") or {}
    is_limited = organization.get("AllowedByOrganizations") is False
    return SimulatorLimit.ORGANIZATION if is_limited else None
