"""The exact comparison of two states against every packet asked by itself."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opskit.facts.security_groups import IpPermission
from opskit.facts.subnets import AclEntry
from opskit.reachability.addresses import address_text, cidrs_of, cut, span
from opskit.reachability.difference import (
    AclChange,
    RuleChange,
    acl_changes,
    route_changes,
    rule_changes,
)
from tests import builders as b

CIDRS = ("10.0.0.0/30", "10.0.0.0/31", "10.0.0.2/32", "10.0.0.0/8", "0.0.0.0/0", "10.0.0.1/32")
SAMPLE = ("10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "11.0.0.0")
PORTS = (0, 1, 5, 9, 10, 11, 20, 65535)
ports = st.tuples(st.sampled_from(PORTS), st.sampled_from(PORTS)).map(sorted).map(tuple)
entries = st.lists(
    st.builds(
        AclEntry,
        number=st.integers(1, 9),
        is_egress=st.booleans(),
        allows=st.booleans(),
        protocol=st.sampled_from(["6", "6", "17", "-1", "1", "47"]),
        cidr=st.sampled_from(CIDRS),
        ports=st.one_of(st.none(), ports),
    ),
    max_size=6,
    unique_by=lambda e: (e.number, e.is_egress),
)


def allows(found: list[AclEntry], egress: bool, address: str, protocol: str, port: int) -> bool:
    """The plain reading of an ACL, for one packet."""
    for entry in sorted(found, key=lambda e: e.number):
        fits = entry.is_egress is egress and entry.protocol in (protocol, "-1")
        fits &= ipaddress.ip_address(address) in ipaddress.ip_network(entry.cidr)
        if protocol in ("6", "17") and entry.protocol != "-1" and entry.ports:
            fits &= entry.ports[0] <= port <= entry.ports[1]
        if fits:
            return entry.allows
    return False


def tells(change: AclChange, egress: bool, address: str, protocol: str, port: int) -> bool:
    """Whether a change is about one packet; `other` is every protocol that no entry names."""
    named = change.protocol == (protocol if protocol in ("6", "17", "1", "47") else "other")
    number = int(ipaddress.ip_address(address))
    inside = change.addresses[1] <= number <= change.addresses[2]
    return (
        change.is_egress is egress
        and named
        and inside
        and change.ports[0] <= port <= change.ports[1]
    )


@settings(max_examples=40)
@given(entries, entries)
def test_acl_changes(old: list[AclEntry], new: list[AclEntry]) -> None:
    changes = acl_changes(b.acl("x", (), *old), b.acl("x", (), *new))
    for egress in (True, False):
        for address in SAMPLE:
            for protocol in ("6", "17", "1", "50"):
                for port in (0, 1, 4, 5, 9, 10, 12, 65535):
                    packet = (egress, address, protocol, port)
                    before, after = allows(old, *packet), allows(new, *packet)
                    told = [c for c in changes if tells(c, *packet)]
                    assert bool(told) is (before is not after), packet
                    assert all(c.is_opened is after for c in told)


def test_a_change_within_the_wanted_flow_only() -> None:
    old = b.acl("x", (), b.entry(50, "in", "10.0.2.0/24", (5432, 5432), "deny"))
    made = b.entry(49, "in", "10.0.2.0/24", (5432, 5432))
    (change,) = acl_changes(old, replace(old, entries=(made, *old.entries)))
    wanted: dict[str, Any] = {"is_egress": False, "cidr": "10.0.2.0/24", "ports": (5432, 5432)}
    assert change.is_within(**wanted)
    for other in (
        {"is_egress": True},
        {"cidr": "10.0.2.0/25"},
        {"cidr": "10.0.3.0/24"},
        {"ports": (5433, 5440)},
        {"ports": (5432, 5431)},
    ):
        assert not change.is_within(**{**wanted, **other})
    assert not replace(change, protocol="17").is_within(**wanted)
    assert not replace(change, new=None).is_within(**wanted)


rules = st.lists(
    st.builds(
        lambda protocol, pair, groups, cidrs: IpPermission(
            protocol,
            pair[0] if protocol in ("tcp", "udp") else None,
            pair[1] if protocol in ("tcp", "udp") else None,
            groups,
            cidrs,
            (),
        ),
        st.sampled_from(["tcp", "6", "udp", "-1", "icmp"]),
        ports,
        st.sampled_from([(), ("sg-a",), ("sg-a", "sg-b")]),
        st.sampled_from([(), ("10.0.0.0/30",), ("10.0.0.2/32", "0.0.0.0/0")]),
    ),
    max_size=4,
)


def admits(found: list[IpPermission], peer: str, protocol: str, port: int) -> bool:
    """The plain reading of rules, for one peer and one packet."""
    for rule in found:
        named = peer in rule.group_ids or (
            peer[0].isdigit()
            and any(ipaddress.ip_address(peer) in ipaddress.ip_network(c) for c in rule.cidrs)
        )
        number = {"tcp": "6", "udp": "17", "icmp": "1"}.get(rule.protocol, rule.protocol)
        fits = number in ("-1", protocol)
        if number in ("6", "17") and rule.from_port is not None and rule.to_port is not None:
            fits &= rule.from_port <= port <= rule.to_port
        if named and fits:
            return True
    return False


def is_about(change: RuleChange, peer: str, protocol: str, port: int) -> bool:
    named = change.protocol == (protocol if protocol in ("6", "17", "1") else "other")
    if isinstance(change.peer, str):
        same = change.peer == peer
    else:
        number = int(ipaddress.ip_address(peer)) if peer[0].isdigit() else -1
        same = change.peer[1] <= number <= change.peer[2]
    return named and same and change.ports[0] <= port <= change.ports[1]


@settings(max_examples=60)
@given(rules, rules)
def test_rule_changes(old: list[IpPermission], new: list[IpPermission]) -> None:
    changes = rule_changes(old, new)
    for peer in ("sg-a", "sg-b", "sg-c", "10.0.0.1", "10.0.0.2", "11.0.0.0"):
        for protocol in ("6", "17", "1", "50"):
            for port in (0, 1, 5, 9, 10, 12, 65535):
                before, after = (admits(r, peer, protocol, port) for r in (old, new))
                told = [c for c in changes if is_about(c, peer, protocol, port)]
                assert bool(told) is (before is not after), (peer, protocol, port)
                assert all(c.is_opened is after for c in told)


def test_route_changes_name_every_destination_with_another_next_hop() -> None:
    old = b.table(
        "t", ("10.0.0.0/16", "local"), ("10.0.5.0/24", "eni-gone"), ("10.1.0.0/16", "pcx-2")
    )
    new = b.table("t", ("10.0.0.0/16", "local"), ("10.1.0.0/16", "pcx-1"), ("10.1.5.0/24", "pcx-2"))
    told = {(c.ranges, c.old, c.new) for c in route_changes(old, new, {})}
    assert (("10.0.5.0/24",), "black hole eni-gone", "local") in told
    moved = next(r for r, one, other in told if (one, other) == ("pcx-2", "pcx-1"))
    assert "10.1.5.0/24" not in moved
    assert sum(ipaddress.ip_network(r).num_addresses for r in moved) == 2**16 - 2**8
    assert len(told) == 2


@pytest.mark.parametrize(
    ("ranges", "told"),
    [
        (("10.2.0.0/17", "10.2.128.0/17"), ("10.2.0.0/16",)),
        (("10.2.0.0/18", "10.2.64.0/18", "10.2.128.0/17"), ("10.2.0.0/16",)),
        (("10.2.0.0/18", "10.2.128.0/17"), ("10.2.0.0/18", "10.2.128.0/17")),
        (("10.2.255.0/24", "fd00::/64"), ("10.2.255.0/24", "fd00::/64")),
        (("fd00::/65", "fd00:0:0:0:8000::/65"), ("fd00::/64",)),
    ],
)
def test_neighbouring_ranges_are_told_as_one(
    ranges: tuple[str, ...], told: tuple[str, ...]
) -> None:
    old, new = b.table("t"), b.table("t", *((cidr, "pcx-1") for cidr in ranges))
    assert [c.ranges for c in route_changes(old, new, {})] == [told]


def test_a_route_by_prefix_list_changes_each_of_its_ranges() -> None:
    old, new = b.table("t"), b.table("t", ("pl-1", "pcx-1"))
    (change,) = route_changes(old, new, {"pl-1": ("10.2.0.0/16", "10.4.0.0/16")})
    assert change.text == "10.2.0.0/16, 10.4.0.0/16 (no route -> pcx-1)"


def test_cut_and_written_again() -> None:
    parts = cut([span("10.0.0.0/8"), span("fd00::/8")], [span("10.0.2.0/24"), span("11.0.0.0/8")])
    assert [p[0] for p in parts] == [4, 4, 4, 6]
    assert address_text(*parts[1][:2]) == "10.0.2.0"
    assert cidrs_of(parts[1]) == ("10.0.2.0/24",)
