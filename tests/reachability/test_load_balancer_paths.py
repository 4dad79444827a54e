"""The paths of a request: to the load balancer's listeners, and from each of its subnets to the app."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.facts.interface import FactUnavailable
from opskit.facts.load_balancer import LoadBalancer
from opskit.facts.security_groups import SecurityGroup, SecurityGroups
from opskit.facts.subnets import Subnet, Subnets
from opskit.reachability.database_paths import DatabasePaths
from opskit.reachability.load_balancer_paths import LoadBalancerPaths, analyze
from opskit.reachability.path import CheckpointKind, PathOutcome
from opskit.workload.ec2_instance import Ec2InstanceWorkload
from tests import builders as b

BALANCER = b.healthy(LoadBalancer)
APP = b.healthy(Ec2InstanceWorkload)
SUBNETS = b.healthy(Subnets)
OPEN = (b.entry(100, "in", "0.0.0.0/0", None), b.entry(100, "out", "0.0.0.0/0", None))


def paths(balancer: LoadBalancer = BALANCER, *replaced: Any) -> LoadBalancerPaths:
    found = b.snapshot(*replaced).value(DatabasePaths)
    assert found is not None
    return analyze(balancer, APP, SUBNETS, found)


def listening(*ranges: str, ports: tuple[int, ...] = (443,)) -> SecurityGroups:
    """The load balancer's group admits these ranges."""
    rules = tuple(b.rule(port, cidrs=ranges) for port in ports)
    own = b.groups((b.rule(5432, "sg-web"),)).by_id
    return SecurityGroups(
        {**own, "sg-alb": SecurityGroup("sg-alb", "alb-public-sg", "vpc-1", rules, (b.ALL_OUT,))}
    )


def test_each_listener_and_each_subnet_has_a_path() -> None:
    two = replace(BALANCER, subnet_ids=("subnet-public", "subnet-app-b"), listener_ports=(443, 80))
    found = paths(two, listening("0.0.0.0/0", ports=(443, 80)))
    assert [(p.source.name, p.destination.name, p.port) for p in found.from_internet] == [
        ("internet", "linkbox-alb", 443), ("internet", "linkbox-alb", 80),
    ]  # fmt: skip
    assert [(p.source.name, p.source.address, p.destination.address, p.port) for p in found.to_app] == [
        ("linkbox-alb", "10.0.1.4", "10.0.2.45", 3000),
        ("linkbox-alb", "10.0.3.4", "10.0.2.45", 3000),
    ]  # fmt: skip
    for path in (*found.from_internet, *found.to_app):
        assert path.outcome is PathOutcome.PASS
        assert path.client_ports == (1024, 65535)
        assert "sg-alb" in (*path.source.group_ids, *path.destination.group_ids)
    assert found.to_app[0].destination.group_ids == ("sg-web",)
    assert found.from_internet[0].source.subnet is None
    assert found.from_internet[0].source.group_ids == ()


def test_the_internet_reaches_an_internal_one_by_no_path() -> None:
    found = paths(replace(BALANCER, is_internal=True))
    assert found.from_internet == ()
    assert len(found.to_app) == 1


@pytest.mark.parametrize(
    ("ranges", "client", "outcome"),
    [
        (("0.0.0.0/0",), "198.51.100.7", PathOutcome.PASS),
        (("203.0.113.0/24",), "203.0.113.0", PathOutcome.PASS),
        (("::/0", "203.0.113.0/24"), "203.0.113.0", PathOutcome.PASS),
        (("::/0",), "198.51.100.7", PathOutcome.DROP),
        ((), "198.51.100.7", PathOutcome.DROP),
    ],
)
def test_the_client_is_one_that_the_rules_name(
    ranges: tuple[str, ...], client: str, outcome: PathOutcome
) -> None:
    [path] = paths(BALANCER, listening(*ranges)).from_internet
    assert (path.source.address, path.outcome) == (client, outcome)


def test_a_client_of_a_rule_for_another_port_is_not_taken() -> None:
    [path] = paths(BALANCER, listening("203.0.113.0/24", ports=(80,))).from_internet
    assert (path.source.address, path.outcome) == ("198.51.100.7", PathOutcome.DROP)


def test_the_first_client_that_comes_through_is_taken() -> None:
    deny = b.entry(50, "in", "203.0.113.0/24", None, "deny")
    public = b.acl("rest", ("subnet-public", "subnet-peer"), deny, *OPEN)
    acls = replace(b.acls(), all=(*b.acls().all[:2], public))
    [path] = paths(BALANCER, acls, listening("203.0.113.0/24", "192.0.2.0/24")).from_internet
    assert (path.source.address, path.outcome) == ("192.0.2.0", PathOutcome.PASS)
    [path] = paths(BALANCER, acls, listening("203.0.113.0/24")).from_internet
    assert (path.source.address, path.outcome) == ("203.0.113.0", PathOutcome.DROP)
    assert path.broken[0].kind is CheckpointKind.ACL_IN


def test_without_a_port_the_app_is_reached_on_none() -> None:
    group = replace(b.TARGETS, port=None)
    [path] = paths(replace(BALANCER, target_group=group)).to_app
    assert (path.port, path.outcome) == (0, PathOutcome.DROP)


@pytest.mark.parametrize("kind", ["network", "gateway"])
def test_another_kind_is_not_modelled(kind: str) -> None:
    with pytest.raises(FactUnavailable) as caught:
        paths(replace(BALANCER, kind=kind))
    assert (
        caught.value.unknown.reason
        == f"linkbox-alb is a {kind} load balancer, which is not modelled"
    )
    assert caught.value.unknown.missing == ("an application load balancer",)


def test_subnets_that_were_not_read_are_left_out() -> None:
    found = paths(replace(BALANCER, subnet_ids=("subnet-gone", "subnet-public")))
    assert [p.source.subnet for p in found.to_app] == [SUBNETS.get("subnet-public")]
    assert isinstance(found.to_app[0].source.subnet, Subnet)
    with pytest.raises(FactUnavailable) as caught:
        paths(replace(BALANCER, subnet_ids=("subnet-gone",)))
    assert caught.value.unknown.reason == "the subnets of linkbox-alb are not known"
    assert caught.value.unknown.missing == ("ec2:DescribeSubnets",)
