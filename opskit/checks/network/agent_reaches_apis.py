"""The agent's way to the APIs of Systems Manager is open.

Means: the agent on the instance is offline, so that nothing can be asked there; a credential that the app
reads by the same way is not read either, at its next start.
Found by: the transports' refusals, which show that the agent is not connected; and the path model from
the app's interface to port 443 of ssm and ssmmessages: interface endpoints with their groups, policies and
private DNS, network ACLs, and the default route.
Looks alike: an agent that has stopped, a machine without memory, a role without
AmazonSSMManagedInstanceCore: there the way is open.
Fix: the one rule, route or setting that is missing.
Not the fix: opening port 22 to the internet, or a restart of the agent.
"""

from __future__ import annotations

from opskit.checks.fix import Advice, Fix, Remedy
from opskit.checks.fix_commands import call
from opskit.checks.interface import Finding, derived, failed, not_reached, observed, passed, skipped
from opskit.checks.network.api_paths import ApiPath, ApiPaths, ApiReason
from opskit.checks.network.fix_context import to_vpc_endpoint
from opskit.checks.network.fixes import open_paths
from opskit.checks.seen import Seen, one_of
from opskit.facts.interface import Fact, Known, Unknown
from opskit.facts.probe import InstanceProbe
from opskit.facts.region import Region
from opskit.facts.vpc_endpoints import VpcEndpoints
from opskit.reachability.group_members import GroupMembers
from opskit.reachability.path import PathOutcome
from opskit.symptom import SymptomKind
from opskit.workload.interface import Workload

passes_on = one_of(Seen(InstanceProbe, "transport"))
leads_to = (SymptomKind.AGENT_OFFLINE,)
COSTS = "An interface endpoint costs money for every hour and subnet."


def check(
    app: Workload,
    region: Region,
    probe: Fact[InstanceProbe],
    ways: Fact[ApiPaths],
    endpoints: Fact[VpcEndpoints],
    members: Fact[GroupMembers],
) -> Finding:
    """Judge the way of an agent that the transports found offline."""
    if isinstance(probe, Known) and probe.value.transport:
        return passed(f"{app.label} was asked by {probe.value.transport}", observed("it answered"))
    if isinstance(probe, Known) or SymptomKind.AGENT_OFFLINE not in probe.waits_for:
        return skipped("whether the agent is connected was not seen")
    if isinstance(ways, Unknown):
        return not_reached(ways.reason, (), *ways.missing)
    return judge_ways(app, region, ways.value, endpoints, members) or _open(ways.value)


def judge_ways(
    app: Workload,
    region: Region,
    ways: ApiPaths,
    endpoints: Fact[VpcEndpoints],
    members: Fact[GroupMembers],
) -> Finding | None:
    """The finding for an agent that is offline; None where no way is certainly closed."""
    dropped = ways.dropped
    if not dropped:
        return None
    names = " and ".join(p.service for p in dropped)
    details = "; ".join(dict.fromkeys(p.detail for p in dropped))
    lines = [derived(p.path.line) for p in dropped if p.path is not None]
    return failed(
        f"{app.label} has no way to {names}: {details}",
        observed("its agent is not connected to Systems Manager"),
        *lines,
        fix=_remedy(
            app, region, ways, endpoints, members.value if isinstance(members, Known) else None
        ),
    )


def _open(ways: ApiPaths) -> Finding:
    unknown = [p for p in ways.all if p.outcome is PathOutcome.UNKNOWN]
    if unknown:
        details = "; ".join(dict.fromkeys(f"{p.service}: {p.detail}" for p in unknown))
        missing = dict.fromkeys(p.missing for p in unknown if p.missing)
        return not_reached(f"the agent's way is not wholly known: {details}", (), *missing)
    return skipped("every rule lets the agent reach its APIs: something else keeps it offline")


def _remedy(
    app: Workload,
    region: Region,
    ways: ApiPaths,
    endpoints: Fact[VpcEndpoints],
    members: GroupMembers | None,
) -> Remedy:
    dropped = ways.dropped
    reasons = {p.reason for p in dropped}
    if reasons == {ApiReason.RULES}:
        paths = [p.path for p in dropped if p.path is not None]
        return open_paths(to_vpc_endpoint(members), ways.network, paths, lambda path: path.broken)
    if reasons == {ApiReason.PRIVATE_DNS_OFF}:
        return _private_dns(dropped)
    if reasons <= {ApiReason.NO_WAY, ApiReason.BLACKHOLE, ApiReason.NO_PUBLIC_ADDRESS}:
        model = _sibling(app, endpoints)
        if model is not None:
            return _endpoints_like(model, app, region, dropped)
        return Advice(_other_ways(app, dropped))
    return Advice(_by_hand(app, dropped))


def _private_dns(dropped: tuple[ApiPath, ...]) -> Fix:
    ids = [p.endpoint.endpoint_id for p in dropped if p.endpoint is not None]
    return Fix(
        tuple(
            call("ec2", "ModifyVpcEndpoint", VpcEndpointId=i, PrivateDnsEnabled=True) for i in ids
        ),
        undo=tuple(
            call("ec2", "ModifyVpcEndpoint", VpcEndpointId=i, PrivateDnsEnabled=False) for i in ids
        ),
        caution="The public names then lead every client of the VPC to the endpoints, whose groups have to "
        "admit them all.",
    )


def _sibling(
    app: Workload, endpoints: Fact[VpcEndpoints]
) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Subnets and groups of an endpoint for another API of the agent; None where the VPC has none."""
    if isinstance(endpoints, Unknown):
        return None
    for service in ("ssm", "ssmmessages", "ec2messages"):
        for endpoint in endpoints.value.of(app.vpc_id, service):
            if endpoint.has_private_dns:
                return endpoint.subnet_ids, endpoint.group_ids
    return None


def _endpoints_like(
    model: tuple[tuple[str, ...], tuple[str, ...]],
    app: Workload,
    region: Region,
    dropped: tuple[ApiPath, ...],
) -> Fix:
    """An endpoint for each API, in the subnets and with the groups of the one that is there."""
    subnets, groups = model
    return Fix(
        tuple(
            call(
                "ec2",
                "CreateVpcEndpoint",
                VpcId=app.vpc_id,
                ServiceName=f"com.amazonaws.{region.name}.{p.service}",
                VpcEndpointType="Interface",
                SubnetIds=list(subnets),
                SecurityGroupIds=list(groups),
                PrivateDnsEnabled=True,
            )
            for p in dropped
        ),
        no_undo="the endpoint's id is known only afterwards: ec2:DeleteVpcEndpoints takes it",
        caution=COSTS,
        ask="The owner of the account's costs has to agree",
    )


def _other_ways(app: Workload, dropped: tuple[ApiPath, ...]) -> str:
    names = ", ".join(p.service for p in dropped)
    return (
        f"Give the subnet {app.subnet_id} a way out, by one of: interface endpoints with private DNS for "
        f"{names} in {app.vpc_id} (ec2:CreateVpcEndpoint), with a group that admits 443 from the app; a "
        "default route to a NAT gateway that is available; in a public subnet a public address. No command "
        f"is offered: each costs money or opens a way, which its owner has to choose. {COSTS}"
    )


def _by_hand(app: Workload, dropped: tuple[ApiPath, ...]) -> str:
    steps = {
        ApiReason.POLICY: "allow the named action in the endpoint's policy (ec2:ModifyVpcEndpoint), and "
        "leave its other statements",
        ApiReason.ENDPOINT_STATE: "bring the endpoint to the state available, or delete it so that the name "
        "leads elsewhere",
    }
    wanted = dict.fromkeys(steps.get(p.reason, p.detail) for p in dropped if p.reason)
    return (
        f"For {app.label}: {'; '.join(wanted)}. No command is offered: the endpoint serves its whole VPC, "
        "and its owner decides."
    )
