"""Evaluates route tables. Source: Amazon VPC User Guide, route tables and route priority."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from opskit.facts.routes import LOCAL, Route, RouteTable
from opskit.facts.vpc_scope import Peerings
from opskit.reachability.addresses import holds, prefix_length

KINDS = {
    "tgw": "transit gateway", "nat": "NAT gateway", "eni": "network interface (an appliance)",
    "i": "instance (an appliance)", "vgw": "virtual private gateway", "vpce": "gateway endpoint",
    "lgw": "local gateway", "cagw": "carrier gateway", "arn": "core network", "igw": "internet gateway",
    "eigw": "egress-only internet gateway",
}  # fmt: skip


class RouteResult(Enum):
    """The result of a route table for a packet."""

    ARRIVES = auto()
    BLACKHOLE = auto()
    NO_ROUTE = auto()
    WRONG_TARGET = auto()
    NOT_MODELLED = auto()


@dataclass(frozen=True, slots=True)
class RouteDecision:
    """The deciding route and its result; None when no route matches."""

    result: RouteResult
    route: Route | None

    @property
    def description(self) -> str:
        """A description of the decision."""
        if self.route is None:
            return "no route to it"
        target = self.route.target or "a deleted target"
        message = f"route {self.route.destination} -> {target}"
        return {
            RouteResult.ARRIVES: message,
            RouteResult.BLACKHOLE: f"{message} is a black hole",
            RouteResult.NO_ROUTE: message,
            RouteResult.WRONG_TARGET: f"{message} does not lead there",
            RouteResult.NOT_MODELLED: f"{message} ({kind_of(target)}) is not modelled",
        }[self.result]


def decide(
    table: RouteTable,
    address: str,
    *,
    from_vpc: str,
    to_vpc: str,
    peerings: Peerings | None,
    lists: Mapping[str, tuple[str, ...]],
) -> RouteDecision:
    """Decide the route for an address: the longest prefix, of two equal ones the static route.

    A blackhole route is selected like every other route, and its packets are lost.
    """
    if any(r.destination.startswith("pl-") and r.destination not in lists for r in table.routes):
        return RouteDecision(RouteResult.NOT_MODELLED, _unread(table, lists))
    route = select(table, address, lists)
    if route is None:
        return RouteDecision(RouteResult.NO_ROUTE, None)
    return RouteDecision(_course(route, address, from_vpc, to_vpc, peerings), route)


def select(table: RouteTable, address: str, lists: Mapping[str, tuple[str, ...]]) -> Route | None:
    """Select the route for an address; None when none matches."""
    candidates = [
        (prefix_length(cidr), not route.is_propagated, route)
        for route in table.routes
        if route.state != "filtered"
        for cidr in ranges_of(route, lists)
        if holds(cidr, address)
    ]
    return max(candidates, key=lambda f: f[:2])[2] if candidates else None


def kind_of(target: str) -> str:
    """The kind of a route's target, by its id."""
    return KINDS.get(target.replace(":", "-").split("-", 1)[0], target)


def ranges_of(route: Route, lists: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The destination ranges of a route; those of its prefix list one by one."""
    if route.destination.startswith("pl-"):
        return lists.get(route.destination, ())
    return (route.destination,) if route.destination else ()


def _unread(table: RouteTable, lists: Mapping[str, tuple[str, ...]]) -> Route:
    return next(
        r for r in table.routes if r.destination.startswith("pl-") and r.destination not in lists
    )


def _course(
    route: Route, address: str, from_vpc: str, to_vpc: str, peerings: Peerings | None
) -> RouteResult:
    if route.state == "blackhole":
        return RouteResult.BLACKHOLE
    if route.target == LOCAL:
        return RouteResult.ARRIVES if from_vpc == to_vpc else RouteResult.WRONG_TARGET
    if route.target.startswith("pcx-"):
        return _over_peering(route.target, from_vpc, to_vpc, peerings)
    # An internet gateway drops packets to a private address.
    if route.target.startswith(("igw-", "eigw-")) and ipaddress.ip_address(address).is_private:
        return RouteResult.WRONG_TARGET
    return RouteResult.NOT_MODELLED


def _over_peering(
    peering_id: str, from_vpc: str, to_vpc: str, peerings: Peerings | None
) -> RouteResult:
    """A peering connection carries packets between its two VPCs only, and only while active."""
    if peerings is None:
        return RouteResult.NOT_MODELLED
    peering = peerings.get(peering_id)
    if peering is None or peering.status != "active":
        return RouteResult.BLACKHOLE
    return RouteResult.ARRIVES if peering.connects(from_vpc, to_vpc) else RouteResult.WRONG_TARGET
