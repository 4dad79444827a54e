"""Evaluates one TCP connection through a VPC, checkpoint by checkpoint, in both directions.

Source: Amazon VPC User Guide, security groups, network ACLs, route tables, VPC peering.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum, auto

from opskit.facts.interface import Fact, Known, Unknown
from opskit.facts.prefix_lists import PrefixLists
from opskit.facts.routes import RouteTable, RouteTables
from opskit.facts.security_group_rule_ids import RuleIds
from opskit.facts.security_groups import SecurityGroup, SecurityGroups
from opskit.facts.subnets import NetworkAcl, NetworkAcls, Subnet
from opskit.facts.vpc_scope import Peerings
from opskit.reachability import network_acl, route, security_group
from opskit.reachability.addresses import PortRange, intersect, without
from opskit.reachability.network_acl import PortRangeDecision
from opskit.reachability.route import RouteResult
from opskit.reachability.security_group import GroupDecision, IngressMismatch


class CheckpointKind(StrEnum):
    """The checkpoints in the order of travel."""

    EGRESS = "security group egress"
    ACL_OUT = "network ACL out"
    ROUTE = "route"
    ACL_IN = "network ACL in"
    INGRESS = "security group ingress"
    REPLY_ACL_OUT = "network ACL out, reply"
    REPLY_ROUTE = "route back"
    REPLY_ACL_IN = "network ACL in, reply"


class PathOutcome(StrEnum):
    """The outcome of a checkpoint, or of a whole path, for the connection."""

    PASS = "pass"
    PART = "part"
    UNKNOWN = "unknown"
    DROP = "drop"


class Reason(Enum):
    """The reason why a checkpoint does not pass everything."""

    EGRESS = auto()
    NO_RULE = auto()
    OTHER_GROUP = auto()
    OTHER_PORT = auto()
    OTHER_ADDRESS = auto()
    NO_ENTRY = auto()
    DENY_ENTRY = auto()
    NARROW_REPLY = auto()
    BLACKHOLE = auto()
    NO_ROUTE = auto()
    MAIN_TABLE = auto()
    NOT_KNOWN = auto()


class UnknownBecause(Enum):
    """The reason why a checkpoint cannot be judged."""

    NOT_READ = auto()
    """A group, prefix list, ACL or route table was not read."""
    NOT_MODELLED = auto()
    """AWS decides by something that the path model does not contain, so only a connection tells."""


INGRESS_REASONS = {
    IngressMismatch.NO_RULE: Reason.NO_RULE,
    IngressMismatch.OTHER_GROUP: Reason.OTHER_GROUP,
    IngressMismatch.OTHER_PORT: Reason.OTHER_PORT,
    IngressMismatch.OTHER_ADDRESS: Reason.OTHER_ADDRESS,
}


@dataclass(frozen=True, slots=True)
class PathEndpoint:
    """One end of a connection: an interface, or an address that an interface may get.

    Attributes:
        name: for a reader, such as `linkbox-backend-1 eth0`.
        subnet: None for an end outside all known VPCs.
    """

    name: str
    address: str
    subnet: Subnet | None
    group_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Network:
    """The network's rules and routes; None where they could not be read.

    Attributes:
        acls_unread, tables_unread: why they could not, as a clause.
    """

    groups: SecurityGroups
    acls: NetworkAcls | None
    tables: RouteTables | None
    peerings: Peerings | None = None
    lists: PrefixLists = field(default_factory=lambda: PrefixLists({}))
    rule_ids: RuleIds | None = None
    acls_unread: str = ""
    tables_unread: str = ""

    @classmethod
    def of_facts(
        cls,
        groups: SecurityGroups,
        acls: Fact[NetworkAcls],
        tables: Fact[RouteTables],
        peerings: Fact[Peerings],
        lists: Fact[PrefixLists],
        rule_ids: Fact[RuleIds] | None = None,
    ) -> Network:
        """The network as far as its facts are known, with the reasons for what could not be read."""
        return cls(
            groups,
            acls.value if isinstance(acls, Known) else None,
            tables.value if isinstance(tables, Known) else None,
            peerings.value if isinstance(peerings, Known) else None,
            lists.value if isinstance(lists, Known) else PrefixLists({}),
            rule_ids.value if isinstance(rule_ids, Known) else None,
            acls.reason if isinstance(acls, Unknown) else "",
            tables.reason if isinstance(tables, Unknown) else "",
        )


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One checkpoint of a path and its outcome.

    Attributes:
        location: the groups, ACL or route table that decide, name first.
        decided_by: a description of the deciding rule, or that there is none.
        dropped: for an ACL, the ports that it drops, with the deciding entries.
        ids: of the groups, ACL or table that a fix would change.
        unknown_because: why the outcome is unknown; None where it is known.
    """

    kind: CheckpointKind
    location: str
    outcome: PathOutcome
    decided_by: str
    reason: Reason | None = None
    dropped: tuple[PortRangeDecision, ...] = ()
    ids: tuple[str, ...] = ()
    route: route.RouteDecision | None = None
    unknown_because: UnknownBecause | None = None

    @property
    def short(self) -> str:
        """The location without the ids of resources that have a name."""
        return re.sub(r"(\S) \([a-z]+-[0-9a-z]+\)", r"\1", self.location)


@dataclass(frozen=True, slots=True)
class Path:
    """The judged connection from `source` to `destination`.

    Attributes:
        client_ports: the ports from which the client may connect.
        open_ports: those of them from which a connection succeeds.
    """

    source: PathEndpoint
    destination: PathEndpoint
    port: int
    client_ports: PortRange
    checkpoints: tuple[Checkpoint, ...]
    open_ports: tuple[PortRange, ...]

    @property
    def outcome(self) -> PathOutcome:
        """Whether connections succeed: all, some, none, or unknown."""
        outcomes = {c.outcome for c in self.checkpoints}
        if PathOutcome.DROP in outcomes or not self.open_ports:
            return PathOutcome.DROP
        if PathOutcome.UNKNOWN in outcomes:
            return PathOutcome.UNKNOWN
        return PathOutcome.PART if PathOutcome.PART in outcomes else PathOutcome.PASS

    @property
    def broken(self) -> tuple[Checkpoint, ...]:
        """The checkpoints that drop something, in the order of travel."""
        return tuple(
            c for c in self.checkpoints if c.outcome in (PathOutcome.DROP, PathOutcome.PART)
        )

    @property
    def line(self) -> str:
        """The path in one line, up to the first broken link, which is marked with an x."""
        parts = [self.source.name]
        for checkpoint in self.checkpoints:
            if checkpoint.outcome in (PathOutcome.DROP, PathOutcome.PART):
                return " -> ".join(parts) + f" x {checkpoint.short}: {checkpoint.decided_by}"
            parts.append(
                f"{checkpoint.short} {'?' if checkpoint.outcome is PathOutcome.UNKNOWN else 'ok'}"
            )
        return " -> ".join([*parts, f"{self.destination.name}:{self.port}"])


def trace(
    network: Network,
    source: PathEndpoint,
    destination: PathEndpoint,
    port: int,
    client_ports: PortRange,
) -> Path:
    """Judge TCP from `source` to `destination`:`port`, from any of the client's ports."""
    forward = _Leg(network, source, destination)
    back = _Leg(network, destination, source)
    same_subnet = source.subnet is not None and source.subnet == destination.subnet
    ports = (port, port)
    passed = [_groups(forward, CheckpointKind.EGRESS, port)]
    if not same_subnet:
        passed.append(_acl(forward, CheckpointKind.ACL_OUT, ports))
        passed.append(_route(forward, CheckpointKind.ROUTE))
        passed.append(_acl(forward, CheckpointKind.ACL_IN, ports))
    passed.append(_groups(forward, CheckpointKind.INGRESS, port))
    if not same_subnet:
        passed.append(_acl(back, CheckpointKind.REPLY_ACL_OUT, client_ports))
        passed.append(_route(back, CheckpointKind.REPLY_ROUTE))
        passed.append(_acl(back, CheckpointKind.REPLY_ACL_IN, client_ports))
    checkpoints = tuple(c for c in passed if c is not None)
    open_ports: tuple[PortRange, ...] = (client_ports,)
    for checkpoint in checkpoints:
        if (
            checkpoint.kind in (CheckpointKind.REPLY_ACL_OUT, CheckpointKind.REPLY_ACL_IN)
            and checkpoint.dropped
        ):
            open_ports = intersect(open_ports, _open(client_ports, checkpoint.dropped))
    return Path(source, destination, port, client_ports, checkpoints, open_ports)


@dataclass(frozen=True, slots=True)
class _Leg:
    """One direction of the connection."""

    network: Network
    source: PathEndpoint
    destination: PathEndpoint

    def groups_of(self, end: PathEndpoint) -> tuple[SecurityGroup, ...]:
        known = self.network.groups.by_id
        return tuple(known[g] for g in end.group_ids if g in known)

    def referable(self, end: PathEndpoint) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The groups of an end that rules can reference, and those that they may be able to.

        References apply within one VPC and over an active peering; over other connections they
        depend on settings that are not modelled.
        """
        here, other = self.source.subnet, self.destination.subnet
        if here is None or other is None:
            return (), ()
        if here.vpc_id == other.vpc_id:
            return end.group_ids, ()
        peerings = self.network.peerings
        between = peerings.between(here.vpc_id, other.vpc_id) if peerings else None
        if between is not None and between.status == "active":
            return end.group_ids, ()
        return (), end.group_ids


def _groups(leg: _Leg, kind: CheckpointKind, port: int) -> Checkpoint | None:
    """The checkpoint of one end's groups: the source's for egress, the destination's for ingress."""
    own, peer = (leg.source, leg.destination)[:: 1 if kind is CheckpointKind.EGRESS else -1]
    if own.subnet is None or not own.group_ids:
        return None
    certain, doubtful = leg.referable(peer)
    message = security_group.evaluate_groups(
        leg.groups_of(own),
        is_egress=kind is CheckpointKind.EGRESS,
        peer=peer.address,
        peer_groups=certain,
        port=port,
        lists=leg.network.lists.cidrs_of,
        doubtful_groups=doubtful,
    )
    return _group_checkpoint(leg, kind, own, peer, message, port)


def _group_checkpoint(
    leg: _Leg,
    kind: CheckpointKind,
    own: PathEndpoint,
    peer: PathEndpoint,
    message: GroupDecision,
    port: int,
) -> Checkpoint:
    groups = leg.network.groups
    paths = "egress" if kind is CheckpointKind.EGRESS else "ingress"
    location = f"{', '.join(groups.label(g) for g in own.group_ids)} {paths}"
    if message.admitted_by is not None:
        group, rule, peer_word = message.admitted_by
        ids = leg.network.rule_ids
        rule_id = (
            ids.find(group.group_id, kind is CheckpointKind.EGRESS, rule, peer_word)
            if ids
            else None
        )
        description = f"{f'rule {rule_id}' if rule_id else 'a rule'} of {group.name} allows "
        description += f"{rule.ports_words} {groups.label(peer_word)}"
        return Checkpoint(kind, location, PathOutcome.PASS, description, ids=own.group_ids)
    references = tuple(f"the reference to {g}" for g in message.uncertain_references)
    unread = (*message.unread, *references, *(g for g in own.group_ids if g not in groups.by_id))
    if message.mismatch is None or unread:
        description = f"depends on {', '.join(unread)}, which is not known"
        because = UnknownBecause.NOT_MODELLED if references else UnknownBecause.NOT_READ
        return _unknown(kind, location, description, because)
    who = ", ".join(groups.label(g) for g in peer.group_ids) or peer.address
    verb = "lets out to" if kind is CheckpointKind.EGRESS else "admits"
    description = f"no rule {verb} {who} ({peer.address}) on {port}"
    reason = Reason.EGRESS if kind is CheckpointKind.EGRESS else INGRESS_REASONS[message.mismatch]
    return Checkpoint(kind, location, PathOutcome.DROP, description, reason, ids=own.group_ids)


def _acl(leg: _Leg, kind: CheckpointKind, ports: PortRange) -> Checkpoint | None:
    """The checkpoint of the ACL that packets of this direction pass when they leave or enter a subnet."""
    is_out = kind in (CheckpointKind.ACL_OUT, CheckpointKind.REPLY_ACL_OUT)
    subnet = leg.source.subnet if is_out else leg.destination.subnet
    peer = leg.destination.address if is_out else leg.source.address
    if subnet is None:
        return None
    acl = leg.network.acls.of_subnet(subnet.subnet_id) if leg.network.acls else None
    paths = "out" if is_out else "in"
    if acl is None:
        description = _unread(f"the ACL of {subnet.label}", leg.network.acls_unread)
        return _unknown(
            kind, f"ACL of {subnet.label} {paths}", description, UnknownBecause.NOT_READ
        )
    parts = network_acl.decide(acl, is_egress=is_out, peer=peer, ports=ports)
    return _acl_checkpoint(kind, acl, f"{acl.label} {paths}", parts, ports)


def _acl_checkpoint(
    kind: CheckpointKind,
    acl: NetworkAcl,
    location: str,
    parts: tuple[PortRangeDecision, ...],
    ports: PortRange,
) -> Checkpoint:
    dropped = tuple(p for p in parts if not p.is_open)
    if not dropped:
        description = ", ".join(dict.fromkeys(p.decided_by for p in parts))
        return Checkpoint(
            kind, location, PathOutcome.PASS, f"{_ports(ports)}: {description}", ids=(acl.acl_id,)
        )
    message = "; ".join(f"{_ports(p.ports)}: {p.decided_by}" for p in dropped[:3])
    if len(dropped) < len(parts):
        return Checkpoint(
            kind, location, PathOutcome.PART, message, Reason.NARROW_REPLY, dropped, (acl.acl_id,)
        )
    reason = Reason.DENY_ENTRY if any(p.is_denied_by_entry for p in dropped) else Reason.NO_ENTRY
    return Checkpoint(kind, location, PathOutcome.DROP, message, reason, dropped, (acl.acl_id,))


def _route(leg: _Leg, kind: CheckpointKind) -> Checkpoint | None:
    """The checkpoint of the route that packets of this direction take out of their subnet."""
    here, destination = leg.source.subnet, leg.destination.subnet
    if here is None:
        return None
    tables = leg.network.tables
    table = tables.of_subnet(here.subnet_id, here.vpc_id) if tables else None
    if tables is None or table is None:
        description = _unread(f"the route table of {here.label}", leg.network.tables_unread)
        return _unknown(kind, f"route of {here.label}", description, UnknownBecause.NOT_READ)
    if destination is None:
        return None
    message = _decide(leg, table, here, destination)
    location = f"{table.label} route"
    if message.result is RouteResult.ARRIVES:
        return Checkpoint(
            kind,
            location,
            PathOutcome.PASS,
            message.description,
            ids=(table.table_id,),
            route=message,
        )
    if message.result is RouteResult.NOT_MODELLED:
        checkpoint = _unknown(kind, location, message.description, UnknownBecause.NOT_MODELLED)
        return replace(checkpoint, route=message)
    reason = Reason.BLACKHOLE if message.result is RouteResult.BLACKHOLE else Reason.NO_ROUTE
    own = any(here.subnet_id in t.subnet_ids for t in tables.all)
    others = [t for t in tables.all if t.vpc_id == here.vpc_id and t is not table]
    better = [t for t in others if _decide(leg, t, here, destination).result is RouteResult.ARRIVES]
    description = message.description if message.route else f"no route to {leg.destination.address}"
    if not own and len(better) == 1:
        description += f"; {here.label} has no table of its own, {better[0].label} leads there"
        ids = (table.table_id, better[0].table_id, here.subnet_id)
        return Checkpoint(
            kind, location, PathOutcome.DROP, description, Reason.MAIN_TABLE, ids=ids, route=message
        )
    return Checkpoint(
        kind, location, PathOutcome.DROP, description, reason, ids=(table.table_id,), route=message
    )


def _unread(label: str, why: str) -> str:
    return f"{label} could not be read{f': {why}' if why else ''}"


def _unknown(
    kind: CheckpointKind, location: str, description: str, because: UnknownBecause
) -> Checkpoint:
    return Checkpoint(
        kind,
        location,
        PathOutcome.UNKNOWN,
        description,
        Reason.NOT_KNOWN,
        unknown_because=because,
    )


def _decide(leg: _Leg, table: RouteTable, here: Subnet, destination: Subnet) -> route.RouteDecision:
    return route.decide(
        table,
        leg.destination.address,
        from_vpc=here.vpc_id,
        to_vpc=destination.vpc_id,
        peerings=leg.network.peerings,
        lists=leg.network.lists.cidrs_of,
    )


def _open(whole: PortRange, dropped: tuple[PortRangeDecision, ...]) -> tuple[PortRange, ...]:
    return without(whole, tuple(p.ports for p in dropped))


def _ports(ports: PortRange) -> str:
    return f"port {ports[0]}" if ports[0] == ports[1] else f"ports {ports[0]}-{ports[1]}"
