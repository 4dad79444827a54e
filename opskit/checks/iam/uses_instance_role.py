"""Programs on the instance use the instance's role.

Means: keys in the environment or in ~/.aws take precedence over the instance profile, so another
identity's permissions apply; or the metadata service's answers do not reach a container, so its programs
have no identity ("Unable to locate credentials").
Found by: sts:GetCallerIdentity on the instance, compared with the profile's role; credentials in the
environment of containers and in ~/.aws; the caller that AWS names where the app quotes a denial; and, where
IMDSv2 is required, the metadata options' hop limit with the containers' network mode.
Looks alike: a role without permissions; there the identity is the expected one.
Fix: remove the other credentials from the instance; for containers behind a bridge, a hop limit of 2.
Not the fix: granting the permissions to both; access keys in the container; HttpTokens optional.
"""

from __future__ import annotations

from opskit import denial_message
from opskit.checks.containers import app_containers
from opskit.checks.fix import Advice, Fix
from opskit.checks.fix_commands import call
from opskit.checks.interface import (
    Evidence,
    Finding,
    failed,
    observed,
    passed,
    reported,
    skipped,
    undecided,
    warned,
)
from opskit.checks.seen import Seen, one_of
from opskit.facts.probe import InstanceProbe
from opskit.probe.response import Container
from opskit.symptom import SymptomKind
from opskit.workload.interface import Workload, WorkloadRole

leads_to = (SymptomKind.CREDENTIAL_UNREADABLE,)
passes_on = one_of(Seen(InstanceProbe, "caller_arn"))
HOPS_OF_BRIDGE = 2
"""The hop limit for a container: its bridge is one more hop than the instance itself."""


def check(app: Workload, role: WorkloadRole, probe: InstanceProbe) -> Finding:
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
    cut_off = _cut_off(app, probe)
    if cut_off and _finds_no_credentials(probe):
        quoted = observed("the answer of the app's health URL says that it finds no credentials")
        return failed(
            _why_cut_off(cut_off, name),
            quoted,
            *_hop_evidence(app, cut_off),
            fix=_raise_limit(app, cut_off),
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
    if cut_off and not (probe.health and probe.health.is_good):
        return undecided(
            f"{_why_cut_off(cut_off, name)}; whether the app needs them is not known",
        )
    if not probe.caller_arn:
        return undecided(f"{noun} could not say who it is ({probe.caller_error or 'no answer'})")
    return passed(f"{noun} acts as {name}", observed(probe.caller_arn))


def _refused_caller(probe: InstanceProbe) -> str:
    """The caller that AWS refused, where the unhealthy app quotes it; empty otherwise."""
    if probe.health is None or probe.health.is_good:
        return ""
    return denial_message.parse(probe.health.body).principal


def _finds_no_credentials(probe: InstanceProbe) -> bool:
    """Whether the unhealthy app says that its SDK finds no credentials."""
    health = probe.health
    return bool(health and not health.is_good and denial_message.names_no_credentials(health.body))


def _cut_off(app: Workload, probe: InstanceProbe) -> tuple[Container, ...]:
    """The app's containers that a token of the metadata service does not reach.

    Source: Amazon EC2 User Guide, "Configure the Instance Metadata Service options".
    """
    limit = app.token_hop_limit
    if limit is None or limit >= HOPS_OF_BRIDGE:
        return ()
    return tuple(c for c in app_containers(probe) if c.is_behind_bridge)


def _why_cut_off(containers: tuple[Container, ...], role_name: str) -> str:
    names = " and ".join(c.name for c in containers)
    return (
        f"no credentials of {role_name} reach {names}: the network is a bridge, and the hop limit of the "
        f"instance's metadata lets no token cross it"
    )


def _hop_evidence(app: Workload, containers: tuple[Container, ...]) -> tuple[Evidence, ...]:
    return (
        reported(
            f"ec2:DescribeInstances: HttpTokens required, HttpPutResponseHopLimit {app.token_hop_limit}"
        ),
        *(observed(f"network mode of {c.name}: {c.network}") for c in containers),
    )


def _raise_limit(app: Workload, containers: tuple[Container, ...]) -> Fix:
    """The call that lets a token cross the bridge, and the restart of an app that started without one."""
    names = [c.name for c in containers]
    set_limit, undo = (
        call(
            "ec2",
            "ModifyInstanceMetadataOptions",
            InstanceId=app.identifier,
            HttpPutResponseHopLimit=limit,
        )
        for limit in (HOPS_OF_BRIDGE, app.token_hop_limit)
    )
    return Fix(
        (set_limit, *app.restart_commands(names)),
        undo=(undo,),
        restarts=app.restart_names(names),
        caution="Every container on the instance can then get the role's credentials.",
    )


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
