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

from opskit.checks.iam.denial import AccessDenied
from opskit.checks.iam.effective_permissions import EffectivePermissions
from opskit.checks.iam.fix_context import IamFixContext, wanted_of
from opskit.checks.iam.fixes import build_fix
from opskit.checks.iam.permission_check import name_of
from opskit.checks.interface import (
    Finding,
    derived,
    failed,
    observed,
    passed,
    skipped,
    undecided,
)
from opskit.checks.seen import Seen, one_of
from opskit.denial_message import find_action, names_denial, parse
from opskit.facts.interface import Fact, Known, Unknown
from opskit.facts.probe import InstanceProbe
from opskit.policy.difference import WantedAccess
from opskit.policy.explanation import DenialExplanation, DenialReason
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
    reading = context.source.actions.read
    refused = _refused(standing, reading[0])
    if not refused:
        return skipped("every way to read is allowed, or none")
    message = _complaint(probe)
    action = find_action(message, refused)
    if action is None and names_denial(message) and not parse(message).concerns_key:
        # The app's message names no operation: apart from GetParameter, apps call GetParameters.
        action = next((a for a in refused if a in reading), None)
    name = name_of(role, context.target)
    if action is None and not message and not _has_password(probe):
        return skipped("what the app calls is not known")
    if action is None:
        reasons = "; ".join(m.description for m in refused.values())
        return passed(f"{name} is allowed what the app calls", derived(reasons))
    explanation = refused[action]
    wanted = context.read if action in reading else _calls(standing, action)
    denial = AccessDenied(name, "read the parameters", explanation, standing.read, wanted)
    return failed(
        f"{name} is not allowed the operation that the app calls: {explanation.description}",
        observed(f"the app has no database password and says: {message.strip()}"),
        *standing.read.evidence,
        fix=build_fix(context, [denial]),
    )


def _refused(standing: EffectivePermissions, usual: str) -> dict[str, DenialExplanation]:
    """The denied operations, where another read operation is allowed; the likeliest first.

    Args:
        usual: the read operation that apps call most.
    """
    own = standing.read.denial
    if own is not None and own.denial is DenialReason.ACTION:
        return {usual: own}
    if standing.read.is_allowed is not True:
        return {}
    denied: dict[str, DenialExplanation] = {}
    for need in standing.denied_alternatives:
        if need.denial is not None:
            denied.setdefault(need.action, need.denial)
    return denied


def _calls(standing: EffectivePermissions, action: str) -> WantedAccess:
    """All denied calls of an operation; GetParametersByPath is called for the path itself."""
    return wanted_of(need for need in standing.denied_alternatives if need.action == action)


def _complaint(probe: Fact[InstanceProbe]) -> str:
    """The message of an app that runs without a password; empty when it has one or is healthy."""
    if not isinstance(probe, Known) or probe.value.health is None:
        return ""
    health = probe.value.health
    return "" if _has_password(probe) else health.body


def _has_password(probe: Fact[InstanceProbe]) -> bool:
    """Whether the app shows that it could read its password."""
    if not isinstance(probe, Known):
        return False
    health = probe.value.health
    is_healthy = health is not None and health.status == 200
    return is_healthy or any(c.setting("password") for c in probe.value.containers)
