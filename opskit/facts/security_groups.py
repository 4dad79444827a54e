"""The security groups of the app's and the database's VPC."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from opskit.aws_protocols import paginate
from opskit.facts.interface import Ec2
from opskit.facts.vpc_scope import VpcScope

ALL_PROTOCOLS = "-1"
TCP = ("tcp", "6")
EVERYBODY = "0.0.0.0/0"


@dataclass(frozen=True, slots=True)
class IpPermission:
    """One entry of a group: protocol, ports, and all peers that it allows.

    Attributes:
        protocol: `tcp`, `udp`, `icmp`, `icmpv6`, a number as text, or `-1` for all.
        from_port, to_port: None when the protocol has no ports.
    """

    protocol: str
    from_port: int | None
    to_port: int | None
    group_ids: tuple[str, ...]
    cidrs: tuple[str, ...]
    prefix_list_ids: tuple[str, ...]

    def covers(self, port: int) -> bool:
        """Whether the entry applies to TCP on `port`; `-1` is every protocol and ignores ports."""
        if self.protocol == ALL_PROTOCOLS:
            return True
        if self.protocol not in TCP:
            return False
        if self.from_port is None or self.to_port is None:
            return True
        return self.from_port <= port <= self.to_port

    @property
    def ports_words(self) -> str:
        """A description of protocol and ports."""
        if self.protocol == ALL_PROTOCOLS:
            return "everything"
        name = "tcp" if self.is_tcp else self.protocol
        if self.from_port is None or (self.from_port, self.to_port) == (0, 65535):
            return f"all {name}"
        ports = (
            str(self.from_port)
            if self.from_port == self.to_port
            else f"{self.from_port}-{self.to_port}"
        )
        return f"{name} {ports}"

    @property
    def is_tcp(self) -> bool:
        """Whether the entry applies to TCP only."""
        return self.protocol in TCP

    def names(self, group_ids: Iterable[str], address: str | None) -> bool | None:
        """Whether the entry names a peer, by one of its groups or by its address.

        Returns:
            None when that depends on a prefix list, which is not read here.
        """
        if any(group in self.group_ids for group in group_ids):
            return True
        if EVERYBODY in self.cidrs or (address and any(_holds(c, address) for c in self.cidrs)):
            return True
        return None if self.prefix_list_ids else False


def admits(
    permissions: Iterable[IpPermission], port: int, group_ids: Iterable[str], address: str | None
) -> bool | None:
    """Whether any entry allows TCP between the peer and `port`; None when a prefix list decides.

    Source: Amazon VPC User Guide, security group rules.
    """
    groups = tuple(group_ids)
    verdicts = [p.names(groups, address) for p in permissions if p.covers(port)]
    if True in verdicts:
        return True
    return None if None in verdicts else False


@dataclass(frozen=True, slots=True)
class SecurityGroup:
    """A security group with its rules."""

    group_id: str
    name: str
    vpc_id: str
    ingress: tuple[IpPermission, ...]
    egress: tuple[IpPermission, ...]

    @property
    def label(self) -> str:
        """Name first, id in brackets."""
        return f"{self.name} ({self.group_id})"


@dataclass(frozen=True, slots=True)
class SecurityGroups:
    """All groups of the app's and the database's VPC, by id."""

    by_id: Mapping[str, SecurityGroup]

    def ingress_of(self, group_ids: Iterable[str]) -> list[IpPermission]:
        """All ingress entries of several groups; AWS joins them."""
        return [p for g in group_ids if g in self.by_id for p in self.by_id[g].ingress]

    def prefix_list_ids_of(self, group_id: str) -> set[str]:
        """The prefix lists that a group's rules refer to."""
        group = self.by_id.get(group_id)
        rules = (*group.ingress, *group.egress) if group else ()
        return {p for rule in rules for p in rule.prefix_list_ids}

    def labels(self, group_ids: Iterable[str]) -> str:
        """Several groups' labels in one phrase."""
        return ", ".join(self.label(g) for g in group_ids)

    def peers_of(self, group_ids: Iterable[str], port: int) -> str:
        """A description of the peers that groups allow on a port."""
        rules = [r for r in self.ingress_of(group_ids) if r.covers(port)]
        named = [self.label(g) for r in rules for g in r.group_ids]
        ranges = [c for r in rules for c in (*r.cidrs, *r.prefix_list_ids)]
        return ", ".join(dict.fromkeys(named + ranges)) or "no source"

    def label(self, group_id: str) -> str:
        """A group's label; the id alone for a group that was not read."""
        return self.by_id[group_id].label if group_id in self.by_id else group_id


def read(ec2: Ec2, scope: VpcScope) -> SecurityGroups:
    """Describe every group in one call; rules refer to other groups, whose names are needed."""
    call = ec2.describe_security_groups
    rows = paginate(call, "SecurityGroups", Filters=scope.filter, MaxResults=1000)
    return SecurityGroups({g["GroupId"]: group_of(g) for g in rows})


def group_of(raw: Mapping[str, Any]) -> SecurityGroup:
    """A group as EC2 describes it."""
    return SecurityGroup(
        raw["GroupId"],
        raw.get("GroupName", ""),
        raw.get("VpcId", ""),
        tuple(permission_of(p) for p in raw.get("IpPermissions", ())),
        tuple(permission_of(p) for p in raw.get("IpPermissionsEgress", ())),
    )


def permission_of(raw: Mapping[str, Any]) -> IpPermission:
    """An entry as EC2 describes it or accepts it in `IpPermissions`."""
    return IpPermission(
        protocol=str(raw["IpProtocol"]),
        from_port=_port(raw, "FromPort"),
        to_port=_port(raw, "ToPort"),
        group_ids=tuple(p["GroupId"] for p in raw.get("UserIdGroupPairs", ()) if "GroupId" in p),
        cidrs=tuple(
            [r["CidrIp"] for r in raw.get("IpRanges", ())]
            + [r["CidrIpv6"] for r in raw.get("Ipv6Ranges", ())]
        ),
        prefix_list_ids=tuple(p["PrefixListId"] for p in raw.get("PrefixListIds", ())),
    )


def _port(raw: Mapping[str, Any], name: str) -> int | None:
    """A port; None for all ports, which EC2 leaves out or writes as -1."""
    return None if raw.get(name, -1) == -1 else int(raw[name])


def _holds(cidr: str, address: str) -> bool:
    wanted, network = ipaddress.ip_address(address), ipaddress.ip_network(cidr, strict=False)
    return wanted.version == network.version and wanted in network
