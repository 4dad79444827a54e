"""The role is allowed the operation that the app calls.

Means: GetParameter, GetParameters and GetParametersByPath are three permissions; a policy that names
one of them leaves an app that calls another without its settings.
Found by: the role's policies for each operation, and an app that runs without a database password
and reports AccessDenied. A healthy app calls an operation that is allowed.
Looks alike: no statement at all (IAM002).
Fix: one statement for that operation: on these parameters, or on their path for GetParametersByPath.
Not the fix: ssm:*.
"""

from __future__ import annotations

from opskit.checks.iam.called_operation import complaint, has_password
from opskit.checks.iam.effective_permissions import EffectivePermissions
from opskit.checks.iam.fix_context import IamFixContext
from opskit.checks.iam.fixes import build_fix
from opskit.checks.iam.permission_check import OF_STATEMENT, called_denial, name_of
from opskit.checks.interface import (
    Finding,
    derived,
    failed,
    passed,
    skipped,
    undecided,
)
from opskit.checks.seen import Seen, one_of
from opskit.facts.interface import Fact, Unknown
from opskit.facts.probe import InstanceProbe
from opskit.policy.role_access import RoleAccess
from opskit.symptom import SymptomKind
from opskit.workload.interface import WorkloadRole

passes_on = one_of(Seen(InstanceProbe, "health"), Seen(InstanceProbe, "containers"))
leads_to = (SymptomKind.CREDENTIAL_UNREADABLE,)


def check(
    standing: EffectivePermissions,
    role: Fact[WorkloadRole],
    access: Fact[RoleAccess],
    context: IamFixContext,
    probe: Fact[InstanceProbe],
) -> Finding:
    """Judge operations that are denied although another read operation is allowed."""
    if isinstance(access, Unknown):
        return undecided(access.reason, *access.missing)
    refused, called = standing.denied_operations, standing.called
    if not refused:
        return skipped("every way to read is allowed, or none")
    name = name_of(role, context.target)
    if called is None and not complaint(probe) and not has_password(probe):
        return skipped("what the app calls is not known")
    if called is None:
        reasons = "; ".join(m.description for m in refused.values())
        return passed(f"{name} is allowed what the app calls", derived(reasons))
    if called.denial.denial in OF_STATEMENT:
        return skipped("the refusal is judged under another code")
    denial = called_denial(called, name, standing, context)
    return failed(
        f"{name} is not allowed the operation that the app calls: {called.denial.description}",
        called.evidence,
        *standing.read.evidence,
        fix=build_fix(context, [denial]),
    )
