"""Finds every layer of policies that denies a request by itself, whatever the other layers allow.

AWS reports one denial, and a decision stops at the first. A request is allowed only once each of these
layers is changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from opskit.policy.document import parse
from opskit.policy.evaluate import Evaluation, EvaluationResult, Policies, decide
from opskit.policy.explanation import DenialExplanation, DenialReason, explain
from opskit.policy.request import Request

EVERYTHING = parse(
    {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}},
    kind="identity-based",
    name="everything",
)
"""Stands for a layer that is not judged."""


def denials_of_layers(request: Request, policies: Policies) -> tuple[DenialExplanation, ...]:
    """The denial of each layer: service control policies, key policy, boundary, the role's own policies.

    A layer whose decision depends on an unknown value is left out.
    """
    of_key = replace(policies, identity=(EVERYTHING,), boundary=None, organization=())
    key_denial = _denial(request, of_key)
    layers = [Policies((EVERYTHING,), organization=(level,)) for level in policies.organization]
    denials = [_denial(request, layer) for layer in layers]
    denials.append(key_denial)
    # A statement that names the role, which a key policy lacks, replaces the allows of its own policies.
    key = None if key_denial else policies.key
    if policies.boundary is not None:
        boundary = Policies((EVERYTHING,), policies.boundary, key=key, grants=policies.grants)
        denials.append(_denial(request, boundary))
    denials += _of_role(request, policies, needs_allow=key_denial is None)
    return tuple(dict.fromkeys(d for d in denials if d is not None))


def _of_role(
    request: Request, policies: Policies, *, needs_allow: bool
) -> Iterator[DenialExplanation]:
    own = Policies(policies.identity, key=policies.key, grants=policies.grants)
    denial = _denial(request, own if needs_allow else Policies(policies.identity))
    if denial is not None and (needs_allow or denial.denial is DenialReason.EXPLICIT):
        yield denial


def _denial(request: Request, policies: Policies) -> DenialExplanation | None:
    decision: Evaluation = decide(request, policies)
    if decision.result in (EvaluationResult.ALLOWED, EvaluationResult.DEPENDS):
        return None
    return explain(request, policies, decision)
