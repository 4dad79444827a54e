"""Computes the flows that a change opens or closes, by an exact comparison of two states.

Addresses, ports and protocols are cut at every edge that a rule of either state has, so that all packets
of one cell are decided alike, and one decision per cell is a proof.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from opskit.facts.routes import RouteTable
from opskit.facts.security_groups import ALL_PROTOCOLS, IpPermission
from opskit.facts.subnets import AclEntry, NetworkAcl
from opskit.reachability import route
from opskit.reachability.addresses import (
    PortRange,
    Span,
    address_text,
    cidrs_of,
    contains,
    cut,
    span,
)

ALL_PORTS = (0, 65535)
WITH_PORTS = ("6", "17")
NUMBERS = {"tcp": "6", "udp": "17", "icmp": "1", "icmpv6": "58"}
OTHER = "other"
"""Stands for every protocol that no rule names."""


@dataclass(frozen=True, slots=True)
class AclChange:
    """Packets that an ACL decides differently.

    `old` and `new` are the deciding entries; None is the final deny.
    """

    is_egress: bool
    addresses: Span
    protocol: str
    ports: PortRange
    old: AclEntry | None
    new: AclEntry | None

    @property
    def is_opened(self) -> bool:
        """Whether the packets pass afterwards."""
        return self.new is not None and self.new.allows

    def is_within(self, *, is_egress: bool, cidr: str, ports: PortRange) -> bool:
        """Whether the change only opens TCP between a range and some ports."""
        return (
            self.is_opened
            and self.is_egress is is_egress
            and self.protocol == "6"
            and contains(span(cidr), self.addresses)
            and ports[0] <= self.ports[0]
            and self.ports[1] <= ports[1]
        )


@dataclass(frozen=True, slots=True)
class RuleChange:
    """Packets that a set of security group rules admits only before or only after.

    Attributes:
        peer: a group, a prefix list, or a range.
    """

    peer: str | Span
    protocol: str
    ports: PortRange
    is_opened: bool


@dataclass(frozen=True, slots=True)
class RouteChange:
    """Destinations whose next hop changes; `old` and `new` describe the next hops."""

    ranges: tuple[str, ...]
    old: str
    new: str

    @property
    def text(self) -> str:
        """The change in one phrase."""
        return f"{', '.join(self.ranges)} ({self.old} -> {self.new})"


def acl_changes(before: NetworkAcl, after: NetworkAcl) -> tuple[AclChange, ...]:
    """Every class of packets that passes only one of two states of an ACL."""
    changes: list[AclChange] = []
    for is_egress in (False, True):
        old = [e for e in before.entries if e.is_egress is is_egress and e.cidr]
        new = [e for e in after.entries if e.is_egress is is_egress and e.cidr]
        touched = set(old) ^ set(new)
        every = [*old, *touched]
        protocols = {_number(e.protocol) for e in every} - {ALL_PROTOCOLS} | {"6", "17", "1", OTHER}
        parts = _port_pieces(e.ports for e in every)
        for addresses in cut([span(e.cidr) for e in touched], [span(e.cidr) for e in every]):
            for protocol in sorted(protocols):
                for ports in parts if protocol in WITH_PORTS else [ALL_PORTS]:
                    pair = [_deciding(es, addresses, protocol, ports) for es in (old, new)]
                    change = AclChange(is_egress, addresses, protocol, ports, *pair)
                    if (pair[0] is not None and pair[0].allows) is not change.is_opened:
                        changes.append(change)
    return tuple(changes)


def _number(protocol: str) -> str:
    return NUMBERS.get(protocol, protocol)


def _port_pieces(ranges: Iterable[PortRange | None]) -> list[PortRange]:
    edges = {ALL_PORTS[0], ALL_PORTS[1] + 1}
    for ports in ranges:
        if ports is not None:
            edges |= {e for e in (ports[0], ports[1] + 1) if ALL_PORTS[0] < e <= ALL_PORTS[1]}
    return [(first, after - 1) for first, after in pairwise(sorted(edges))]


def _deciding(
    entries: Sequence[AclEntry], addresses: Span, protocol: str, ports: PortRange
) -> AclEntry | None:
    """The first entry that contains a whole cell; entries are sorted by number."""
    for entry in entries:
        named = _number(entry.protocol)
        if named not in (ALL_PROTOCOLS, protocol) or not contains(span(entry.cidr), addresses):
            continue
        has_ports = named in WITH_PORTS and entry.ports is not None
        if not has_ports or (entry.ports and entry.ports[0] <= ports[0] <= entry.ports[1]):
            return entry
    return None


def rule_changes(
    before: Sequence[IpPermission], after: Sequence[IpPermission]
) -> tuple[RuleChange, ...]:
    """Every peer, protocol and port that only one of two sets of rules allows."""
    every = (*before, *after)
    ranges = [span(c) for r in every for c in r.cidrs]
    names = {n for r in every for n in (*r.group_ids, *r.prefix_list_ids)}
    protocols = {_number(r.protocol) for r in every} - {ALL_PROTOCOLS} | {"6", "17", "1", OTHER}
    parts = _port_pieces(_ports_of(r) for r in every)
    changes: list[RuleChange] = []
    peers: tuple[str | Span, ...] = (*sorted(names), *cut(ranges, ranges))
    for peer in peers:
        for protocol in sorted(protocols):
            for ports in parts if protocol in WITH_PORTS else [ALL_PORTS]:
                old, new = (_admits(rules, peer, protocol, ports) for rules in (before, after))
                if old is not new:
                    changes.append(RuleChange(peer, protocol, ports, new))
    return tuple(changes)


def _ports_of(rule: IpPermission) -> PortRange | None:
    if rule.from_port is None or rule.to_port is None:
        return None
    return rule.from_port, rule.to_port


def _admits(
    rules: Iterable[IpPermission], peer: str | Span, protocol: str, ports: PortRange
) -> bool:
    return any(_names(r, peer) and _covers(r, protocol, ports) for r in rules)


def _names(rule: IpPermission, peer: str | Span) -> bool:
    if isinstance(peer, str):
        return peer in rule.group_ids or peer in rule.prefix_list_ids
    return any(contains(span(c), peer) for c in rule.cidrs)


def _covers(rule: IpPermission, protocol: str, ports: PortRange) -> bool:
    if rule.protocol == ALL_PROTOCOLS:
        return True
    own = _ports_of(rule) if _number(rule.protocol) in WITH_PORTS else None
    return _number(rule.protocol) == protocol and (
        own is None or own[0] <= ports[0] <= ports[1] <= own[1]
    )


def route_changes(
    before: RouteTable, after: RouteTable, lists: Mapping[str, tuple[str, ...]]
) -> tuple[RouteChange, ...]:
    """Every destination whose next hop changes, grouped by the same change."""
    tables = (before, after)
    spans = [span(c) for t in tables for r in t.routes for c in route.ranges_of(r, lists) if c]
    by_change: dict[tuple[str, str], list[Span]] = {}
    for part in cut(spans, spans):
        address = address_text(part[0], part[1])
        old, new = (_next_hop(t, address, lists) for t in tables)
        if old != new:
            by_change.setdefault((old, new), []).append(part)
    return tuple(
        RouteChange(tuple(c for s in _joined(spans) for c in cidrs_of(s)), *pair)
        for pair, spans in by_change.items()
    )


def _next_hop(table: RouteTable, address: str, lists: Mapping[str, tuple[str, ...]]) -> str:
    selected = route.select(table, address, lists)
    if selected is None:
        return "no route"
    if selected.state == "blackhole":
        return f"black hole {selected.target}".rstrip()
    return selected.target


def _joined(spans: Iterable[Span]) -> list[Span]:
    """The spans with neighbouring ones merged."""
    joined: list[Span] = []
    for next_span in sorted(spans):
        if joined and joined[-1][0] == next_span[0] and joined[-1][2] + 1 == next_span[1]:
            joined[-1] = (next_span[0], joined[-1][1], next_span[2])
        else:
            joined.append(next_span)
    return joined
