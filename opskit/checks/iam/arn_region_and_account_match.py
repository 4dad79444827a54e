"""The role's statement names the parameters' Region and account.

Means: the statement was copied from elsewhere: its Region, account or partition differs, or the field
is empty, which matches nothing for parameters.
Found by: the patterns of the role's allow statements, compared part by part.
Looks alike: another path (IAM005); a parameter that is in another Region (PAR001).
Fix: one statement for this Region and account.
Not the fix: `*` instead of the account.
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
        reading=(DenialReason.REGION_OR_ACCOUNT,),
    )
