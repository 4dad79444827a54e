"""The conditions of the role's statements match the app's calls.

Means: the statement is right except for a condition that the call does not meet: the encryption
context of another parameter, another service, an endpoint, a tag.
Found by: the conditions evaluated with the call's context: Parameter Store decrypts with the
parameter's ARN as `kms:EncryptionContext:PARAMETER_ARN`, through `kms:ViaService`.
Looks alike: a missing statement (IAM002, IAM003).
Fix: one statement for the right parameter or service. A guard, such as an endpoint or a Region, must be
changed by its author.
Not the fix: dropping every condition.
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
        reading=(DenialReason.CONDITION,),
        decrypting=(DenialReason.CONDITION,),
    )
