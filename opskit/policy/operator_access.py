"""The operator's access: which of the permissions that opskit's commands need are allowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from opskit.config import Target
from opskit.credential_source import source_of
from opskit.facts.identity import Identity
from opskit.facts.interface import Fact, Known
from opskit.facts.key_policy import KeyPolicy, OperatorGrants
from opskit.facts.operator_policies import OperatorPolicies
from opskit.facts.operator_simulation import OperatorNeeds, OperatorSimulation
from opskit.facts.organization import Organization
from opskit.facts.permissions import Permission, ResourceScope
from opskit.facts.policies import PolicyText
from opskit.facts.region import Region
from opskit.policy.evaluate import Evaluation, EvaluationResult, Policies, decide
from opskit.policy.explanation import DenialExplanation, explain
from opskit.policy.request import Context, Principal, Request
from opskit.policy.role_access import parsed


@dataclass(frozen=True, slots=True)
class OperatorNeed:
    """One needed permission, with the result of the policies and of the simulator where known.

    Attributes:
        context: the condition keys that the request itself carries, and their values.
        request: the call that was evaluated; None where the policies are not known.
    """

    permission: Permission
    resource: str
    decision: Evaluation | None
    denial: DenialExplanation | None
    simulated: str
    context: tuple[tuple[str, str], ...] = ()
    request: Request | None = None

    @property
    def is_allowed(self) -> bool | None:
        """Whether the permission is allowed; None where neither source knows, or they disagree.

        The simulator does not evaluate key policies, so for a key the evaluated policies decide.
        """
        by_policies = {
            EvaluationResult.ALLOWED: True,
            EvaluationResult.EXPLICIT_DENY: False,
            EvaluationResult.IMPLICIT_DENY: False,
        }.get(self.decision.result if self.decision else EvaluationResult.DEPENDS)
        by_simulator = None if not self.simulated else self.simulated == "allowed"
        if by_policies is None or by_simulator is None:
            return by_simulator if by_policies is None else by_policies
        if self.permission.on is ResourceScope.KEY:
            return by_policies
        return by_policies if by_policies is by_simulator else None


@dataclass(frozen=True, slots=True)
class OperatorAccess:
    """Every permission that the commands need, and the operator's policies.

    Attributes:
        who: ARN of the user or role.
        own: its policies; None where they could not be read.
    """

    who: str
    needs: tuple[OperatorNeed, ...]
    own: OperatorPolicies | None = None


def analyze(
    target: Target,
    region: Region,
    identity: Identity,
    needs: OperatorNeeds,
    own: Fact[OperatorPolicies],
    simulation: Fact[OperatorSimulation],
    organization: Fact[Organization],
    key_policy: Fact[KeyPolicy],
    grants: Fact[OperatorGrants],
) -> OperatorAccess:
    """Evaluate every need by the policies, and add the simulator's answer."""
    needs_found = []
    via = source_of(target).via_service(region.name)
    for permission, resource in needs.all:
        decision, denial, request = None, None, None
        brought = needs.context_of(permission)
        # opskit calls KMS for no value itself: the credential's source does it for the operator.
        via_service = via if permission.on is ResourceScope.KEY else ""
        if isinstance(own, Known) and not own.value.is_root:
            key = key_policy if permission.on is ResourceScope.KEY else None
            if key is None or isinstance(key, Known):
                document = key.value if key else None
                policies = _policies(own.value, organization, document, grants)
                request = Request(
                    Principal(own.value.arn, identity.account, own.value.session_arn),
                    permission.action,
                    resource,
                    _context(region, identity, own.value, via_service, brought),
                )
                decision = decide(request, policies)
                denial = explain(request, policies, decision)
        message = ""
        if isinstance(simulation, Known):
            answer = simulation.value.answers.find(permission.action, resource)
            message = answer.decision if answer and not answer.is_conditional else ""
        is_root = isinstance(own, Known) and own.value.is_root
        needs_found.append(
            OperatorNeed(
                permission,
                resource,
                decision,
                denial,
                "allowed" if is_root else message,
                tuple(brought.items()),
                request,
            )
        )
    who = own.value.arn if isinstance(own, Known) else identity.arn
    return OperatorAccess(who, tuple(needs_found), own.value if isinstance(own, Known) else None)


def _policies(
    own: OperatorPolicies,
    organization: Fact[Organization],
    key: KeyPolicy | None,
    grants: Fact[OperatorGrants],
) -> Policies:
    levels = organization.value.levels if isinstance(organization, Known) else ()
    return Policies(
        tuple(parsed(p, "identity-based") for p in own.identity),
        parsed(own.boundary, "permissions boundary") if own.boundary else None,
        tuple(tuple(parsed(p, "service control policy") for p in level) for level in levels),
        parsed(PolicyText("the key policy", "", key.document), "key policy") if key else None,
        grants.value.all if isinstance(grants, Known) else None,
    )


def _context(
    region: Region,
    identity: Identity,
    own: OperatorPolicies,
    via_service: str,
    brought: Mapping[str, str],
) -> Context:
    is_user = ":user/" in own.arn
    values = {
        "aws:principalarn": own.arn,
        "aws:principalaccount": identity.account,
        "aws:principaltype": "User" if is_user else "AssumedRole",
        "aws:requestedregion": region.name,
        "aws:securetransport": "true",
        "aws:currenttime": own.read_at.isoformat(),
        "aws:epochtime": str(int(own.read_at.timestamp())),
        **brought,
        **{f"aws:principaltag/{k.lower()}": v for k, v in own.tags.items()},
    }
    if is_user:
        values["aws:username"] = own.arn.rsplit("/", 1)[-1]
    if via_service:
        values["kms:viaservice"] = via_service
        values["kms:calleraccount"] = identity.account
    return Context(
        {key: (value,) for key, value in values.items()},
        others_unknown=True,
        complete_prefixes=("aws:principaltag/", "aws:requesttag/"),
    )
