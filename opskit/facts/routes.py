"""The route tables of the app's and the database's VPC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opskit.aws_protocols import paginate
from opskit.facts.interface import Ec2
from opskit.facts.tags import name_of
from opskit.facts.vpc_scope import VpcScope

LOCAL = "local"
TARGETS = (
    "GatewayId", "VpcPeeringConnectionId", "TransitGatewayId", "NatGatewayId", "NetworkInterfaceId",
    "InstanceId", "EgressOnlyInternetGatewayId", "LocalGatewayId", "CarrierGatewayId",
    "CoreNetworkArn",
)  # fmt: skip
"""The fields that name a route's target; one of them is set."""


@dataclass(frozen=True, slots=True)
class Route:
    """One route of a route table.

    Attributes:
        destination: an address range, or the id of a prefix list.
        target: `local`, or the target's id.
        state: `active`, `blackhole` (the target is gone) or `filtered`.
        is_propagated: propagated by a virtual private gateway, not static.
    """

    destination: str
    target: str
    state: str
    is_propagated: bool


@dataclass(frozen=True, slots=True)
class RouteTable:
    """A route table; with `is_main` it applies to the VPC's subnets without an association."""

    table_id: str
    name: str
    vpc_id: str
    is_main: bool
    subnet_ids: tuple[str, ...]
    routes: tuple[Route, ...]

    @property
    def label(self) -> str:
        """Name first, id in brackets."""
        return f"{self.name} ({self.table_id})" if self.name else self.table_id


@dataclass(frozen=True, slots=True)
class RouteTables:
    """All route tables."""

    all: tuple[RouteTable, ...]

    def of_subnet(self, subnet_id: str, vpc_id: str) -> RouteTable | None:
        """The table of a subnet: its own, else the VPC's main table."""
        own = next((t for t in self.all if subnet_id in t.subnet_ids), None)
        return own or next((t for t in self.all if t.is_main and t.vpc_id == vpc_id), None)


def read(ec2: Ec2, scope: VpcScope) -> RouteTables:
    """Describe every route table."""
    rows = paginate(ec2.describe_route_tables, "RouteTables", Filters=scope.filter, MaxResults=100)
    return RouteTables(tuple(table_of(raw) for raw in rows))


def table_of(raw: Mapping[str, Any]) -> RouteTable:
    """A route table as EC2 describes it."""
    associations = raw.get("Associations", ())
    return RouteTable(
        raw["RouteTableId"],
        name_of(raw),
        raw.get("VpcId", ""),
        any(a.get("Main") for a in associations),
        tuple(a["SubnetId"] for a in associations if a.get("SubnetId")),
        tuple(_route(r) for r in raw.get("Routes", ())),
    )


def _route(raw: Mapping[str, Any]) -> Route:
    destination = (
        raw.get("DestinationCidrBlock")
        or raw.get("DestinationIpv6CidrBlock")
        or raw.get("DestinationPrefixListId", "")
    )
    target = next((str(raw[name]) for name in TARGETS if raw.get(name)), "")
    propagated = raw.get("Origin") == "EnableVgwRoutePropagation"
    return Route(destination, target, raw.get("State", "active"), propagated)
