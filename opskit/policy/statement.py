"""Decides whether one policy statement applies to a request."""

from __future__ import annotations

from opskit.policy import condition
from opskit.policy.document import Statement
from opskit.policy.pattern import fill, fits_resource, glob
from opskit.policy.request import Request
from opskit.policy.three_valued import FALSE, TRUE, Tristate, all_of, any_of, negate

ACCOUNT_NOT_LISTED = "NotPrincipal without the account"
"""The unknown on which a NotPrincipal statement depends that lists the role and not its account: AWS
documents that it then *might* deny the account as a whole."""


def applies_to(statement: Statement, request: Request) -> Tristate:
    """Whether action, resource and conditions match; `names` decides about principals."""
    return all_of(
        (
            action(statement, request),
            resource(statement, request),
            conditions(statement, request),
        )
    )


def action(statement: Statement, request: Request) -> Tristate:
    """Whether the statement's actions include the request's."""
    listed = any(glob(pattern, request.action) for pattern in statement.actions)
    return Tristate(listed is not statement.not_actions)


def resource(statement: Statement, request: Request) -> Tristate:
    """Whether the statement's resources include the request's; a resource policy may leave them out."""
    if statement.resources is None:
        return TRUE
    matches = any_of(_resource(text, statement, request) for text in statement.resources)
    return negate(matches) if statement.not_resources else matches


def conditions(statement: Statement, request: Request) -> Tristate:
    """Whether all conditions hold."""
    return all_of(
        condition.holds(c, request.context, has_variables=statement.has_variables)
        for c in statement.conditions
    )


def names(
    statement: Statement, request: Request, principals: tuple[str, ...], *, everyone: bool = True
) -> Tristate:
    """Whether a resource policy's statement names one of the caller's principals.

    Args:
        everyone: whether `*`, which is every principal, counts.
    """
    listed = statement.principals or ()
    hit = (everyone and "*" in listed) or any(name in listed for name in principals)
    if not statement.not_principals:
        return Tristate(hit)
    if not hit:
        return TRUE
    if any(name in listed for name in (*request.principal.account_names, "*")):
        return FALSE
    return Tristate(None, frozenset({ACCOUNT_NOT_LISTED}))


def _resource(text: str, statement: Statement, request: Request) -> Tristate:
    pattern = fill(text, request.context, has_variables=statement.has_variables)
    if pattern.depends_on:
        return Tristate(None, pattern.depends_on)
    return Tristate(fits_resource(pattern, request.resource))
