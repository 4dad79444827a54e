"""No policy of the role denies explicitly what the app needs.

Means: an explicit deny wins over every allow, wherever that stands.
Found by: the role's policies evaluated, AWS's message `with an explicit deny in ...`.
Looks alike: a missing statement (IAM002); another allow changes nothing here.
Fix: the role's own inline deny of listed actions, split so that it spares these parameters; any other
deny is its author's to change.
Not the fix: more allows; detaching the whole policy.
"""

from __future__ import annotations

from opskit.checks.iam.effective_permissions import Standing
from opskit.checks.iam.fix_context import Bench
from opskit.checks.iam.permission_check import verdict
from opskit.checks.interface import Finding
from opskit.facts.instance_role import InstanceRole
from opskit.facts.interface import Fact
from opskit.policy.explanation import Denial

explains = ("auth", "app", "IAM003")


def check(standing: Standing, role: Fact[InstanceRole], bench: Bench) -> Finding:
    """Judge the refusals that have this reason."""
    return verdict(
        standing,
        role,
        bench,
        reading=(Denial.EXPLICIT,),
        decrypting=(Denial.EXPLICIT,),
    )
