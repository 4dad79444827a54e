"""Plans security group changes: attach the group that an end has lost, else add a rule for the peer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from opskit.checks.fix import Advice, Fix, Remedy
from opskit.checks.fix_commands import call
from opskit.checks.fix_effects import apply_to
from opskit.checks.network.attachments import attach
from opskit.checks.network.fix_context import (
    DEFAULT_GROUP,
    MEMBERS_OF_INTERFACES,
    EndpointRole,
    NetworkFixContext,
)
from opskit.commands import AwsCall
from opskit.facts.security_groups import SecurityGroup, SecurityGroups
from opskit.reachability.path import (
    Checkpoint,
    CheckpointKind,
    Network,
    Path,
    PathEndpoint,
    PathOutcome,
    trace,
)

MOST_NAMED = 6
"""Members of a group that a sentence names; a large group has hundreds."""
NO_RANGE = "An address range, or 0.0.0.0/0, is not the fix: it admits more than the app."
OPERATIONS = {
    CheckpointKind.INGRESS: ("AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"),
    CheckpointKind.EGRESS: ("AuthorizeSecurityGroupEgress", "RevokeSecurityGroupEgress"),
}


def allow(context: NetworkFixContext, network: Network, path: Path, broken: Checkpoint) -> Remedy:
    """Attach the lost group; else add a rule to the end's own group that names the peer's group."""
    return attach(context, network, path, broken.kind) or _rule(context, network, path, broken.kind)


@dataclass(frozen=True, slots=True)
class _Choice:
    """A group of an end, with its other members."""

    group: SecurityGroup
    outsiders: tuple[str, ...]

    @property
    def rank(self) -> tuple[bool, bool]:
        """Lower is better: a group of its own before shared ones, the default group last."""
        return self.group.name == DEFAULT_GROUP, bool(self.outsiders)

    @property
    def others(self) -> str:
        """A description of the group's other members; empty when none is known."""
        if self.group.name == DEFAULT_GROUP:
            known = ", ".join(self.outsiders[:MOST_NAMED])
            return f"everything without a group of its own{f', such as {known}' if known else ''}"
        more = len(self.outsiders) - MOST_NAMED
        rest = (f"{more} more",) if more > 0 else ()
        return " and ".join((*self.outsiders[:MOST_NAMED], *rest))


def _rule(context: NetworkFixContext, network: Network, path: Path, kind: CheckpointKind) -> Remedy:
    (own_role, own_end), (peer_role, peer_end) = context.own_and_peer(path, kind)
    own = _choice(context, network, own_role, own_end)
    if own is None or own.group.name == DEFAULT_GROUP:
        return _no_group(own_end, path, kind)
    peer = _choice(context, network, peer_role, peer_end)
    for chosen in (peer, None):
        fix = _commands(kind, own.group, path.port, _peer(chosen, peer_end))
        if _opens(network, path, kind, fix):
            labelled = _labelled(fix, kind, path.port, own, chosen, peer_end)
            if context.knows_interfaces:
                return labelled
            unread = _unread_members([own, *([chosen] if chosen else [])])
            return replace(labelled, caution=f"{labelled.caution} {unread}".strip())
    return Advice(
        f"No command is offered: a rule of {own.group.label} for {peer_end.name} would not decide."
    )


def _choice(
    context: NetworkFixContext, network: Network, role: EndpointRole, end: PathEndpoint
) -> _Choice | None:
    """The group of an end that has the fewest other members."""
    known = [network.groups.by_id[g] for g in end.group_ids if g in network.groups.by_id]
    choices = [_Choice(g, context.outsiders(g.group_id, role)) for g in known]
    return min(choices, key=lambda c: c.rank, default=None)


def _peer(chosen: _Choice | None, end: PathEndpoint) -> dict[str, Any]:
    """The peer of a rule: a group, or a single address where group references do not apply."""
    if chosen is not None:
        return {"UserIdGroupPairs": [{"GroupId": chosen.group.group_id}]}
    if ":" in end.address:
        return {"Ipv6Ranges": [{"CidrIpv6": f"{end.address}/128"}]}
    return {"IpRanges": [{"CidrIp": f"{end.address}/32"}]}


def _commands(kind: CheckpointKind, own: SecurityGroup, port: int, peer: dict[str, Any]) -> Fix:
    rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **peer}
    arguments = {"GroupId": own.group_id, "IpPermissions": [rule]}
    does, undoes = OPERATIONS[kind]
    return Fix(
        (call("ec2", does, **arguments),),
        undo=(call("ec2", undoes, **arguments),),
    )


def _opens(network: Network, path: Path, kind: CheckpointKind, fix: Fix) -> bool:
    """Whether a rule allows the path at its checkpoint."""
    calls = [c for c in fix.commands if isinstance(c, AwsCall)]
    groups: SecurityGroups = apply_to([network.groups], calls)[SecurityGroups]
    changed = replace(network, groups=groups)
    judged = trace(changed, path.source, path.destination, path.port, path.client_ports)
    return all(c.outcome is PathOutcome.PASS for c in judged.checkpoints if c.kind is kind)


def _labelled(
    fix: Fix,
    kind: CheckpointKind,
    port: int,
    own: _Choice,
    peer: _Choice | None,
    peer_end: PathEndpoint,
) -> Fix:
    """The fix with a description of everything else that its rule affects."""
    notes = []
    if own.others and kind is CheckpointKind.INGRESS:
        notes.append(
            f"{own.group.label} is carried by {own.others} too, which then take {port} as well."
        )
    if own.others and kind is CheckpointKind.EGRESS:
        notes.append(
            f"{own.group.label} is carried by {own.others} too: the rule lets them out as well."
        )
    if peer is not None and peer.others:
        verb = "may connect" if kind is CheckpointKind.INGRESS else "may be connected to"
        notes.append(
            f"{peer.group.label} is carried by {peer.others} too, which then {verb} as well."
        )
    if peer is None:
        notes.append(f"References to groups do not count here, so it names {peer_end.address}.")
    elif kind is CheckpointKind.INGRESS:
        notes.append(NO_RANGE)
    return replace(fix, caution=" ".join(notes))


def _unread_members(choices: list[_Choice]) -> str:
    labels = " or ".join(c.group.label for c in choices)
    return f"Whether {MEMBERS_OF_INTERFACES} carry {labels} too is not known (ec2:DescribeNetworkInterfaces)."


def _no_group(end: PathEndpoint, path: Path, kind: CheckpointKind) -> Advice:
    """Advice for an end that only has the VPC's default group."""
    peer = path.source.name if kind is CheckpointKind.INGRESS else path.destination.name
    preposition = "from" if kind is CheckpointKind.INGRESS else "to"
    return Advice(
        f"No command is offered: {end.name} carries only the VPC's default group, which other resources "
        f"carry too. Attach a group of its own to it, with a rule for tcp {path.port} {preposition} {peer}."
    )
