"""Evaluates a request against all policies that apply to it.

Sources: IAM User Guide, policy evaluation logic, permissions boundaries for IAM entities; Organizations
User Guide, SCP evaluation; KMS Developer Guide, default key policy, grants, troubleshooting key access.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from opskit.policy import statement as one
from opskit.policy.document import Document, Statement
from opskit.policy.request import Context, Presence, Request
from opskit.policy.three_valued import FALSE, TRUE, Tristate, all_of, any_of, indeterminate

ENCRYPTION_CONTEXT = "kms:EncryptionContext:"


class EvaluationResult(StrEnum):
    """The decision. Implicit deny: nothing allows the request. Depends: an unknown value decides."""

    ALLOWED = "allowed"
    EXPLICIT_DENY = "explicitDeny"
    IMPLICIT_DENY = "implicitDeny"
    DEPENDS = "depends"


class PermissionLimit(StrEnum):
    """The policy types that must allow a request in addition to the identity's own policies."""

    BOUNDARY = "permissions boundary"
    ORGANIZATION = "service control policy"
    KEY = "key policy"


@dataclass(frozen=True, slots=True)
class MatchedStatement:
    """A deciding statement, with its policy."""

    policy: Document
    statement: Statement

    @property
    def label(self) -> str:
        """The statement's name, for a sentence."""
        return self.policy.label(self.statement)


@dataclass(frozen=True, slots=True)
class Policies:
    """All policies that apply to a principal.

    Attributes:
        organization: the SCPs of each level from the root to the account; none outside one.
        key: the policy of the key, for actions of KMS.
        grants: the key's grants as `ListGrants` returns them; None where they could not be read.
    """

    identity: tuple[Document, ...] = ()
    boundary: Document | None = None
    organization: tuple[tuple[Document, ...], ...] = ()
    key: Document | None = None
    grants: tuple[Mapping[str, Any], ...] | None = ()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The decision on a request, with its reason.

    Attributes:
        matched: the statement that allowed or denied; None when nothing did, or a grant.
        limited_by: the policy type that does not allow, when the identity's own policies would.
        depends_on: the unknown condition keys that decide, where the decision is `depends`.
    """

    result: EvaluationResult
    matched: MatchedStatement | None = None
    limited_by: PermissionLimit | None = None
    depends_on: tuple[str, ...] = ()


def decide(request: Request, policies: Policies) -> Evaluation:
    """Evaluate a request: explicit denies first, then every permission limit, then the allows."""
    denies = list(_denies(request, policies))
    certain = next((hit for hit, truth in denies if truth.value is True), None)
    if certain is not None:
        return Evaluation(EvaluationResult.EXPLICIT_DENY, certain)
    allowed = _allowed(request, policies)
    if allowed.value is False:
        return Evaluation(EvaluationResult.IMPLICIT_DENY, limited_by=_ceiling(request, policies))
    doubtful = frozenset(key for _, truth in denies for key in truth.depends_on)
    if allowed.value is None or doubtful:
        keys = tuple(sorted(allowed.depends_on | doubtful))
        hit = next((hit for hit, _ in denies), None) or _allowing(request, policies, None)
        return Evaluation(EvaluationResult.DEPENDS, hit, depends_on=keys)
    return Evaluation(EvaluationResult.ALLOWED, _allowing(request, policies, True))


def without_denies(policies: Policies) -> Policies:
    """The policies with their allow statements alone."""

    def allowing(document: Document) -> Document:
        return replace(document, statements=tuple(s for s in document.statements if s.allows))

    return replace(
        policies,
        identity=tuple(map(allowing, policies.identity)),
        boundary=allowing(policies.boundary) if policies.boundary else None,
        organization=tuple(tuple(map(allowing, level)) for level in policies.organization),
        key=allowing(policies.key) if policies.key else None,
    )


def _denies(request: Request, policies: Policies) -> Iterable[tuple[MatchedStatement, Tristate]]:
    """Every statement that denies, or may deny."""
    everywhere = (
        *policies.identity,
        *((policies.boundary,) if policies.boundary else ()),
        *(p for level in policies.organization for p in level),
    )
    for policy in everywhere:
        yield from _hits(policy, request, allows=False)
    if policies.key is not None:
        for statement in policies.key.statements:
            if not statement.allows:
                truth = all_of(
                    (_denies_caller(statement, request, policies), _applies(statement, request))
                )
                if truth.value is not False:
                    yield MatchedStatement(policies.key, statement), truth


def _denies_caller(statement: Statement, request: Request, policies: Policies) -> Tristate:
    # A deny with NotPrincipal applies to every principal with a boundary, listed or not (IAM User Guide).
    if statement.not_principals and policies.boundary is not None:
        return TRUE
    caller = request.principal
    everyone = (*caller.names, *(() if statement.not_principals else caller.account_names))
    return one.names(statement, request, everyone)


def _allowed(request: Request, policies: Policies) -> Tristate:
    identity = _any_allow(policies.identity, request)
    boundary = _any_allow((policies.boundary,), request) if policies.boundary else TRUE
    organization = all_of(_any_allow(level, request) for level in policies.organization)
    if policies.key is None:
        return all_of((identity, boundary, organization))
    caller = request.principal
    session = (caller.session_arn,) if caller.session_arn else ()
    by_role = _key_allows(policies.key, request, (caller.arn,))
    by_session = _key_allows(policies.key, request, session, everyone=False)
    delegated = _key_allows(policies.key, request, caller.account_names, everyone=False)
    granted = _granted(request, policies.grants)
    return all_of(
        (
            organization,
            any_of(
                (
                    by_session,
                    all_of((by_role, boundary)),
                    all_of((granted, boundary)),
                    all_of((delegated, identity, boundary)),
                )
            ),
        )
    )


def _key_allows(
    key: Document, request: Request, principals: tuple[str, ...], *, everyone: bool = True
) -> Tristate:
    """Whether the key policy allows the request to one of these principals.

    Args:
        everyone: whether `*` counts; the caller counts it once, for the role.
    """
    return any_of(
        all_of((one.names(s, request, principals, everyone=everyone), _applies(s, request)))
        for s in key.statements
        if s.allows
    )


def _granted(request: Request, grants: Sequence[Mapping[str, Any]] | None) -> Tristate:
    """Whether a grant allows the operation to the caller, in this encryption context."""
    if grants is None:
        return indeterminate("kms:ListGrants")
    operation = request.action.split(":")[-1]
    return any_of(
        _fits_constraints(grant.get("Constraints") or {}, request.context)
        for grant in grants
        if operation in grant.get("Operations", ())
        and grant.get("GranteePrincipal") in request.principal.names
    )


def _fits_constraints(constraints: Mapping[str, Any], context: Context) -> Tristate:
    wanted = constraints.get("EncryptionContextEquals") or constraints.get(
        "EncryptionContextSubset"
    )
    if not wanted:
        return TRUE
    for name, value in wanted.items():
        key = ENCRYPTION_CONTEXT + name
        if context.presence(key) is Presence.UNKNOWN:
            return indeterminate(key)
        if context.presence(key) is Presence.ABSENT or context.get(key) != (value,):
            return FALSE
    if "EncryptionContextEquals" in constraints:
        prefix = ENCRYPTION_CONTEXT.lower()
        present = {key for key in context.values if key.startswith(prefix)}
        return Tristate(present == {(prefix + name.lower()) for name in wanted})
    return TRUE


def _applies(statement: Statement, request: Request) -> Tristate:
    return one.applies_to(statement, request)


def _any_allow(policies: Iterable[Document | None], request: Request) -> Tristate:
    return any_of(
        _applies(s, request) for policy in policies if policy for s in policy.statements if s.allows
    )


def _hits(
    policy: Document, request: Request, *, allows: bool
) -> Iterable[tuple[MatchedStatement, Tristate]]:
    for statement in policy.statements:
        if statement.allows is allows:
            truth = _applies(statement, request)
            if truth.value is not False:
                yield MatchedStatement(policy, statement), truth


def _ceiling(request: Request, policies: Policies) -> PermissionLimit | None:
    """The first permission limit that does not allow a request which nothing denies."""
    if all_of(_any_allow(level, request) for level in policies.organization).value is False:
        return PermissionLimit.ORGANIZATION
    may = _any_allow(policies.identity, request).value is not False
    if policies.key is not None:
        if not _key_policy_delegates(request, policies):
            return PermissionLimit.KEY
        may = may or _key_allows(policies.key, request, (request.principal.arn,)).value is not False
    if policies.boundary and may and _any_allow((policies.boundary,), request).value is False:
        return PermissionLimit.BOUNDARY
    return None


def _key_policy_delegates(request: Request, policies: Policies) -> bool:
    """Whether the key policy allows the caller, or delegates to the account's IAM policies."""
    assert policies.key is not None  # noqa: S101  asked only of requests to KMS
    everybody = (*request.principal.names, *request.principal.account_names)
    return _key_allows(policies.key, request, everybody).value is not False


def _allowing(request: Request, policies: Policies, value: bool | None) -> MatchedStatement | None:
    """The statement that allows, or may allow: of the identity's policies first, then the key's."""
    for policy in policies.identity:
        for hit, truth in _hits(policy, request, allows=True):
            if truth.value is value:
                return hit
    if policies.key is not None:
        everybody = (*request.principal.names, *request.principal.account_names)
        for statement in policies.key.statements:
            names = one.names(statement, request, everybody)
            if statement.allows and all_of((names, _applies(statement, request))).value is value:
                return MatchedStatement(policies.key, statement)
    return None
