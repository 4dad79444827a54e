"""The policies, IAM's simulator and the instance's own attempt agree.

Means: where they disagree, a policy decides that was not read: the policy of a VPC endpoint, a session
policy, a resource control policy; or a change is only seconds old.
Found by: comparing the three sources.
Looks alike: an ordinary denial, on which all three agree.
Fix: read AWS's message, which names the type of the denying policy; then run opskit again in a minute.
Not the fix: believing the simulator: a simulated allow never outweighs an observed denial.
"""

from __future__ import annotations

from opskit.checks.fix import Advice
from opskit.checks.iam.effective_permissions import EffectivePermission, EffectivePermissions
from opskit.checks.iam.permission_check import name_of
from opskit.checks.interface import Finding, passed, skipped, undecided, warned
from opskit.checks.seen import Seen, one_of
from opskit.config import Target
from opskit.facts.interface import Fact
from opskit.workload.interface import WorkloadRole

passes_on = one_of(
    Seen(EffectivePermissions, "read.is_allowed"), Seen(EffectivePermissions, "decrypt.is_allowed")
)


def check(target: Target, standing: EffectivePermissions, role: Fact[WorkloadRole]) -> Finding:
    """Name the sources that contradict each other."""
    stands = [s for s in (standing.read, standing.decrypt) if s is not None]
    for permission in stands:
        if permission.conflict:
            return warned(
                permission.conflict, *permission.evidence, fix=_advice(permission, target)
            )
    decided = [s for s in stands if s.is_allowed is not None]
    if not decided:
        missing = tuple(dict.fromkeys(m for s in stands for m in s.missing))
        reasons = "; ".join(dict.fromkeys(s.unknown_reason for s in stands if s.unknown_reason))
        return undecided(reasons or "none of the three was asked", *missing)
    sources = max(len({e.basis for e in s.evidence}) for s in decided)
    if sources < 2:
        return skipped("only one source could say anything, so there is nothing to compare")
    count = {2: "two sources", 3: "three sources"}[sources]
    return passed(f"{count} asked of {name_of(role, target)}'s rights, no contradiction")


def _advice(permission: EffectivePermission, target: Target) -> Advice:
    """Advice on the next step, by the source that contradicts the policies."""
    if permission.is_allowed is True:
        return Advice(
            "Nothing has to be changed for the app: its own call went through. Repeat the diagnosis in two "
            "minutes; if the contradiction stays, the policies changed after the app's credentials were "
            "issued, or another policy allows it, and the next restart may fail. No command is offered: "
            "what allows it is not known."
        )
    if permission.is_allowed is False:
        return Advice(
            "Read the end of AWS's message in the evidence: it names the type of the policy that refuses. "
            "Repeat the diagnosis in two minutes, since IAM changes need that long; then look at the policy "
            "of the VPC endpoint, at a session policy and at the organization's resource control "
            "policies. No command is offered: none of the policies that were read refuses it."
        )
    return Advice(
        f"Let {target.workload_kind.definite} decide: give opskit a transport to it, or run "
        "`aws ssm get-parameter --name NAME --with-decryption` there. Its own attempt outweighs both "
        "sources; the simulator knows no session, endpoint and key policies. No command is offered: "
        "which of the two is right is not known."
    )
