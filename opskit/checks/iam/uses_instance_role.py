"""Programs on the instance use the instance's role.

Means: keys in the environment or in ~/.aws take precedence over the instance profile, so another
identity's permissions apply.
Found by: sts:GetCallerIdentity on the instance, compared with the profile's role; credentials in the
environment of containers and in ~/.aws; and the caller that AWS names where the app quotes a denial.
Looks alike: a role without permissions; there the identity is the expected one.
Fix: remove the other credentials from the instance.
Not the fix: granting the permissions to both.
"""

from __future__ import annotations

from opskit import denial_message
from opskit.checks.fix import Advice
from opskit.checks.interface import (
    Finding,
    failed,
    observed,
    passed,
    skipped,
    undecided,
    warned,
)
from opskit.checks.seen import Seen, one_of
from opskit.facts.probe import InstanceProbe
from opskit.symptom import SymptomKind
from opskit.workload.interface import WorkloadRole

leads_to = (SymptomKind.CREDENTIAL_UNREADABLE,)
passes_on = one_of(Seen(InstanceProbe, "caller_arn"))


def check(role: WorkloadRole, probe: InstanceProbe) -> Finding:
    """Compare the identities."""
    name, noun = role.role_name, probe.workload_noun
    if name is None:
        return skipped(f"{noun} has no role")
    refused = _refused_caller(probe)
    if refused and not _is_session(refused, name):
        return failed(
            f"the app acts as {refused}, not as its role {name}, and AWS refuses it",
            observed("the answer of the app's health URL names the caller"),
            *(observed(f"{place} on {noun}") for place in probe.result.other_credentials),
            fix=_advice(probe, refused, name),
        )
    if probe.caller_arn and not _is_session(probe.caller_arn, name):
        return warned(
            f"programs on {noun} act as {probe.caller_arn}, not as its role {name}",
            observed(f"sts:GetCallerIdentity on {noun}"),
            fix=_advice(probe, probe.caller_arn, name),
        )
    if probe.result.other_credentials:
        places = ", ".join(probe.result.other_credentials)
        return warned(
            f"{noun} has other credentials than those of {name}, and programs prefer them: {places}",
            observed(f"on {noun}; whose they are was not tried"),
            fix=_advice(probe, "", name),
        )
    if not probe.caller_arn:
        return undecided(f"{noun} could not say who it is ({probe.caller_error or 'no answer'})")
    return passed(f"{noun} acts as {name}", observed(probe.caller_arn))


def _refused_caller(probe: InstanceProbe) -> str:
    """The caller that AWS refused, where the unhealthy app quotes it; empty otherwise."""
    if probe.health is None or probe.health.is_good:
        return ""
    return denial_message.parse(probe.health.body).principal


def _is_session(arn: str, role_name: str) -> bool:
    return f":assumed-role/{role_name}/" in arn


def _advice(probe: InstanceProbe, caller_arn: str, role_name: str) -> Advice:
    """Advice on where credentials of this kind come from, and how to find them."""
    if probe.result.other_credentials:
        return Advice(
            f"Remove the credentials that come before those of {role_name}: "
            f"{', '.join(probe.result.other_credentials)}. Then restart the app. No command is offered: "
            "another program may need them."
        )
    if ":user/" in caller_arn:
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
