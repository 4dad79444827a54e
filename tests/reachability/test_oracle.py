"""The path model against real packets: thousands of random networks, and no disagreement."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from opskit.facts.prefix_lists import PrefixLists
from opskit.facts.routes import RouteTables, table_of
from opskit.facts.security_groups import IpPermission, SecurityGroups, group_of
from opskit.facts.subnets import NetworkAcls, Subnet, acl_of
from opskit.facts.vpc_scope import Peerings, peering_of
from opskit.reachability import network_acl, path, route
from opskit.reachability.path import (
    CheckpointKind,
    Network,
    Path,
    PathEndpoint,
    PathOutcome,
    Reason,
    trace,
)
from tests.pace import scaled
from tests.reachability import oracle
from tests.reachability.oracle import Case

pytestmark = [pytest.mark.sandbox, pytest.mark.xdist_group("oracle")]
SEED = 20_261_121
COUNT = 2_000
AT_MOST_S = 60


def path_of(case: Case) -> Path:
    """The model's judgement of a case, for all ports from which a client may connect."""
    vpcs = ("vpc-s", "vpc-s" if case.is_same_vpc else "vpc-d")
    here = Subnet("subnet-s", "s", "10.64.0.0/10", "a", vpcs[0])
    there = here if case.is_same_subnet else Subnet("subnet-d", "d", "10.128.0.0/9", "b", vpcs[1])
    acls, tables = [dict(a) for a in case.acls], [dict(t) for t in case.tables]
    for number, subnet in enumerate((here, there)):
        associated = [{"SubnetId": subnet.subnet_id}]
        acls[number]["Associations"] = associated
        tables[number] |= {"Associations": associated, "VpcId": vpcs[number]}
    network = Network(
        groups=SecurityGroups({g["GroupId"]: group_of(g) for g in case.groups}),
        acls=NetworkAcls(tuple(acl_of(a) for a in acls)),
        tables=RouteTables(tuple(table_of(t) for t in tables)),
        peerings=Peerings((peering_of(case.peering),)),
        lists=PrefixLists({k: tuple(v) for k, v in case.lists.items()}),
    )
    source = PathEndpoint("client", case.source, here, tuple(case.source_groups))
    destination = PathEndpoint("server", case.destination, there, tuple(case.destination_groups))
    return trace(network, source, destination, case.port, (1024, 65535))


def says_open(case: Case) -> bool:
    """Whether the model lets the connection through from the client's very port."""
    path = path_of(case)
    assert path.outcome is not PathOutcome.UNKNOWN, path
    if path.outcome is PathOutcome.DROP:
        return False
    return any(first <= case.client_port <= last for first, last in path.open_ports)


@dataclass(frozen=True, slots=True)
class Asked:
    """What packets said of every case, and in how many seconds."""

    cases: list[Case]
    answered: list[bool]
    seconds: float


@pytest.fixture(scope="module")
def asked() -> Asked:
    """All cases, asked once for the tests of this module."""
    why = oracle.why_impossible()
    if why:
        assert os.environ.get("CI") != "true", why
        pytest.skip(why)
    started = time.monotonic()
    cases = oracle.generate(SEED, COUNT, with_ipv6=True)
    answered = oracle.measure(cases)
    return Asked(cases, answered, time.monotonic() - started)


def disagreements(cases: list[Case], answered: list[bool]) -> list[Case]:
    """The cases where packets and model differ."""
    return [c for c, is_open in zip(cases, answered, strict=True) if says_open(c) != is_open]


def test_two_thousand_networks_agree_with_packets(asked: Asked) -> None:
    doubtful = disagreements(asked.cases, asked.answered)
    if doubtful:
        # A packet may have been late on a busy machine: these are asked again, alone.
        again = oracle.measure(doubtful, timeout_s=2.5)
        doubtful = disagreements(doubtful, again)
    assert not doubtful, (len(doubtful), doubtful[0], path_of(doubtful[0]))
    assert asked.seconds < scaled(AT_MOST_S)


def test_the_networks_say_something(asked: Asked) -> None:
    outcomes = Counter(path_of(c).outcome for c in asked.cases)
    assert min(outcomes[o] for o in (PathOutcome.PASS, PathOutcome.PART, PathOutcome.DROP)) > 60, (
        outcomes
    )
    reasons = Counter(b.reason for c in asked.cases for b in path_of(c).broken)
    never = {Reason.MAIN_TABLE, Reason.NOT_KNOWN}
    assert all(reasons[reason] > 20 for reason in set(Reason) - never), reasons
    assert sum(a for c, a in zip(asked.cases, asked.answered, strict=True) if c.family == 6) > 20


MUTANTS: dict[str, tuple[object, str, Callable[..., object]]] = {
    "any fitting ACL entry may allow, not the first alone": (
        network_acl, "_first",
        lambda entries, port: next(
            (e for e in entries if e.allows and (not e.ports or e.ports[0] <= port <= e.ports[1])), None
        ),
    ),
    "replies pass the client's ACL unasked": (
        path, "_acl",
        lambda leg, kind, ports, real=path._acl: (
            None if kind is CheckpointKind.REPLY_ACL_IN else real(leg, kind, ports)
        ),
    ),
    "the first route that fits decides": (route, "prefix_length", lambda cidr: 0),
    "a reference to a group never counts": (path._Leg, "referable", lambda self, end: ((), ())),
    "the upper port of a rule is not included": (
        IpPermission, "covers",
        lambda self, port: self.protocol == "-1" or (
            self.is_tcp and (self.from_port is None or self.from_port <= port < self.to_port)
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_a_model_with_a_mistake_is_caught(
    asked: Asked, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    where, attribute, wrong = MUTANTS[name]
    monkeypatch.setattr(where, attribute, wrong)
    assert len(disagreements(asked.cases, asked.answered)) > 10
