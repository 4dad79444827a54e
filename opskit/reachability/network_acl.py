"""Evaluates network ACLs. Source: Amazon VPC User Guide, network ACLs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from opskit.facts.subnets import AclEntry, NetworkAcl
from opskit.reachability.addresses import PortRange, holds

TCP_OR_ALL = ("6", "-1", "tcp")
FINAL_DENY = 32767
"""AWS numbers the final `*` deny of an ACL from here (32767, for IPv6 32768)."""


@dataclass(frozen=True, slots=True)
class PortRangeDecision:
    """Neighbouring ports that one entry decides; None is the final deny."""

    ports: PortRange
    entry: AclEntry | None

    @property
    def is_open(self) -> bool:
        """Whether packets to these ports pass."""
        return self.entry is not None and self.entry.allows

    @property
    def is_denied_by_entry(self) -> bool:
        """Whether a user's entry denies them, not the final deny."""
        return self.entry is not None and not self.entry.allows and self.entry.number < FINAL_DENY

    @property
    def decided_by(self) -> str:
        """A description of the deciding entry."""
        if self.entry is None or self.entry.number >= FINAL_DENY:
            return "no entry allows it, the final * denies it"
        return f"entry {self.entry.number} {'allows' if self.entry.allows else 'denies'} it"


def decide(
    acl: NetworkAcl, *, is_egress: bool, peer: str, ports: PortRange
) -> tuple[PortRangeDecision, ...]:
    """Cut a range of TCP ports into pieces, each with the entry that decides it.

    AWS evaluates entries in the order of their numbers and the first match decides, so the range is
    cut at every entry's edge and each piece is decided separately.
    """
    entries = [e for e in acl.entries if _fits(e, is_egress, peer)]
    first, last = ports
    edges = {first, last + 1}
    for entry in entries:
        if entry.ports:
            edges |= {p for p in (entry.ports[0], entry.ports[1] + 1) if first < p <= last}
    decisions: list[PortRangeDecision] = []
    for start, end in pairwise(sorted(edges)):
        entry_here = _first(entries, start)
        if decisions and decisions[-1].entry is entry_here:
            decisions[-1] = PortRangeDecision((decisions[-1].ports[0], end - 1), entry_here)
        else:
            decisions.append(PortRangeDecision((start, end - 1), entry_here))
    return tuple(decisions)


def _fits(entry: AclEntry, is_egress: bool, peer: str) -> bool:
    return (
        entry.is_egress == is_egress
        and entry.protocol in TCP_OR_ALL
        and bool(entry.cidr)
        and holds(entry.cidr, peer)
    )


def _first(entries: list[AclEntry], port: int) -> AclEntry | None:
    for entry in entries:
        # An entry for all protocols applies to all ports, whatever its port fields contain.
        if entry.protocol == "-1" or not entry.ports or entry.ports[0] <= port <= entry.ports[1]:
            return entry
    return None
