"""What judging costs: ten thousand rules are nothing to wait for, and twice as many cost twice."""

from __future__ import annotations

import sys
import time
from types import FrameType
from typing import Any

import pytest

from opskit.facts.security_groups import IpPermission, SecurityGroup, SecurityGroups
from opskit.facts.subnets import NetworkAcls, Subnet
from opskit.reachability.addresses import span
from opskit.reachability.path import Network, PathEndpoint, PathOutcome, trace
from tests import builders as b

HERE = Subnet("subnet-s", "s", "10.64.0.0/16", "a", "vpc-1")
THERE = Subnet("subnet-d", "d", "10.65.0.0/16", "b", "vpc-1")


def network_of(rules: int, groups: int) -> tuple[Network, PathEndpoint, PathEndpoint]:
    """Two interfaces with many groups each, none of whose many rules admits the other."""
    each = rules // groups
    made = {}
    for group in range(groups):
        entries = tuple(
            IpPermission("tcp", 5000, 6000, (), (f"172.{group}.{i // 250}.{i % 250}/32",), ())
            if i % 2
            else IpPermission("tcp", 5432, 5432, (f"sg-x{i}",), (), ())
            for i in range(each)
        )
        open_out = (*entries[1:], b.ALL_OUT)
        made[f"sg-{group}"] = SecurityGroup(f"sg-{group}", f"g{group}", "vpc-1", entries, open_out)
    half = tuple(made)[: groups // 2], tuple(made)[groups // 2 :]
    network = Network(SecurityGroups(made), NetworkAcls(()), None)
    ends = (
        PathEndpoint("client", "10.64.1.1", HERE, half[0]),
        PathEndpoint("server", "10.65.1.1", THERE, half[1]),
    )
    return network, *ends


def milliseconds(rules: int, groups: int) -> float:
    """The best of several judgements, each with nothing remembered from the one before."""
    network, source, destination = network_of(rules, groups)
    best = float("inf")
    for _ in range(7):
        span.cache_clear()
        # This thread's own time: other tests run beside us.
        started = time.thread_time()
        path = trace(network, source, destination, 5432, (32768, 60999))
        best = min(best, 1000 * (time.thread_time() - started))
        assert path.outcome is PathOutcome.DROP
    return best


@pytest.mark.speed
def test_ten_thousand_rules_take_less_than_fifty_milliseconds() -> None:
    assert milliseconds(10_000, 60) < 50


def lines_run(rules: int, groups: int) -> int:
    """How many lines of Python one judgement runs: the same number every time, unlike a clock."""
    network, source, destination = network_of(rules, groups)
    span.cache_clear()
    count = 0

    def tell(_: FrameType, event: str, __: object) -> Any:
        nonlocal count
        count += event == "line"
        return tell

    before = sys.gettrace()
    sys.settrace(tell)
    try:
        trace(network, source, destination, 5432, (32768, 60999))
    finally:
        sys.settrace(before)
    return count


@pytest.mark.speed
def test_the_work_grows_with_the_rules_and_not_faster() -> None:
    assert 10_000 < lines_run(24_000, 60) < 4.2 * lines_run(6_000, 60)
