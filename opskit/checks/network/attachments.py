"""Plans to reattach the security group that the app or its database has lost.

A group counts as lost only with evidence: its rules, or a reference to it in the other end's rules, would
allow the connection, and its members are the end's siblings or no known resource.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from opskit.checks.fix import Advice, Danger, Fix, Remedy
from opskit.checks.fix_commands import call
from opskit.checks.fix_effects.security_groups import MOST_GROUPS
from opskit.checks.network.fix_context import (
    DEFAULT_GROUP,
    MEMBERS_OF_INTERFACES,
    EndpointRole,
    NetworkFixContext,
)
from opskit.checks.network.opened_flows import opened_by
from opskit.commands import AwsCall
from opskit.facts.security_groups import SecurityGroup
from opskit.reachability.group_members import GroupMembers, MemberKind
from opskit.reachability.path import CheckpointKind, Network, Path, PathEndpoint, PathOutcome, trace
from opskit.workload.interface import NetworkInterface

KIN = {
    EndpointRole.APP: {MemberKind.APP, MemberKind.SIBLING},
    EndpointRole.DATABASE: {MemberKind.DATABASE, MemberKind.OTHER_DATABASE},
}
"""Role -> the members whose groups an end of this role would have too."""
EVERYWHERE = ("0.0.0.0/0", "::/0")


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A group that would allow the connection if an end had it.

    Attributes:
        kin: labels of the members that have it; empty where no known member does.
    """

    role: EndpointRole
    end: PathEndpoint
    group: SecurityGroup
    kin: tuple[str, ...]

    @property
    def words(self) -> str:
        """A description of the attachment."""
        return f"{self.group.label} to {self.end.name}"


def attach(
    context: NetworkFixContext, network: Network, path: Path, kind: CheckpointKind
) -> Remedy | None:
    """Attach the one group that was lost; None where there is no evidence of one."""
    members = context.members
    if members is None or not members.is_complete or not context.may_attach:
        return None
    candidates = list(_candidates(context, members, network, path, kind))
    chosen = [c for c in candidates if c.kin] or candidates
    if not chosen:
        return None
    if len(chosen) > 1:
        listed = ", or ".join(c.words for c in chosen)
        return Advice(
            f"No command is offered: several groups would let the connection through. Attach the one that "
            f"was lost: {listed}."
        )
    candidate = chosen[0]
    if len(candidate.end.group_ids) >= MOST_GROUPS:
        return Advice(
            f"{candidate.words} cannot be attached: an interface carries {MOST_GROUPS} groups at most."
        )
    caution = opened_by(network.groups, path, candidate.end, candidate.group)
    remedy = (
        _to_app(members, candidate)
        if candidate.role is EndpointRole.APP
        else _to_database(members, candidate)
    )
    if isinstance(remedy, Advice):
        return remedy
    return replace(remedy, caution=" ".join(filter(None, (caution, remedy.caution))))


def _candidates(
    context: NetworkFixContext,
    members: GroupMembers,
    network: Network,
    path: Path,
    kind: CheckpointKind,
) -> Iterator[_Candidate]:
    for role, end in context.ends(path):
        if role not in KIN or end.subnet is None:
            continue
        for group in network.groups.by_id.values():
            is_here = group.vpc_id == end.subnet.vpc_id and group.name != DEFAULT_GROUP
            if not is_here or group.group_id in end.group_ids:
                continue
            carriers = members.of(group.group_id)
            if any(m.kind not in KIN[role] for m in carriers):
                continue
            if role is EndpointRole.APP:
                is_lost = bool(carriers) or _may_be_the_apps(members, group, kind)
            else:
                # An end with a group of its own has not lost another database's group.
                is_foreign = bool(carriers) and _has_own_group(context, network, end)
                is_lost = not is_foreign and not _is_open_to_all(group)
            if is_lost and _opens(network, path, kind, end, group):
                yield _Candidate(role, end, group, tuple(m.label for m in carriers))


def _may_be_the_apps(members: GroupMembers, group: SecurityGroup, kind: CheckpointKind) -> bool:
    """Whether a group without members may be the app's.

    A new group allows all egress, which is no evidence of its owner; siblings without the group are
    evidence that it is not the app's.
    """
    is_named = kind is CheckpointKind.INGRESS and not _is_open_to_all(group)
    return is_named and members.knows_load_balancer and not members.has(MemberKind.SIBLING)


def _is_open_to_all(group: SecurityGroup) -> bool:
    return any(c in EVERYWHERE for rule in group.ingress for c in rule.cidrs)


def _has_own_group(context: NetworkFixContext, network: Network, end: PathEndpoint) -> bool:
    """Whether an end has a group that no other known member has."""
    own = [network.groups.by_id[g] for g in end.group_ids if g in network.groups.by_id]
    return any(
        g.name != DEFAULT_GROUP and not context.outsiders(g.group_id, EndpointRole.DATABASE)
        for g in own
    )


def _opens(
    network: Network, path: Path, kind: CheckpointKind, end: PathEndpoint, group: SecurityGroup
) -> bool:
    """Whether the connection passes a checkpoint once an end has a group."""
    changed = replace(end, group_ids=(*end.group_ids, group.group_id))
    source = changed if end is path.source else path.source
    destination = changed if end is path.destination else path.destination
    judged = trace(network, source, destination, path.port, path.client_ports)
    return all(c.outcome is PathOutcome.PASS for c in judged.checkpoints if c.kind is kind)


def _to_app(members: GroupMembers, candidate: _Candidate) -> Remedy:
    """Attach a group to the interface by which the app connects."""
    advice = members.app.group_advice(candidate.group.label)
    if advice:
        return Advice(advice)
    interface = _interface(members, candidate.end)
    if interface is None:
        return Advice(
            f"Attach {candidate.words}: the id of its network interface is not known here."
        )
    location = {"NetworkInterfaceId": interface.interface_id}
    present = list(candidate.end.group_ids)
    groups = [*present, candidate.group.group_id]
    operation = "ModifyNetworkInterfaceAttribute"
    return Fix(
        (call("ec2", operation, **location, Groups=groups),),
        undo=(call("ec2", operation, **location, Groups=present),),
        ask=_ask(members, candidate, "app"),
        caution=_carried(candidate),
    )


def _interface(members: GroupMembers, end: PathEndpoint) -> NetworkInterface | None:
    return next(
        (
            i
            for i in members.app.interfaces
            if i.interface_id and end.address in (i.address, *i.ipv6_addresses)
        ),
        None,
    )


def _to_database(members: GroupMembers, candidate: _Candidate) -> Remedy:
    database = members.database
    if database.cluster_id is not None:
        return Advice(
            f"Attach {candidate.group.label} to cluster {database.cluster_id} (rds:ModifyDBCluster): its "
            "instances take their security groups from it."
        )
    location = {"DBInstanceIdentifier": database.identifier}
    present = list(candidate.end.group_ids)
    groups = [*present, candidate.group.group_id]
    return Fix(
        (_modify(location, groups),),
        undo=(_modify(location, present),),
        dangers=(Danger.WIDENS_ACCESS,),
        ask=_ask(members, candidate, "database"),
        caution=_carried(candidate),
    )


def _modify(location: dict[str, str], groups: list[str]) -> AwsCall:
    return call(
        "rds", "ModifyDBInstance", **location, VpcSecurityGroupIds=groups, ApplyImmediately=True
    )


def _carried(candidate: _Candidate) -> str:
    return (
        f"{candidate.group.label} is carried by {' and '.join(candidate.kin)}."
        if candidate.kin
        else ""
    )


def _ask(members: GroupMembers, candidate: _Candidate, whose: str) -> str:
    if candidate.kin:
        return ""
    confirm = f"Confirm that {candidate.group.label} is the {whose}'s own group: "
    if members.knows_interfaces:
        return f"{confirm}no network interface that is known here carries it"
    return (
        f"{confirm}no instance, database or load balancer that is known here carries it; whether "
        f"{MEMBERS_OF_INTERFACES} do was not read (ec2:DescribeNetworkInterfaces)"
    )
