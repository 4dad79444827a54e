"""The VPCs whose rules are read: the database's own, those peered with it, and the app's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opskit.aws_protocols import paginate
from opskit.config import Target
from opskit.facts.database import Database
from opskit.facts.interface import Ec2, Fact, FactUnavailable, Known, known_value
from opskit.facts.region_instances import RegionInstances
from opskit.workload.ec2_instance import Instance


@dataclass(frozen=True, slots=True)
class Peering:
    """A VPC peering connection.

    Attributes:
        status: `active`, `pending-acceptance`, `deleted`, ...
        ends: (VPC, owner's account, address ranges) of the requester and of the accepter.
    """

    peering_id: str
    status: str
    ends: tuple[tuple[str, str, tuple[str, ...]], tuple[str, str, tuple[str, ...]]]

    def connects(self, vpc_id: str, other_vpc_id: str) -> bool:
        """Whether the peering is between two VPCs."""
        return {vpc_id, other_vpc_id} == {self.ends[0][0], self.ends[1][0]}

    def ranges_of(self, vpc_id: str) -> tuple[str, ...]:
        """The address ranges of one of the peered VPCs."""
        return next((cidrs for vpc, _, cidrs in self.ends if vpc == vpc_id), ())


@dataclass(frozen=True, slots=True)
class Peerings:
    """All peering connections of the account and Region."""

    all: tuple[Peering, ...]

    def get(self, peering_id: str) -> Peering | None:
        """The peering connection of an id."""
        return next((p for p in self.all if p.peering_id == peering_id), None)

    def between(self, vpc_id: str, other_vpc_id: str) -> Peering | None:
        """The peering connection of two VPCs, preferably an active one."""
        connecting = [p for p in self.all if p.connects(vpc_id, other_vpc_id)]
        return next(
            (p for p in connecting if p.status == "active"), connecting[0] if connecting else None
        )


@dataclass(frozen=True, slots=True)
class VpcScope:
    """The database's VPC, and the other VPCs in which the app may be."""

    vpc_id: str
    peered_vpc_ids: tuple[str, ...]

    @property
    def filter(self) -> list[dict[str, Any]]:
        """The filter for EC2's describe calls."""
        return [{"Name": "vpc-id", "Values": [self.vpc_id, *self.peered_vpc_ids]}]


MOST_PEERED = 20
"""A hub with more peers is not searched: EC2 accepts 200 filter values, and every describe call
would return the resources of all of them."""


def read_peerings(ec2: Ec2) -> Peerings:
    """Describe every peering connection; accounts have few, and the VPC need not be known first."""
    rows = paginate(ec2.describe_vpc_peering_connections, "VpcPeeringConnections")
    return Peerings(tuple(peering_of(raw) for raw in rows))


def select(
    target: Target,
    database: Fact[Database],
    peerings: Fact[Peerings],
    region: Fact[RegionInstances],
) -> VpcScope:
    """Select the database's VPC, its active peers, and the VPC of the app's instance if it is elsewhere.

    Where the database is not known, the VPC of the app's instance takes its place.

    Raises:
        FactUnavailable: neither is known.
    """
    known = database.value.instance if isinstance(database, Known) else None
    named = (
        [i for i in region.value.all if i.vpc_id and _is_meant(i, target)]
        if isinstance(region, Known)
        else []
    )
    homes = list(dict.fromkeys(i.vpc_id for i in named))
    own = known.vpc_id if known else next(iter(homes), "")
    if not own:
        if known:
            raise FactUnavailable(f"{known.identifier} is in no VPC")
        known_value(database)
    connections = peerings.value.all if isinstance(peerings, Known) else ()
    peers = {
        vpc
        for p in connections
        if p.status == "active" and own in (p.ends[0][0], p.ends[1][0])
        for vpc, _, _ in p.ends
        if vpc != own
    }
    # An instance that only carries the name is searched elsewhere if none of them is near.
    if not target.instance and any(home == own or home in peers for home in homes):
        homes = []
    others = dict.fromkeys((*(home for home in homes if home != own), *sorted(peers)))
    return VpcScope(own, tuple(others)[:MOST_PEERED])


def _is_meant(instance: Instance, target: Target) -> bool:
    """Whether the settings name an instance, or else its name, tags or profile contain the target's."""
    if target.instance:
        return target.instance in (instance.instance_id, instance.name)
    return instance.carries(target.name_words)


def peering_of(raw: Mapping[str, Any]) -> Peering:
    """A peering connection as EC2 describes it."""
    requester, accepter = (raw.get(f"{w}VpcInfo", {}) for w in ("Requester", "Accepter"))
    return Peering(
        raw["VpcPeeringConnectionId"],
        raw.get("Status", {}).get("Code", ""),
        (_end(requester), _end(accepter)),
    )


def _end(raw: Mapping[str, Any]) -> tuple[str, str, tuple[str, ...]]:
    ranges = [b["CidrBlock"] for b in raw.get("CidrBlockSet", ())]
    ranges += [b["Ipv6CidrBlock"] for b in raw.get("Ipv6CidrBlockSet", ())]
    if not ranges and raw.get("CidrBlock"):
        ranges = [raw["CidrBlock"]]
    return raw.get("VpcId", ""), raw.get("OwnerId", ""), tuple(ranges)
