"""The instance's role may read the parameters.

Means: the app cannot read its settings at its next start; until then it uses the values it has read.
Found by: the instance's own attempt under its role, the role's policies evaluated, IAM's simulator.
Looks alike: a statement that exists but does not match (IAM005 to IAM008); a missing permission to
decrypt (IAM003): there the message names kms:Decrypt.
Fix: one statement that allows ssm:GetParameter on exactly these parameters.
Not the fix: ssm:* or Resource "*".
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

leads_to = (SymptomKind.CREDENTIAL_UNREADABLE,)
is_essential = True
passes_on = one_of(Seen(EffectivePermissions, "read.is_allowed", is_true))


def check(
    standing: EffectivePermissions, role: Fact[WorkloadRole], context: IamFixContext
) -> Finding:
    """Judge the denials for this check's reasons."""
    return check_permission(
        standing,
        role,
        context,
        reading=(DenialReason.NO_STATEMENT,),
    )
