"""The role's permissions boundary allows the access that its policies allow.

Means: the boundary sets the maximum permissions: the role cannot do more, even if its own policies allow
it. The boundary itself grants nothing.
Found by: the boundary evaluated with the policies, AWS's message, the simulator's boundary detail.
Looks alike: a missing statement (IAM002); another allow in the role changes nothing here.
Fix: a new version of the boundary that allows the access too; its owner has to agree.
Not the fix: removing the boundary.
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
        reading=(DenialReason.BOUNDARY,),
        decrypting=(DenialReason.BOUNDARY,),
    )
