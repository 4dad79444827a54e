"""The organization's service control policies allow the app's access.

Means: a policy of the organization denies the access, or none allows it, for every principal of the
account.
Found by: AWS's message, the simulator's organization detail, and the policies themselves, which only
the management account and delegated administrators can read.
Looks alike: an explicit deny in the role (IAM010).
Fix: an exception for this role in the policy; the organization's administrators decide.
Not the fix: anything in the role's own policies; detaching the policy.
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
        reading=(DenialReason.ORGANIZATION,),
        decrypting=(DenialReason.ORGANIZATION,),
    )
