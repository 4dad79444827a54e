"""The subnets of the app's and the database's VPC, and the network ACL of each."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opskit.aws_protocols import paginate
from opskit.facts.interface import Ec2
from opskit.facts.tags import name_of
from opskit.facts.vpc_scope import VpcScope


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet; `ipv6_cidrs` are its IPv6 ranges, most often none."""

    subnet_id: str
    name: str
    cidr: str
    zone: str
    vpc_id: str
    ipv6_cidrs: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Name first, id in brackets."""
        return f"{self.name} ({self.subnet_id})" if self.name else self.subnet_id


@dataclass(frozen=True, slots=True)
class Subnets:
    """All subnets of the VPCs in scope."""

    all: tuple[Subnet, ...]

    def of_address(self, address: str) -> Subnet | None:
        """The subnet that holds an address."""
        wanted = ipaddress.ip_address(address)
        subnets = [
            s
            for s in self.all
            for cidr in (s.cidr, *s.ipv6_cidrs)
            if cidr and wanted in ipaddress.ip_network(cidr)
        ]
        return subnets[0] if subnets else None

    def get(self, subnet_id: str) -> Subnet | None:
        """The subnet of an id."""
        return next((s for s in self.all if s.subnet_id == subnet_id), None)


@dataclass(frozen=True, slots=True)
class AclEntry:
    """One entry of a network ACL.

    Attributes:
        protocol: a number as text (`6` is TCP), or `-1` for all.
        ports: first and last port; None for all.
    """

    number: int
    is_egress: bool
    allows: bool
    protocol: str
    cidr: str
    ports: tuple[int, int] | None

    @property
    def ports_words(self) -> str:
        """A description of the ports."""
        if self.ports is None:
            return "all ports"
        first, last = self.ports
        return f"port {first}" if first == last else f"ports {first}-{last}"


@dataclass(frozen=True, slots=True)
class NetworkAcl:
    """A network ACL; entries by number, lowest first."""

    acl_id: str
    name: str
    subnet_ids: tuple[str, ...]
    entries: tuple[AclEntry, ...]

    @property
    def label(self) -> str:
        """Name first, id in brackets."""
        return f"{self.name} ({self.acl_id})" if self.name else self.acl_id


@dataclass(frozen=True, slots=True)
class NetworkAcls:
    """All network ACLs of the VPCs in scope."""

    all: tuple[NetworkAcl, ...]

    def of_subnet(self, subnet_id: str) -> NetworkAcl | None:
        """The one ACL of a subnet."""
        return next((a for a in self.all if subnet_id in a.subnet_ids), None)


def read(ec2: Ec2, scope: VpcScope) -> Subnets:
    """Describe every subnet."""
    rows = paginate(ec2.describe_subnets, "Subnets", Filters=scope.filter)
    return Subnets(tuple(subnet_of(raw) for raw in rows))


def read_acls(ec2: Ec2, scope: VpcScope) -> NetworkAcls:
    """Describe every network ACL."""
    rows = paginate(ec2.describe_network_acls, "NetworkAcls", Filters=scope.filter)
    return NetworkAcls(tuple(acl_of(raw) for raw in rows))


def subnet_of(raw: Mapping[str, Any]) -> Subnet:
    """A subnet as EC2 describes it."""
    return Subnet(
        raw["SubnetId"],
        name_of(raw),
        raw.get("CidrBlock", ""),
        raw.get("AvailabilityZone", ""),
        raw.get("VpcId", ""),
        tuple(
            a["Ipv6CidrBlock"]
            for a in raw.get("Ipv6CidrBlockAssociationSet", ())
            if a.get("Ipv6CidrBlockState", {}).get("State", "associated") == "associated"
        ),
    )


def acl_of(raw: Mapping[str, Any]) -> NetworkAcl:
    """An ACL as EC2 describes it."""
    entries = sorted((_entry(e) for e in raw.get("Entries", ())), key=lambda e: e.number)
    subnets = tuple(a["SubnetId"] for a in raw.get("Associations", ()) if "SubnetId" in a)
    return NetworkAcl(raw["NetworkAclId"], name_of(raw), subnets, tuple(entries))


def _entry(raw: Mapping[str, Any]) -> AclEntry:
    ports = raw.get("PortRange")
    return AclEntry(
        number=int(raw["RuleNumber"]),
        is_egress=bool(raw["Egress"]),
        allows=raw["RuleAction"] == "allow",
        protocol=str(raw["Protocol"]),
        cidr=raw.get("CidrBlock") or raw.get("Ipv6CidrBlock", ""),
        ports=(int(ports["From"]), int(ports["To"])) if ports else None,
    )
