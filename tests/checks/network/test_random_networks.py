"""Thousands of random broken networks: an offered fix opens the wanted connection and nothing else."""

from __future__ import annotations

import ipaddress
import os
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from opskit.checks.fix import Advice, Danger, Fix
from opskit.commands import AwsCall
from opskit.reachability.path import PathOutcome
from tests.checks.network.scene import CLIENT_PORTS, Broken, broken_networks, context
from tests.reachability import oracle
from tests.reachability import plain_model as plain
from tests.reachability.oracle import Case

SEED, COUNT, SAMPLE = 20_261_126, 3_000, 300
"""3,000 networks hold more than 2,000 broken paths; the sample of each run takes two seconds."""


@pytest.fixture(scope="module", params=["sample", pytest.param("all", marks=pytest.mark.full)])
def networks(request: pytest.FixtureRequest) -> list[Broken]:
    return broken_networks(SEED, SAMPLE if request.param == "sample" else COUNT)


def calls_of(commands: object) -> list[AwsCall]:
    assert isinstance(commands, tuple)
    return [c for c in commands if isinstance(c, AwsCall)]


def fixed(networks: list[Broken]) -> Iterator[tuple[Broken, Fix, Case]]:
    """The networks with an offered fix, each with the network after it."""
    for one in networks:
        if isinstance(one.remedy, Fix):
            yield one, one.remedy, plain.after_calls(one.case, calls_of(one.remedy.commands))


def client_ports(case: Case) -> tuple[int, ...]:
    """The range's ends, its middle, and every edge of an entry within it."""
    ranges = [e["PortRange"] for acl in case.acls for e in acl["Entries"] if "PortRange" in e]
    edges = {p for r in ranges for p in (r["From"] - 1, r["From"], r["To"], r["To"] + 1)}
    first, last = CLIENT_PORTS
    return (first, 45_123, last, *(p for p in sorted(edges) if first < p < last))


def test_the_wanted_connection_passes_from_every_port(networks: list[Broken]) -> None:
    for one, fix, after in fixed(networks):
        ports = client_ports(after)
        assert not all(plain.connects(one.case, p) for p in ports), "it was not broken"
        assert all(plain.connects(after, p) for p in ports), (one.path.line, fix.commands)


def test_most_broken_paths_get_a_command(networks: list[Broken]) -> None:
    total = len(networks)
    assert total > 0.66 * SAMPLE
    offered = sum(isinstance(n.remedy, Fix) for n in networks)
    assert offered > 0.6 * total, (offered, total)
    used = Counter(
        c.operation
        for n in networks
        if isinstance(n.remedy, Fix)
        for c in calls_of(n.remedy.commands)
    )
    assert set(used) >= {
        "AuthorizeSecurityGroupEgress",
        "AuthorizeSecurityGroupIngress",
        "CreateNetworkAclEntry",
        "DeleteRoute",
        "ModifyNetworkInterfaceAttribute",
    }, used
    for one in networks:
        assert not isinstance(one.remedy, Advice) or len(one.remedy.text) > 40


def test_no_other_packet_of_an_acl_is_decided_differently(networks: list[Broken]) -> None:
    for one, fix, after in fixed(networks):
        for number, (old, new) in enumerate(zip(one.case.acls, after.acls, strict=True)):
            if old == new:
                continue
            for egress, peer, protocol, port in acl_packets(one.case, old, new):
                packet = egress, protocol, peer, port
                if plain.acl_lets(old, *packet) is not plain.acl_lets(new, *packet):
                    assert plain.acl_lets(new, *packet), "something was closed"
                    assert is_wanted(one.case, number, *packet), (
                        one.path.line,
                        packet,
                        fix.commands,
                    )


def is_wanted(case: Case, number: int, egress: bool, protocol: str, peer: str, port: int) -> bool:
    """Whether a packet belongs to connections between the two subnets, there or back."""
    shared = case.acls[0]["NetworkAclId"] == case.acls[1]["NetworkAclId"]
    connections = []
    for side in (0, 1) if shared else (number,):
        other = case.destination if side == 0 else case.source
        is_forward = egress is (side == 0)
        ports = (case.port, case.port) if is_forward else (1024, 65535)
        connections.append(plain.holds(context(other), peer) and ports[0] <= port <= ports[1])
    return protocol == plain.TCP and any(connections)


def acl_packets(case: Case, *acls: dict[str, Any]) -> Iterator[tuple[bool, str, str, int]]:
    """Packets at the edges of every entry of two ACLs, and around the wanted connection."""
    entries = [e for acl in acls for e in acl["Entries"]]
    family = 6 if ":" in case.source else 4
    peers = {near(a, d) for a in (case.source, case.destination) for d in (-1, 0, 1, 256, 70_000)}
    for entry in entries:
        network = ipaddress.ip_network(entry.get("CidrBlock") or entry["Ipv6CidrBlock"])
        if network.version == family:
            peers |= {str(network[0]), str(network[-1]), near(str(network[-1]), 1)}
    ports = {
        22,
        case.port - 1,
        case.port,
        case.port + 1,
        1023,
        1024,
        32767,
        32768,
        60999,
        61000,
        65535,
    }
    for entry in entries:
        if "PortRange" in entry:
            ports |= {entry["PortRange"]["From"], entry["PortRange"]["To"]}
    rng = random.Random(case.port)
    for egress in (True, False):
        for peer in (*rng.sample(sorted(peers), min(9, len(peers))), case.source, case.destination):
            for protocol in (plain.TCP, plain.UDP, plain.ICMP):
                for port in sorted(ports) if protocol == plain.TCP else (53, case.port):
                    yield egress, peer, protocol, port


def near(address: str, distance: int) -> str:
    number = int(ipaddress.ip_address(address)) + distance
    bits = 128 if ":" in address else 32
    kind = ipaddress.IPv6Address if bits == 128 else ipaddress.IPv4Address
    return str(kind(max(0, min(number, 2**bits - 1))))


def test_no_other_flow_is_admitted_by_groups(networks: list[Broken]) -> None:
    """A rule admits one group or address on one port; an attachment says what else it opens."""
    for one, fix, after in fixed(networks):
        for side in (0, 1):
            for packet in group_packets(one.case):
                old = plain.groups_let(one.case, carried(one.case, side), *packet)
                new = plain.groups_let(after, carried(after, side), *packet)
                assert new or not old, "something was closed"
                if new and not old:
                    assert is_expected(one, fix, after, side, packet), (packet, fix)


def carried(case: Case, side: int) -> list[str]:
    return (case.source_groups, case.destination_groups)[side]


def group_packets(case: Case) -> Iterator[tuple[bool, str, str, list[str], int]]:
    """Whether egress, protocol, the peer's address, its groups, port."""
    peers = [(case.source, case.source_groups), (case.destination, case.destination_groups)]
    peers += [(near(case.source, 70_000), [g]) for g in oracle.GROUPS]
    peers += [(near(a, d), []) for a in (case.source, case.destination) for d in (0, 1, -1, 300)]
    for egress in (True, False):
        for address, groups in peers:
            for port in (22, case.port - 1, case.port, case.port + 1, 60_000):
                yield egress, plain.TCP, address, groups, port
            yield egress, plain.UDP, address, groups, case.port
            yield egress, plain.ICMP, address, groups, 0


def is_expected(
    one: Broken, fix: Fix, after: Case, side: int, packet: tuple[bool, str, str, list[str], int]
) -> bool:
    """Whether an opened flow is that of an added rule, or listed for an attached group."""
    egress, protocol, address, groups, port = packet
    for call in calls_of(fix.commands):
        if call.operation.startswith("AuthorizeSecurityGroup"):
            (rule,) = call.parameters["IpPermissions"]
            same_way = call.operation.endswith("Egress") is egress
            peers = (
                rule.get("UserIdGroupPairs", ()),
                rule.get("IpRanges", ()),
                rule.get("Ipv6Ranges", ()),
            )
            assert sum(len(p) for p in peers) == 1, "one peer"
            assert rule["FromPort"] == rule["ToPort"] == one.case.port
            is_for_it = same_way and protocol == plain.TCP and port == one.case.port
            if is_for_it and plain.rule_names(after, rule, address, groups):
                return True
        elif call.operation.startswith("Modify"):
            added = set(carried(after, side)) - set(carried(one.case, side))
            for group in (g for g in after.groups if g["GroupId"] in added):
                for rule in group["IpPermissionsEgress" if egress else "IpPermissions"]:
                    if plain.rule_covers(rule, protocol, port) and plain.rule_names(
                        after, rule, address, groups
                    ):
                        return is_listed(fix, rule, egress) or is_the_wanted(one, side, packet)
    return False


def is_listed(fix: Fix, rule: dict[str, object], egress: bool) -> bool:
    _, _, listed = fix.caution.partition("Opens besides: ")
    word = "out, to" if egress else "in, from"
    named = [str(p) for key in ("UserIdGroupPairs", "IpRanges", "Ipv6Ranges", "PrefixListIds")
             for item in rule.get(key, ()) for p in item.values()]  # type: ignore[attr-defined]  # fmt: skip
    return any(f"{word} {n}" in listed.replace("(", "").replace(")", "") for n in named)


def is_the_wanted(one: Broken, side: int, packet: tuple[bool, str, str, list[str], int]) -> bool:
    _, protocol, _, groups, port = packet
    other = carried(one.case, 1 - side)
    return protocol == plain.TCP and port == one.case.port and bool(set(groups) & set(other))


def test_no_other_destination_gets_another_next_hop(networks: list[Broken]) -> None:
    """Every destination that does is in a listed range, and none loses a living route."""
    for one, fix, after in fixed(networks):
        for old, new in zip(one.case.tables, after.tables, strict=True):
            if old == new:
                continue
            addresses = {one.case.source, one.case.destination}
            for route in (*old["Routes"], *new["Routes"]):
                network = ipaddress.ip_network(plain.destination_of(route))
                addresses |= {str(network[0]), str(network[-1]), near(str(network[-1]), 1)}
            for address in addresses:
                hosts = plain.next_hop(old, address), plain.next_hop(new, address)
                if hosts[0] != hosts[1]:
                    assert any(plain.holds(r, address) for r in listed_ranges(fix)), (address, fix)
                    own = plain.holds(context(one.case.destination), address)
                    own |= plain.holds(context(one.case.source), address)
                    assert own or hosts[0] in ("", "blackhole", "igw-1"), (address, hosts, fix)


def listed_ranges(fix: Fix) -> list[str]:
    found = []
    for word in fix.caution.replace(",", " ").replace(";", " ").split():
        if "/" in word and word[0].isalnum():
            found.append(word.strip("():"))
    return found


def test_the_undo_restores_everything(networks: list[Broken]) -> None:
    for one, fix, after in fixed(networks):
        if fix.undo:
            back = plain.after_calls(after, calls_of(fix.undo))
            assert sorted_case(back) == sorted_case(one.case), (fix.commands, fix.undo)
        else:
            assert any("Route" in c.operation for c in calls_of(fix.commands)), fix
            assert fix.no_undo


def sorted_case(case: Case) -> object:
    """A network without the order of its lists, which means nothing."""
    entries = [sorted(map(norm, a["Entries"])) for a in case.acls]
    routes = [sorted(map(norm, t["Routes"])) for t in case.tables]
    groups = [
        (g["GroupId"], *(sorted(map(norm, g[k])) for k in ("IpPermissions", "IpPermissionsEgress")))
        for g in case.groups
    ]
    return entries, routes, groups, case.source_groups, case.destination_groups


def norm(row: dict[str, object]) -> str:
    return repr(sorted(row.items()))


def test_a_written_deny_is_lifted_only_with_its_owner_asked(networks: list[Broken]) -> None:
    lifted = 0
    for one, fix, after in fixed(networks):
        denies = {
            p.entry.number
            for c in one.path.broken
            for p in c.dropped
            if p.entry is not None and p.is_denied_by_entry
        }
        if denies:
            lifted += 1
            assert Danger.GUARDRAIL in fix.dangers, (one.path.line, fix)
            assert all(f"entry {n} (deny" in fix.ask for n in lifted_of(one.case, after)), fix
        assert denies or Danger.GUARDRAIL not in fix.dangers
    assert lifted > 20


def lifted_of(case: Case, after: Case) -> set[int]:
    """The denies that decide the wanted packets before, and no longer after."""
    ports = [(True, case.destination, case.port), (False, case.source, case.port)]
    found = set()
    for number, acl in enumerate(case.acls):
        for egress, peer, port in (ports[number], *reply_packets(case, number)):
            for entry in sorted(acl["Entries"], key=lambda e: e["RuleNumber"]):
                alone = {"Entries": [{**entry, "RuleAction": "allow"}]}
                if plain.acl_lets(alone, egress, plain.TCP, peer, port):
                    if entry["RuleAction"] == "deny" and entry["RuleNumber"] < 32767:
                        found.add(entry["RuleNumber"])
                    break
    return found if not case.is_same_subnet else set()


def reply_packets(case: Case, number: int) -> list[tuple[bool, str, int]]:
    peer = case.source if number else case.destination
    return [(bool(number), peer, port) for port in client_ports(case)]


@pytest.mark.full
@pytest.mark.xdist_group("oracle")
def test_real_packets_pass_after_the_fix() -> None:
    """The plain reading and real packets agree on every network, before and after its fix."""
    why = oracle.why_impossible()
    if why:
        assert os.environ.get("CI") != "true", why
        pytest.skip(why)
    rows = list(fixed(broken_networks(SEED, 1_000)))
    before, after = [one.case for one, _, _ in rows], [case for _, _, case in rows]
    for cases in (before, after):
        answers = oracle.measure(cases)
        doubtful = [
            c
            for c, a in zip(cases, answers, strict=True)
            if a is not plain.connects(c, c.client_port)
        ]
        again = oracle.measure(doubtful, timeout_s=2.5) if doubtful else []
        for case, answer in zip(doubtful, again, strict=True):
            assert answer is plain.connects(case, case.client_port), case
    inside = [c for c in after if CLIENT_PORTS[0] <= c.client_port <= CLIENT_PORTS[1]]
    assert len(inside) > 100
    assert all(plain.connects(c, c.client_port) for c in inside)


def test_the_sample_is_broken_in_every_way(networks: list[Broken]) -> None:
    outcomes = Counter(n.path.outcome for n in networks)
    assert outcomes[PathOutcome.PART] > 5
    assert outcomes[PathOutcome.DROP] > 100
