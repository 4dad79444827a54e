"""No policy of the role explicitly denies an access that the app needs.

Means: an explicit deny overrides every allow in any policy.
Found by: the role's policies evaluated, AWS's message `with an explicit deny in ...`.
Looks alike: a missing statement (IAM002); another allow changes nothing here.
Fix: the role's own inline deny of listed actions, split so that it exempts these parameters; any other
deny must be changed by its author.
Not the fix: more allows; detaching the whole policy.
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
        reading=(DenialReason.EXPLICIT,),
        decrypting=(DenialReason.EXPLICIT,),
    )
