"""The key policy allows the role, or delegates to the account's IAM policies.

Means: the key policy controls a customer managed key first. Without its statement for the account (the
principal ends in `:root`) no IAM policy has any effect on the key, and the key policy must name the role.
Found by: the key policy with its grants, evaluated together with the role's policies. IAM's simulator
does not evaluate key policies, so it may say allowed.
Looks alike: a missing statement in the role (IAM003); AWS's message may name either.
Fix: one statement in the key policy that names the role, for kms:Decrypt through SSM.
Not the fix: `"Principal": "*"`.
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

passes_on = one_of(Seen(EffectivePermissions, "decrypt.is_allowed", is_true))
leads_to = (SymptomKind.CREDENTIAL_UNREADABLE,)


def check(
    standing: EffectivePermissions, role: Fact[WorkloadRole], context: IamFixContext
) -> Finding:
    """Judge the denials for this check's reasons."""
    return check_permission(
        standing,
        role,
        context,
        decrypting=(DenialReason.KEY_POLICY,),
    )
