"""The instance's role may decrypt the password.

Means: the role can read the parameter but not its value; the app has no password at its next start.
Found by: the instance's own attempt, whose error names kms:Decrypt; the role's policies and the key's
evaluated together; IAM's simulator, which does not evaluate key policies. With the AWS managed key
alias/aws/ssm no kms statement is needed.
Looks alike: a disabled key (PAR003), which no one can use; a key policy that does not allow the role
(IAM012). AWS's message names one policy only; either can be the one to fix.
Fix: one statement that allows kms:Decrypt on this key, for calls through SSM. An alias ARN as
resource never matches.
Not the fix: storing the password as a plain String.
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
passes_on = one_of(Seen(EffectivePermissions, "decrypt.is_allowed", is_true))


def check(
    standing: EffectivePermissions, role: Fact[WorkloadRole], context: IamFixContext
) -> Finding:
    """Judge the denials for this check's reasons."""
    return check_permission(
        standing,
        role,
        context,
        decrypting=(
            DenialReason.NO_STATEMENT,
            DenialReason.PATH,
            DenialReason.REGION_OR_ACCOUNT,
            DenialReason.ACTION,
            DenialReason.DOUBLE_SLASH,
        ),
    )
