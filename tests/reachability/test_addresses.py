"""Ranges as integers, against Python's ipaddress and against sets of addresses and ports."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opskit.reachability.addresses import (
    address_text,
    cidrs_of,
    contains,
    cut,
    holds,
    intersect,
    prefix_length,
    representatives,
    span,
    without,
)

four = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(
    lambda t: str(ipaddress.ip_network((t[0], t[1]), strict=False))
)
six = st.tuples(st.integers(0, 2**128 - 1), st.integers(0, 128)).map(
    lambda t: str(ipaddress.ip_network((t[0], t[1]), strict=False))
)
small = st.tuples(st.integers(0, 63), st.integers(26, 32)).map(
    lambda t: str(ipaddress.ip_network((0x0A000000 + t[0], t[1]), strict=False))
)
port_ranges = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda t: (min(t), max(t))), max_size=5
).map(tuple)


few = settings(max_examples=40)


def ports_in(ranges: object) -> set[int]:
    return {p for first, last in ranges for p in range(first, last + 1)}  # type: ignore[attr-defined]


@few
@given(st.one_of(four, six), st.one_of(four, six))
def test_ranges_are_those_of_ipaddress(cidr: str, other: str) -> None:
    network, second = ipaddress.ip_network(cidr), ipaddress.ip_network(other)
    assert span(cidr) == (network.version, int(network[0]), int(network[-1]))
    assert prefix_length(cidr) == network.prefixlen
    assert holds(cidr, str(second[0])) is (second[0] in network)
    is_inside = network.version == second.version and second.subnet_of(network)  # type: ignore[arg-type]
    assert contains(span(cidr), span(other)) is is_inside
    assert cidrs_of(span(cidr)) == (cidr,)
    text = address_text(network.version, int(network[0]))
    assert ipaddress.ip_address(text) == network[0]


def test_bits_of_the_host_do_not_count() -> None:
    assert span("10.0.2.45/24") == span("10.0.2.0/24")
    assert span("10.0.2.45") == span("10.0.2.45/32")


@pytest.mark.parametrize("text", ["10.0.0", "10.0.0.0/33", "300.0.0.1", "fe80::g/64", ""])
def test_what_is_no_range(text: str) -> None:
    with pytest.raises((OSError, ValueError)):
        span(text)


@few
@given(st.lists(small, min_size=1, max_size=4), st.lists(small, max_size=4))
def test_pieces_cover_exactly_and_no_edge_is_inside_of_one(
    wanted: list[str], others: list[str]
) -> None:
    pieces = cut([span(c) for c in wanted], [span(c) for c in others])
    addresses = [a for _, first, last in pieces for a in range(first, last + 1)]
    assert len(addresses) == len(set(addresses)), "no address is in two pieces"
    assert set(addresses) == {a for c in wanted for a in range(span(c)[1], span(c)[2] + 1)}
    for piece in pieces:
        for other in (*wanted, *others):
            _, first, last = span(other)
            overlaps = first <= piece[2] and piece[1] <= last
            assert not overlaps or contains(span(other), piece)


def test_pieces_of_both_versions_stay_apart() -> None:
    assert cut([span("0.0.0.0/0"), span("::/0")], []) == (span("0.0.0.0/0"), span("::/0"))
    assert cut([], [span("10.0.0.0/8")]) == ()


@few
@given(small, st.lists(small, max_size=5))
def test_every_part_has_a_representative(cidr: str, cuts: list[str]) -> None:
    """Of two addresses that some range tells apart, each has a representative of its own kind."""
    _, first, last = span(cidr)
    low = first + 4 if last - first >= 15 else first
    chosen = representatives(cidr, cuts)
    kinds = {tuple(holds(c, address) for c in cuts) for address in chosen}
    assert all(holds(cidr, address) for address in chosen)
    for number in range(low, last + 1):
        assert tuple(holds(c, address_text(4, number)) for c in cuts) in kinds


def test_the_lowest_addresses_of_a_subnet_are_those_of_aws() -> None:
    assert representatives("10.0.5.0/24", ("0.0.0.0/0", "::/0")) == ("10.0.5.4",)
    assert representatives("10.0.5.0/24", ("10.0.5.10/32",)) == (
        "10.0.5.4",
        "10.0.5.10",
        "10.0.5.11",
    )
    assert representatives("2001:db8::/64", ()) == ("2001:db8::",)


@few
@given(port_ranges, port_ranges)
def test_ports_in_both(
    ranges: tuple[tuple[int, int], ...], other: tuple[tuple[int, int], ...]
) -> None:
    assert ports_in(intersect(ranges, other)) == ports_in(ranges) & ports_in(other)


@few
@given(st.lists(st.integers(3, 28), max_size=10, unique=True).map(sorted))
def test_ports_without(edges: list[int]) -> None:
    parts = tuple((first, after - 1) for first, after in zip(edges[::2], edges[1::2], strict=False))
    remaining = without((3, 27), parts)
    assert ports_in(remaining) == set(range(3, 28)) - ports_in(parts)
    assert remaining == tuple(sorted(remaining))
