"""What a network ACL does with a packet. Source: Amazon VPC User Guide, network ACLs."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from itertools import pairwise

from opskit.facts.subnets import AclEntry, NetworkAcl

TCP_OR_ALL = ("6", "-1")
FINAL_DENY = 32767
"""The number under which AWS shows the last `*` entry of every ACL."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Ports that an ACL does not let through.

    Attributes:
        ports: first and last of the ports that are dropped.
        is_partial: other ports of the asked range pass, so some connections work.
        entry: the deciding entry; None for the final deny.
    """

    acl: NetworkAcl
    is_egress: bool
    ports: tuple[int, int]
    is_partial: bool
    entry: AclEntry | None

    @property
    def decided_by(self) -> str:
        """The deciding entry in words."""
        if self.entry is None or self.entry.number == FINAL_DENY:
            return "no entry allows it, the final * denies it"
        return f"entry {self.entry.number} denies it"


def first_drop(
    acl: NetworkAcl, *, is_egress: bool, peer: str, first_port: int, last_port: int
) -> Drop | None:
    """The first ports of a range that the ACL denies for TCP with `peer`; None if all pass.

    Entries are taken in the order of their numbers and the first that fits decides, so the range
    is cut at every entry's edge and each piece is decided by itself.
    """
    entries = [e for e in acl.entries if _fits(e, is_egress, peer)]
    edges = {first_port, last_port + 1}
    for entry in entries:
        if entry.ports:
            edges |= {
                p for p in (entry.ports[0], entry.ports[1] + 1) if first_port < p <= last_port
            }
    cuts = sorted(edges)
    pieces = [(a, b - 1, _decide(entries, a)) for a, b in pairwise(cuts)]
    denied = [piece for piece in pieces if piece[2] is None or not piece[2].allows]
    if not denied:
        return None
    start, end, deciding = denied[0]
    return Drop(acl, is_egress, (start, end), len(denied) < len(pieces), deciding)


def _fits(entry: AclEntry, is_egress: bool, peer: str) -> bool:
    if entry.is_egress != is_egress or entry.protocol not in TCP_OR_ALL or not entry.cidr:
        return False
    address, network = ipaddress.ip_address(peer), ipaddress.ip_network(entry.cidr, strict=False)
    return address.version == network.version and address in network


def _decide(entries: list[AclEntry], port: int) -> AclEntry | None:
    for entry in entries:
        # An entry for all protocols has no ports, whatever it says.
        if entry.protocol == "-1" or not entry.ports or entry.ports[0] <= port <= entry.ports[1]:
            return entry
    return None
