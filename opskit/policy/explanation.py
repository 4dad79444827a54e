"""Explains a denied request by the statement that denies it, or by the one that nearly allows it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from opskit.policy import condition
from opskit.policy import statement as one
from opskit.policy.document import Condition, Document, Statement
from opskit.policy.evaluate import (
    Evaluation,
    EvaluationResult,
    MatchedStatement,
    PermissionLimit,
    Policies,
    decide,
    without_denies,
)
from opskit.policy.pattern import fill, fits_resource
from opskit.policy.request import Presence, Request
from opskit.policy.unmet_conditions import unmet_conditions

FIELDS = ("", "partition", "service", "Region", "account")
"""Names of an ARN's parts, by position."""


class DenialReason(Enum):
    """The reasons for which a request is denied."""

    NO_STATEMENT = auto()
    PATH = auto()
    DOUBLE_SLASH = auto()
    REGION_OR_ACCOUNT = auto()
    ACTION = auto()
    CONDITION = auto()
    EXPLICIT = auto()
    BOUNDARY = auto()
    ORGANIZATION = auto()
    KEY_POLICY = auto()


NEAREST_FIRST = (
    DenialReason.CONDITION,
    DenialReason.DOUBLE_SLASH,
    DenialReason.REGION_OR_ACCOUNT,
    DenialReason.PATH,
    DenialReason.ACTION,
)


@dataclass(frozen=True, slots=True)
class DenialExplanation:
    """The reason for a denial, with its statement.

    Attributes:
        matched: the statement that denies, or the one that nearly allows; None when there is none.
        description: the explanation as a clause, with the deciding text.
    """

    denial: DenialReason
    matched: MatchedStatement | None
    description: str


def explain(request: Request, policies: Policies, decision: Evaluation) -> DenialExplanation | None:
    """The reason for a denial; None for a request that is allowed or depends."""
    if decision.result is EvaluationResult.EXPLICIT_DENY and decision.matched is not None:
        return _denied(decision.matched, policies)
    if decision.result is not EvaluationResult.IMPLICIT_DENY:
        return None
    if decision.limited_by is not None:
        return _stopped(request, policies, decision.limited_by)
    return _nearest(request, policies.identity)


def explain_observed(
    request: Request, policies: Policies, decision: Evaluation, *, is_explicit: bool
) -> DenialExplanation | None:
    """The reason for a denial that was observed, where the decision depends on unknown values.

    Args:
        is_explicit: AWS says that a statement denies it.

    Returns:
        None where the policies alone decide, or none of their conditions can be the reason.
    """
    if decision.result is not EvaluationResult.DEPENDS or decision.matched is None:
        return None
    hit = decision.matched
    if not hit.statement.allows:
        # A deny that may apply is the reason where AWS says so, or where nothing else is in doubt.
        allows = decide(request, without_denies(policies)).result
        if is_explicit or allows is EvaluationResult.ALLOWED:
            return _denied(hit, policies)
    if is_explicit:
        return None
    of_key = unmet_conditions(request, (policies.key,), of_key=True) if policies.key else []
    unmet = next(iter([*unmet_conditions(request, policies.identity), *of_key]), None)
    return DenialExplanation(DenialReason.CONDITION, unmet.hit, unmet.sentence) if unmet else None


def _denied(hit: MatchedStatement, policies: Policies) -> DenialExplanation:
    description = f"{hit.label} denies it"
    if hit.policy is policies.boundary:
        return DenialExplanation(
            DenialReason.BOUNDARY, hit, f"{description}, which is the permissions boundary"
        )
    if hit.policy is policies.key:
        return DenialExplanation(DenialReason.KEY_POLICY, hit, description)
    if any(hit.policy is p for level in policies.organization for p in level):
        return DenialExplanation(
            DenialReason.ORGANIZATION, hit, f"{description}, a service control policy"
        )
    return DenialExplanation(DenialReason.EXPLICIT, hit, description)


def _stopped(request: Request, policies: Policies, by: PermissionLimit) -> DenialExplanation:
    if by is PermissionLimit.BOUNDARY and policies.boundary is not None:
        hit = _nearest(request, (policies.boundary,)).matched
        description = (
            f"the permissions boundary {policies.boundary.name} does not allow {request.action}"
        )
        return DenialExplanation(DenialReason.BOUNDARY, hit, description)
    if by is PermissionLimit.ORGANIZATION:
        return DenialExplanation(
            DenialReason.ORGANIZATION, None, f"no service control policy allows {request.action}"
        )
    names = ", ".join(request.principal.arn.rsplit("/", 1)[-1:])
    near = _nearest_of_key(request, policies.key) if policies.key else None
    description = f"the key policy neither names {names} nor leaves it to the account's policies"
    return DenialExplanation(
        DenialReason.KEY_POLICY,
        near.matched if near else None,
        near.description if near else description,
    )


def _nearest_of_key(request: Request, key: Document) -> DenialExplanation | None:
    """The statement for the caller or its account whose condition alone does not hold."""
    everybody = (*request.principal.names, *request.principal.account_names)
    for statement in key.statements:
        if statement.allows and one.names(statement, request, everybody).value:
            denial = _miss(MatchedStatement(key, statement), request)
            if denial is not None and denial.denial is DenialReason.CONDITION:
                return denial
    return None


def _nearest(request: Request, documents: tuple[Document, ...]) -> DenialExplanation:
    misses = [
        denial
        for document in documents
        for statement in document.statements
        if statement.allows and (denial := _miss(MatchedStatement(document, statement), request))
    ]
    if not misses:
        return DenialExplanation(
            DenialReason.NO_STATEMENT, None, f"no statement allows {request.action}"
        )
    return min(misses, key=lambda m: NEAREST_FIRST.index(m.denial))


def _miss(hit: MatchedStatement, request: Request) -> DenialExplanation | None:
    """The mismatch of an allow statement with the request; None when the statement is not near."""
    statement = hit.statement
    acts = one.action(statement, request).value
    fits = one.resource(statement, request).value
    if acts and fits:
        failing = [c for c in statement.conditions if _fails(c, statement, request)]
        return _condition(hit, failing[0], request) if failing else None
    if acts and not statement.not_resources:
        return _resource(hit, request)
    if fits and not statement.not_actions and (sibling := _sibling(statement, request)):
        called = request.action
        description = f"{hit.label} allows {sibling}, the app calls {called}"
        return DenialExplanation(DenialReason.ACTION, hit, description)
    return None


def _sibling(statement: Statement, request: Request) -> str:
    """An allowed action that differs from the requested one by a few letters only."""
    wanted = request.action.lower()
    return next(
        (a for a in statement.actions if a.lower()[:12] == wanted[:12] and "*" not in a), ""
    )


def _fails(one_condition: Condition, statement: Statement, request: Request) -> bool:
    message = condition.holds(one_condition, request.context, has_variables=statement.has_variables)
    return message.value is False


def _condition(hit: MatchedStatement, failing: Condition, request: Request) -> DenialExplanation:
    wanted = ", ".join(failing.values)
    presence = request.context.presence(failing.key)
    carried = "does not carry it"
    if presence is Presence.KNOWN:
        carried = f"carries {', '.join(request.context.get(failing.key))}"
    description = (
        f"{hit.label} allows it only where {failing.key} {failing.operator} {wanted}; "
        f"the call {carried}"
    )
    return DenialExplanation(DenialReason.CONDITION, hit, description)


def _resource(hit: MatchedStatement, request: Request) -> DenialExplanation | None:
    """The mismatch of the nearest of a statement's resource patterns."""
    denials = [_pattern(hit, p, request) for p in hit.statement.resources or ()]
    near = [m for m in denials if m is not None]
    return min(near, key=lambda m: NEAREST_FIRST.index(m.denial)) if near else None


def _pattern(hit: MatchedStatement, pattern: str, request: Request) -> DenialExplanation | None:
    def reaches(text: str) -> bool:
        filled = fill(text, request.context, has_variables=hit.statement.has_variables)
        return fits_resource(filled, request.resource)

    message = f"{hit.label} allows {pattern}"
    if "parameter//" in pattern and reaches(pattern.replace("parameter//", "parameter/")):
        description = f"{message}: a double slash, there is one after `parameter`"
        return DenialExplanation(DenialReason.DOUBLE_SLASH, hit, description)
    if reaches(f"{pattern.rstrip('/')}/*"):
        return DenialExplanation(DenialReason.PATH, hit, f"{message}: `/*` is missing at its end")
    mine, wanted = pattern.split(":", 5), request.resource.split(":", 5)
    if len(mine) != len(wanted) or mine[2] != wanted[2]:
        return None
    wrong = [i for i in (1, 3, 4) if mine[i] not in (wanted[i], "*")]
    moved = ":".join(wanted[i] if i in wrong else mine[i] for i in range(len(mine)))
    if wrong and reaches(moved):
        names = " and ".join(f"{FIELDS[i]} {mine[i] or '(none)'}" for i in wrong)
        rights = " and ".join(wanted[i] for i in wrong)
        return DenialExplanation(
            DenialReason.REGION_OR_ACCOUNT, hit, f"{message}: it names {names}, not {rights}"
        )
    return DenialExplanation(DenialReason.PATH, hit, f"{message}, which is not {wanted[5]}")
