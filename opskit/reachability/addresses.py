"""Address ranges as integers: `ipaddress` would be slow for thousands of rules."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

Span = tuple[int, int, int]
"""IP version, first address, last address."""

PortRange = tuple[int, int]
"""First and last port, both included."""


@lru_cache(maxsize=20_000)
def span(cidr: str) -> Span:
    """The addresses of a range, `10.0.0.0/16` or a single address."""
    address, _, length = cidr.partition("/")
    version, bits = (6, 128) if ":" in address else (4, 32)
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    host = bits - int(length or bits)
    first = int.from_bytes(socket.inet_pton(family, address), "big") >> host << host
    return version, first, first + (1 << host) - 1


def holds(cidr: str, address: str) -> bool:
    """Whether a range holds an address; never across the IP versions."""
    version, first, last = span(cidr)
    mine, at, _ = span(address)
    return version == mine and first <= at <= last


def prefix_length(cidr: str) -> int:
    """The prefix length of a range."""
    _, first, last = span(cidr)
    return (128 if ":" in cidr else 32) - (last - first + 1).bit_length() + 1


def representatives(cidr: str, cuts: Iterable[str]) -> tuple[str, ...]:
    """One address of every part into which other ranges cut a range.

    Rules that only compare addresses with those ranges treat all addresses of a part alike. AWS
    reserves the four lowest addresses of a subnet, so a part that begins there is represented by
    the fifth.
    """
    version, first, last = span(cidr)
    low = first + 4 if version == 4 and last - first >= 15 else first
    edges = {low}
    for other in cuts:
        its_version, start, end = span(other)
        if its_version == version:
            edges |= {edge for edge in (start, end + 1) if low < edge <= last}
    return tuple(address_text(version, edge) for edge in sorted(edges))


def intersect(ranges: tuple[PortRange, ...], other: tuple[PortRange, ...]) -> tuple[PortRange, ...]:
    """The ports in both lists of ranges."""
    overlaps = [(max(a, c), min(b, d)) for a, b in ranges for c, d in other]
    return tuple(sorted((a, b) for a, b in overlaps if a <= b))


def without(whole: PortRange, parts: tuple[PortRange, ...]) -> tuple[PortRange, ...]:
    """The ports of a range that are in none of its parts, which are sorted and disjoint."""
    remaining, start = [], whole[0]
    for first, last in parts:
        if first > start:
            remaining.append((start, first - 1))
        start = max(start, last + 1)
    if start <= whole[1]:
        remaining.append((start, whole[1]))
    return tuple(remaining)


def cut(whole: Iterable[Span], others: Iterable[Span]) -> tuple[Span, ...]:
    """Cut ranges at the edges of others.

    Rules that compare addresses with all of these ranges treat the addresses of one piece alike.
    """
    wanted, cuts = set(whole), {*whole, *others}
    pieces: list[Span] = []
    for version in (4, 6):
        edges = {e for v, first, last in cuts if v == version for e in (first, last + 1)}
        for first, after in pairwise(sorted(edges)):
            if any(v == version and a <= first and after - 1 <= b for v, a, b in wanted):
                pieces.append((version, first, after - 1))
    return tuple(pieces)


def cidrs_of(addresses: Span) -> tuple[str, ...]:
    """The smallest list of CIDR ranges that covers a span exactly."""
    version, first, last = addresses
    kind = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
    return tuple(str(n) for n in ipaddress.summarize_address_range(kind(first), kind(last)))


def contains(outer: Span, inner: Span) -> bool:
    """Whether a range contains another."""
    return outer[0] == inner[0] and outer[1] <= inner[1] and inner[2] <= outer[2]


def address_text(version: int, number: int) -> str:
    """The text of an address."""
    if version == 4:
        return socket.inet_ntop(socket.AF_INET, number.to_bytes(4, "big"))
    return socket.inet_ntop(socket.AF_INET6, number.to_bytes(16, "big"))
