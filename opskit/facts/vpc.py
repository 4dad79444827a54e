"""The VPC of the database: its address ranges and its DNS attributes."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from opskit.facts.database import Database
from opskit.facts.interface import Ec2, FactUnavailable


@dataclass(frozen=True, slots=True)
class Vpc:
    """A VPC's address ranges."""

    vpc_id: str
    cidrs: tuple[str, ...]

    def holds(self, address: str) -> bool:
        """Whether an address is in the VPC's ranges."""
        wanted = ipaddress.ip_address(address)
        return any(wanted in ipaddress.ip_network(cidr) for cidr in self.cidrs)


@dataclass(frozen=True, slots=True)
class VpcDns:
    """The VPC's two DNS attributes."""

    is_supported: bool
    gives_hostnames: bool


def read(ec2: Ec2, database: Database) -> Vpc:
    """Describe the VPC."""
    rows = ec2.describe_vpcs(VpcIds=[database.instance.vpc_id])["Vpcs"]
    if not rows:
        raise FactUnavailable(f"VPC {database.instance.vpc_id} does not exist")
    blocks = [b["CidrBlock"] for b in rows[0].get("CidrBlockAssociationSet", ())]
    return Vpc(rows[0]["VpcId"], tuple(blocks or [rows[0]["CidrBlock"]]))


def read_dns(ec2: Ec2, database: Database) -> VpcDns:
    """Read the two DNS attributes; AWS returns one per call."""
    vpc = database.instance.vpc_id
    support = ec2.describe_vpc_attribute(VpcId=vpc, Attribute="enableDnsSupport")
    names = ec2.describe_vpc_attribute(VpcId=vpc, Attribute="enableDnsHostnames")
    return VpcDns(
        bool(support["EnableDnsSupport"]["Value"]), bool(names["EnableDnsHostnames"]["Value"])
    )
