"""Names every layer of policies that denies the same access, with its owner, the outermost first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from opskit.checks.fix import Advice, Remedy
from opskit.checks.iam.denial import AccessDenied
from opskit.checks.iam.fix_context import IamFixContext
from opskit.checks.iam.fixes import evaluation
from opskit.credential_source.interface import DECRYPT
from opskit.denial_message import PolicyType
from opskit.policy.explanation import DenialExplanation, DenialReason
from opskit.policy.refusing_layers import denials_of_layers
from opskit.policy.request import Request
from opskit.policy.role_access import SERVICE_CONTROL_POLICIES

LAYERS = (DenialReason.ORGANIZATION, DenialReason.KEY_POLICY, DenialReason.BOUNDARY)
"""The reasons that are a layer of their own; every other one is a denial by the role's own policies."""
OWNERS = {
    PolicyType.SERVICE_CONTROL: "the organization's administrators",
    PolicyType.RESOURCE_CONTROL: "the organization's administrators",
    PolicyType.VPC_ENDPOINT: "the owner of the VPC endpoint",
    PolicyType.RESOURCE: "the administrators of the key",
    PolicyType.SESSION: "the caller that assumes the role for the app",
}
"""Policy type that AWS's message may name and opskit may be unable to read -> its owner."""


def name_all_layers(
    context: IamFixContext, denials: Sequence[AccessDenied], remedy: Remedy
) -> Remedy:
    """The remedy with all denying layers named; advice for a fix that would change only one of several."""
    layers = list(_layers(context, denials))
    if len(layers) < 2:
        return remedy
    numbered = "; ".join(f"{number}. {layer}" for number, layer in enumerate(layers, start=1))
    order = (
        f"{len(layers)} layers of policies refuse it, and it stays refused until each is changed. Ask in "
        f"this order: {numbered}."
    )
    if isinstance(remedy, Advice):
        return replace(remedy, text=f"{remedy.text} {order}")
    wanted = evaluation.statements_text(evaluation.wanted_of(denials))
    does = f"Allow {denials[0].role} exactly this: {wanted}. {order}"
    return evaluation.no_command(does, "a change of one layer does not end this")


def _layers(context: IamFixContext, denials: Sequence[AccessDenied]) -> Iterator[str]:
    """The owner of each denying layer with the layer's reasons."""
    requests = [r for w in evaluation.wanted_of(denials) for r in _judged(w.requests, w.actions[0])]
    explanations = dict.fromkeys(e for r in requests for e in _denials(context, r))
    unread = _unread(context, denials)
    if unread is not None and explanations:
        yield f"{OWNERS[unread]} (AWS's message names a {unread}, which could not be read)"
    for layer in (*LAYERS, None):
        own = [e for e in explanations if (e.denial if e.denial in LAYERS else None) is layer]
        if own:
            reasons = " and ".join(dict.fromkeys(e.description for e in own))
            yield f"{_owner(context, denials[0].role, layer)} ({reasons})"


def _judged(requests: Sequence[Request], first_action: str) -> Iterator[Request]:
    """The calls that a check judges: the first operation on each resource."""
    yield from (r for r in requests if r.action == first_action)


def _denials(context: IamFixContext, request: Request) -> Sequence[DenialExplanation]:
    if context.access is None:
        return ()
    policies = context.access.policies
    if request.action != DECRYPT:
        policies = replace(policies, key=None, grants=())
    return denials_of_layers(request, policies)


def _unread(context: IamFixContext, denials: Sequence[AccessDenied]) -> PolicyType | None:
    """The policy type that AWS's message names, where no policy of that type could be read."""
    named = next((d.policy_type for d in denials if d.policy_type in OWNERS), None)
    if named is None or context.access is None:
        return None
    if named is PolicyType.SERVICE_CONTROL:
        return named if SERVICE_CONTROL_POLICIES in context.access.unread else None
    if named is PolicyType.RESOURCE and context.access.policies.key is not None:
        return None
    return named


def _owner(context: IamFixContext, role: str, layer: DenialReason | None) -> str:
    if layer is DenialReason.ORGANIZATION:
        return OWNERS[PolicyType.SERVICE_CONTROL]
    if layer is DenialReason.KEY_POLICY:
        named = context.key.named_as if context.key else ""
        return f"the administrators of key {named}".rstrip()
    if layer is DenialReason.BOUNDARY:
        boundary = context.policies.boundary if context.policies else None
        return f"the owner of the permissions boundary {boundary.name if boundary else ''}".rstrip()
    return f"the administrators of {role}"
