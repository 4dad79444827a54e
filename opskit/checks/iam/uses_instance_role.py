"""Programs on the instance use the instance's role.

Means: keys in the environment or in ~/.aws take precedence over the instance profile, so another
identity's permissions apply.
Found by: sts:GetCallerIdentity on the instance, compared with the profile's role.
Looks alike: a role without permissions; there the identity is the expected one.
Fix: remove the other credentials from the instance.
Not the fix: granting the permissions to both.
"""

from __future__ import annotations

from opskit.checks.fix import Advice
from opskit.checks.interface import Finding, observed, passed, skipped, undecided, warned
from opskit.checks.seen import Seen, one_of
from opskit.facts.probe import InstanceProbe
from opskit.workload.interface import WorkloadRole

passes_on = one_of(Seen(InstanceProbe, "caller_arn"))


def check(role: WorkloadRole, probe: InstanceProbe) -> Finding:
    """Compare the two identities."""
    if role.role_name is None:
        return skipped(f"{probe.workload_noun} has no role")
    if not probe.caller_arn:
        return undecided(
            f"{probe.workload_noun} could not say who it is ({probe.caller_error or 'no answer'})"
        )
    if f":assumed-role/{role.role_name}/" in probe.caller_arn:
        return passed(f"{probe.workload_noun} acts as {role.role_name}", observed(probe.caller_arn))
    return warned(
        f"programs on {probe.workload_noun} act as {probe.caller_arn}, not as its role {role.role_name}",
        observed(f"sts:GetCallerIdentity on {probe.workload_noun}"),
        fix=_advice(probe, role.role_name),
    )


def _advice(probe: InstanceProbe, role_name: str) -> Advice:
    """Advice on where credentials of this kind come from, and how to find them."""
    if ":user/" in probe.caller_arn:
        source = (
            "They are access keys: look for AWS_ACCESS_KEY_ID in the environment of container and service "
            "and in ~/.aws/credentials of root and of the app's user, and remove them"
        )
    else:
        source = (
            "They are another role's: look for role_arn, credential_process or AWS_PROFILE in ~/.aws/config "
            "and in the environment, and remove it; after a change of the role they end within the hour"
        )
    return Advice(
        f"Remove the credentials that come before those of {role_name}. {source}. "
        f"`aws configure list` on {probe.workload_noun} names their source; then restart the app. "
        "No command is offered: the file or variable that holds them is not known."
    )
