"""The role's statement has one slash after `parameter`.

Means: the name begins with a slash, and the path in the ARN does too: `parameter/linkbox/*`. Appending
the name to `parameter/` gives two slashes, and the pattern matches nothing.
Found by: the patterns of the role's allow statements, with the second slash removed.
Looks alike: another path (IAM005).
Fix: one statement with the right ARN.
Not the fix: renaming the parameters.
"""

from __future__ import annotations

from opskit.checks.iam.effective_permissions import EffectivePermissions
from opskit.checks.iam.fix_context import IamFixContext
from opskit.checks.iam.permission_check import check_permission
from opskit.checks.interface import Finding
from opskit.checks.seen import Seen, is_true, one_of
from opskit.facts.interface import Fact
from opskit.policy.explanation import DenialReason
from opskit.symptom import SymptomKind
from opskit.workload.interface import WorkloadRole

passes_on = one_of(Seen(EffectivePermissions, "read.is_allowed", is_true))
leads_to = (SymptomKind.CREDENTIAL_UNREADABLE,)


def check(
    standing: EffectivePermissions, role: Fact[WorkloadRole], context: IamFixContext
) -> Finding:
    """Judge the denials for this check's reasons."""
    return check_permission(
        standing,
        role,
        context,
        reading=(DenialReason.DOUBLE_SLASH,),
    )
