"""The VPCs in which the app may be: the database's own and those peered with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opskit.aws_protocols import paginate
from opskit.config import Target
from opskit.facts.database import Database
from opskit.facts.interface import Ec2, Fact, FactUnavailable, Known


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


@dataclass(frozen=True, slots=True)
class NamedInstance:
    """The VPC of the instance that the user named; None without one, or when it does not exist."""

    vpc_id: str | None


MOST_PEERED = 20
"""A hub with more peers is not searched: EC2 accepts 200 filter values, and every describe call
would return the resources of all of them."""


def read_peerings(ec2: Ec2) -> Peerings:
    """Describe every peering connection; accounts have few, and the VPC need not be known first."""
    rows = paginate(ec2.describe_vpc_peering_connections, "VpcPeeringConnections")
    return Peerings(tuple(peering_of(raw) for raw in rows))


def read_named(ec2: Ec2, target: Target) -> NamedInstance:
    """Find the named instance in any VPC; it may be connected by other means than peering."""
    if not target.instance:
        return NamedInstance(None)
    by_id = target.instance.startswith("i-")
    name = "instance-id" if by_id else "tag:Name"
    filters = [{"Name": name, "Values": [target.instance]}]
    reservations = paginate(ec2.describe_instances, "Reservations", Filters=filters, MaxResults=100)
    vpcs = [i.get("VpcId") for r in reservations for i in r["Instances"]]
    return NamedInstance(next((v for v in vpcs if v), None))


def select(database: Database, peerings: Fact[Peerings], named: Fact[NamedInstance]) -> VpcScope:
    """Select the database's VPC, its active peers, and the VPC of the named instance."""
    own = database.instance.vpc_id
    if not own:
        raise FactUnavailable(f"{database.instance.identifier} is in no VPC")
    known = peerings.value.all if isinstance(peerings, Known) else ()
    peers = {
        vpc
        for p in known
        if p.status == "active" and own in (p.ends[0][0], p.ends[1][0])
        for vpc, _, _ in p.ends
        if vpc != own
    }
    home = named.value.vpc_id if isinstance(named, Known) else None
    if home and home != own:
        return VpcScope(own, tuple(dict.fromkeys((home, *sorted(peers))))[:MOST_PEERED])
    return VpcScope(own, tuple(sorted(peers)[:MOST_PEERED]))


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
