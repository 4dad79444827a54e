"""Advice for a denial by a service control policy, which only the organization may change."""

from __future__ import annotations

from collections.abc import Sequence

from opskit.checks.fix import Advice
from opskit.checks.iam.denial import AccessDenied
from opskit.checks.iam.fix_context import IamFixContext
from opskit.checks.iam.fixes import evaluation

WHY = "a service control policy is the organization's decision, and only its management account changes it"
NOT_READ = (
    "organizations:ListPoliciesForTarget and organizations:DescribePolicy show the policies there"
)


def ask_organization(context: IamFixContext, denials: Sequence[AccessDenied]) -> Advice:
    """Advice to ask the organization's administrators for an exception in the denying policy."""
    hit, role = denials[0].denial.matched, denials[0].role
    arn = (context.role.role_arn if context.role else None) or role
    wanted = evaluation.wanted_of(denials)
    access = evaluation.access_text(wanted) or "kms:Decrypt on the password's key"
    if hit is not None:
        cause = (
            f"{hit.label} ({hit.policy.arn}) denies it to this account. Ask the organization's "
            f"administrators for an exception for {arn} (condition ArnNotLike aws:PrincipalArn): {access}."
        )
    elif _levels(context):
        cause = (
            f"Of the levels {_levels(context)} at least one has no service control policy that allows it. "
            f"Ask the organization's administrators to allow account {context.identity.account}: {access}."
        )
    else:
        cause = (
            "Ask the organization's administrators which service control policy of account "
            f"{context.identity.account} refuses {arn}: {access}. {NOT_READ}."
        )
    return evaluation.no_command(f"{cause} Nothing in the role's own policies outweighs it.", WHY)


def _levels(context: IamFixContext) -> str:
    """The policies of each level from the root to the account, as text; empty where they were not read."""
    levels = context.access.policies.organization if context.access else ()
    return "; ".join(", ".join(f"{p.name} ({p.arn})" for p in level) or "none" for level in levels)
