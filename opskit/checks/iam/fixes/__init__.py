"""Remedies for each reason of a denial: commands that are proven exact, else advice."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from opskit.checks.fix import Remedy
from opskit.checks.iam.denial import AccessDenied
from opskit.checks.iam.fix_context import IamFixContext
from opskit.checks.iam.fixes.allow import grant
from opskit.checks.iam.fixes.boundary import widen_boundary
from opskit.checks.iam.fixes.deny import narrow_deny
from opskit.checks.iam.fixes.key_policy import add_role_to_key_policy
from opskit.checks.iam.fixes.organization import ask_organization
from opskit.checks.iam.fixes.several_layers import name_all_layers
from opskit.policy.explanation import DenialReason

BUILDERS: dict[DenialReason, Callable[[IamFixContext, Sequence[AccessDenied]], Remedy]] = {
    DenialReason.EXPLICIT: narrow_deny,
    DenialReason.BOUNDARY: widen_boundary,
    DenialReason.ORGANIZATION: ask_organization,
    DenialReason.KEY_POLICY: add_role_to_key_policy,
}
"""Reason -> its builder; every other reason needs a statement in the role's own policies."""


def build_fix(context: IamFixContext, denials: Sequence[AccessDenied]) -> Remedy:
    """The remedy for all denials of one check.

    Args:
        denials: at least one; they share their reason, or all lack a statement.
    """
    remedy = BUILDERS.get(denials[0].denial.denial, grant)(context, denials)
    return name_all_layers(context, denials, remedy)
