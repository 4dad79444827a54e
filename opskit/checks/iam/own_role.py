"""Programs on the instance use the instance's role.

Means: keys in the environment or in ~/.aws come before the instance profile, so the rights that
count are another identity's.
Found by: sts:GetCallerIdentity on the instance against the profile's role.
Looks alike: a role without rights; there the identity is the expected one.
Fix: remove the other credentials from the instance.
Not the fix: giving the rights to both.
"""

from __future__ import annotations

from opskit.checks.interface import Finding, observed, passed, skipped, undecided, warned
from opskit.facts.instance_role import InstanceRole
from opskit.facts.probe import InstanceProbe


def check(role: InstanceRole, probe: InstanceProbe) -> Finding:
    """Compare the two identities."""
    if role.role_name is None:
        return skipped("the instance has no role")
    if not probe.caller_arn:
        return undecided(
            f"the instance could not say who it is ({probe.caller_error or 'no answer'})"
        )
    if f":assumed-role/{role.role_name}/" in probe.caller_arn:
        return passed(f"the instance acts as {role.role_name}", observed(probe.caller_arn))
    return warned(
        f"programs on the instance act as {probe.caller_arn}, not as its role {role.role_name}",
        observed("sts:GetCallerIdentity on the instance"),
    )
