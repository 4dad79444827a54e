"""Readers of networks, fed with replies as the EC2 and ELB API references show them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.config import Target
from opskit.facts import (
    app_subnets,
    instances,
    load_balancer,
    prefix_lists,
    routes,
    security_group_rule_ids,
    vpc_scope,
)
from opskit.facts import region_instances as region_reader
from opskit.facts.instances import Instances
from opskit.facts.interface import FactUnavailable, Known, Unknown
from opskit.facts.region_instances import RegionInstances
from opskit.facts.routes import RouteTables
from opskit.facts.security_groups import group_of
from opskit.facts.subnets import acl_of, subnet_of
from opskit.facts.target_health import TargetHealth, TargetHealths
from opskit.facts.vpc_scope import Peerings, VpcScope
from opskit.workload.ec2_instance import Ec2InstanceWorkload
from opskit.workload.interface import Workload
from tests import builders as b

NOBODY = b.known(RegionInstances((), is_complete=True))
TARGET = Target("linkbox", b.NAMES, "/linkbox")


def region_instances(**homes: str) -> Known[RegionInstances]:
    """Instances with a name each, in a VPC each."""
    app = b.healthy(Ec2InstanceWorkload).instance
    rows = (
        replace(app, instance_id=f"i-{name}", name=name, searchable_text=name, vpc_id=vpc)
        for name, vpc in homes.items()
    )
    return b.known(RegionInstances(tuple(rows), is_complete=True))


HERE = VpcScope("vpc-1", ("vpc-2",))


class Fake:
    """A client whose operations answer with fixed replies, and remember what they were asked."""

    def __init__(self, **replies: Any) -> None:
        self.replies = replies
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, operation: str) -> Any:
        def call(**arguments: Any) -> Any:
            self.asked.append((operation, arguments))
            reply = self.replies[operation]
            return reply(**arguments) if callable(reply) else reply

        return call


def peering(status: str, requester: str, accepter: str) -> dict[str, Any]:
    return {
        "VpcPeeringConnectionId": f"pcx-{requester}-{accepter}",
        "Status": {"Code": status},
        "RequesterVpcInfo": {
            "VpcId": requester,
            "OwnerId": "111111111111",
            "CidrBlock": "10.0.0.0/16",
            "CidrBlockSet": [{"CidrBlock": "10.0.0.0/16"}, {"CidrBlock": "10.9.0.0/16"}],
            "Ipv6CidrBlockSet": [{"Ipv6CidrBlock": "2001:db8::/56"}],
        },
        "AccepterVpcInfo": {
            "VpcId": accepter,
            "OwnerId": "222222222222",
            "CidrBlock": "10.1.0.0/16",
        },
    }


def test_active_peers_belong_to_the_neighbourhood() -> None:
    rows = [peering("active", "vpc-1", "vpc-2"), peering("deleted", "vpc-1", "vpc-3"),
            peering("active", "vpc-4", "vpc-5"), peering("active", "vpc-6", "vpc-1")]  # fmt: skip
    fake = Fake(describe_vpc_peering_connections={"VpcPeeringConnections": rows})
    found = vpc_scope.read_peerings(fake)
    near = vpc_scope.select(TARGET, b.known(b.database()), b.known(found), NOBODY)
    assert near == VpcScope("vpc-1", ("vpc-2", "vpc-6"))
    assert near.filter == [{"Name": "vpc-id", "Values": ["vpc-1", "vpc-2", "vpc-6"]}]
    one = found.between("vpc-2", "vpc-1")
    assert one is not None
    assert one.ranges_of("vpc-1") == ("10.0.0.0/16", "10.9.0.0/16", "2001:db8::/56")
    assert one.ranges_of("vpc-2") == ("10.1.0.0/16",)
    deleted = found.between("vpc-1", "vpc-3")
    assert deleted is not None
    assert deleted.status == "deleted"


def test_without_the_right_to_see_peerings_the_own_vpc_is_left() -> None:
    database, denied = b.known(b.database()), Unknown("no", ("ec2:DescribeVpcPeeringConnections",))
    near = vpc_scope.select(TARGET, database, denied, NOBODY)
    assert near == VpcScope("vpc-1", ())
    with pytest.raises(FactUnavailable, match="no VPC"):
        vpc_scope.select(TARGET, b.known(b.database(vpc_id="")), denied, NOBODY)


@pytest.mark.parametrize(
    ("named", "homes", "others"),
    [
        ("web", {"web": "vpc-9"}, ("vpc-9", "vpc-2")),
        ("i-web", {"web": "vpc-9", "linkbox": "vpc-1"}, ("vpc-9", "vpc-2")),
        (None, {"linkbox": "vpc-9"}, ("vpc-9", "vpc-2")),
        (None, {"linkbox": "vpc-9", "linkbox-2": "vpc-1"}, ("vpc-2",)),
        (None, {"linkbox": "vpc-9", "linkbox-2": "vpc-2"}, ("vpc-2",)),
        (None, {"linkbox": ""}, ("vpc-2",)),
        (None, {"other": "vpc-9"}, ("vpc-2",)),
    ],
)
def test_the_vpc_of_an_app_that_is_elsewhere_belongs_to_the_scope(
    named: str | None, homes: dict[str, str], others: tuple[str, ...]
) -> None:
    target = replace(TARGET, instance=named)
    peerings = b.known(Peerings((b.PEERING,)))
    scope = vpc_scope.select(target, b.known(b.database()), peerings, region_instances(**homes))
    assert scope == VpcScope("vpc-1", others)


def test_without_the_database_the_app_s_vpc_takes_its_place() -> None:
    denied = Unknown(
        "user/oncall may not call rds:DescribeDBInstances", ("rds:DescribeDBInstances",)
    )
    peerings = b.known(Peerings((b.PEERING,)))
    scope = vpc_scope.select(TARGET, denied, peerings, region_instances(linkbox="vpc-2"))
    assert scope == VpcScope("vpc-2", ("vpc-1",))
    with pytest.raises(FactUnavailable, match="rds:DescribeDBInstances"):
        vpc_scope.select(TARGET, denied, peerings, region_instances(other="vpc-2"))


def described(number: int, vpc: str = "vpc-1") -> dict[str, Any]:
    """A reservation with one instance."""
    raw = {"InstanceId": f"i-{number}", "State": {"Name": "running"}, "VpcId": vpc}
    return {"Instances": [raw]}


def test_all_instances_of_the_region_are_listed_once() -> None:
    fake = Fake(describe_instances={"Reservations": [described(1), described(2, "vpc-9")]})
    region = region_reader.read(fake, TARGET)
    assert ([i.instance_id for i in region.all], region.is_complete) == (["i-1", "i-2"], True)
    near = instances.read(fake, region, b.known(HERE))
    assert near == Instances(region.all)
    assert len(fake.asked) == 1


@pytest.mark.parametrize(("name", "field"), [("i-9", "instance-id"), ("web-1", "tag:Name")])
def test_of_a_large_account_the_named_one_and_those_in_scope_are_added(
    monkeypatch: pytest.MonkeyPatch, name: str, field: str
) -> None:
    monkeypatch.setattr(region_reader, "MOST", 1)

    def describe(Filters: Any = (), **_: Any) -> Any:  # noqa: N803
        if not Filters:
            return {"Reservations": [described(1), described(2), described(3)]}
        return {"Reservations": [described(9 if Filters[0]["Name"] == field else 10)]}

    fake = Fake(describe_instances=describe)
    region = region_reader.read(fake, replace(TARGET, instance=name))
    assert ([i.instance_id for i in region.all], region.is_complete) == (
        ["i-1", "i-2", "i-9"],
        False,
    )
    near = instances.read(fake, region, b.known(HERE))
    assert [i.instance_id for i in near.all] == ["i-1", "i-2", "i-9", "i-10"]
    assert not near.is_complete
    assert instances.read(fake, region, Unknown("no database")).all == region.all


def test_route_tables_with_every_kind_of_target() -> None:
    raw = {
        "RouteTableId": "rtb-1",
        "VpcId": "vpc-1",
        "Tags": [{"Key": "Name", "Value": "app"}],
        "Associations": [
            {"Main": True, "RouteTableId": "rtb-1"},
            {"Main": False, "SubnetId": "subnet-1"},
            {"Main": False, "GatewayId": "igw-1"},
        ],
        "Routes": [
            {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"},
            {"DestinationIpv6CidrBlock": "::/0", "EgressOnlyInternetGatewayId": "eigw-1"},
            {"DestinationPrefixListId": "pl-1", "GatewayId": "vpce-1", "State": "active"},
            {"DestinationCidrBlock": "10.1.0.0/16", "State": "blackhole"},
            {"DestinationCidrBlock": "10.2.0.0/16", "TransitGatewayId": "tgw-1",
             "Origin": "EnableVgwRoutePropagation"},
        ],
    }  # fmt: skip
    table = routes.read(Fake(describe_route_tables={"RouteTables": [raw]}), HERE).all[0]
    assert (table.is_main, table.subnet_ids, table.label) == (True, ("subnet-1",), "app (rtb-1)")
    assert [(r.destination, r.target, r.state) for r in table.routes] == [
        ("10.0.0.0/16", "local", "active"),
        ("::/0", "eigw-1", "active"),
        ("pl-1", "vpce-1", "active"),
        ("10.1.0.0/16", "", "blackhole"),
        ("10.2.0.0/16", "tgw-1", "active"),
    ]
    assert [r.is_propagated for r in table.routes] == [False] * 4 + [True]
    tables = RouteTables((table,))
    assert tables.of_subnet("subnet-1", "vpc-1") is table
    assert tables.of_subnet("subnet-9", "vpc-1") is table
    assert tables.of_subnet("subnet-9", "vpc-2") is None


def test_security_groups_acls_and_subnets_of_both_families() -> None:
    group = group_of(
        {
            "GroupId": "sg-1", "GroupName": "db", "VpcId": "vpc-1",
            "IpPermissions": [
                {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432,
                 "UserIdGroupPairs": [{"GroupId": "sg-2"}], "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/64"}],
                 "PrefixListIds": [{"PrefixListId": "pl-1"}]},
                {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
            ],
        }
    )  # fmt: skip
    first, second = group.ingress
    assert (first.group_ids, first.cidrs, first.prefix_list_ids) == (
        ("sg-2",), ("2001:db8::/64",), ("pl-1",),
    )  # fmt: skip
    assert first.covers(5432)
    assert not second.covers(5432), "ping is not the database's port"
    acl = acl_of(
        {
            "NetworkAclId": "acl-1",
            "Associations": [{"SubnetId": "subnet-1"}],
            "Entries": [
                {"RuleNumber": 32767, "Egress": False, "RuleAction": "deny", "Protocol": "-1",
                 "CidrBlock": "0.0.0.0/0"},
                {"RuleNumber": 101, "Egress": False, "RuleAction": "allow", "Protocol": "6",
                 "Ipv6CidrBlock": "::/0", "PortRange": {"From": 1024, "To": 65535}},
            ],
        }
    )  # fmt: skip
    assert [(e.number, e.cidr, e.ports) for e in acl.entries] == [
        (101, "::/0", (1024, 65535)),
        (32767, "0.0.0.0/0", None),
    ]
    subnet = subnet_of(
        {
            "SubnetId": "subnet-1", "CidrBlock": "10.0.5.0/24", "VpcId": "vpc-1",
            "Ipv6CidrBlockAssociationSet": [
                {"Ipv6CidrBlock": "2001:db8::/64", "Ipv6CidrBlockState": {"State": "associated"}},
                {"Ipv6CidrBlock": "2001:db9::/64", "Ipv6CidrBlockState": {"State": "disassociated"}},
            ],
        }
    )  # fmt: skip
    assert subnet.ipv6_cidrs == ("2001:db8::/64",)


def test_interfaces_are_read_in_their_order_and_the_scaling_group_from_its_tag() -> None:
    def interface(index: int, address: str, group: str) -> dict[str, Any]:
        return {
            "NetworkInterfaceId": f"eni-{index}", "PrivateIpAddress": address,
            "SubnetId": f"subnet-{index}", "Groups": [{"GroupId": group}],
            "Attachment": {"DeviceIndex": index}, "Ipv6Addresses": [{"Ipv6Address": "2001:db8::9"}],
        }  # fmt: skip

    raw = {
        "InstanceId": "i-1", "State": {"Name": "running"}, "VpcId": "vpc-1", "SubnetId": "subnet-0",
        "PrivateIpAddress": "10.0.2.45", "SecurityGroups": [{"GroupId": "sg-a"}],
        "Tags": [{"Key": "aws:autoscaling:groupName", "Value": "web"}],
        "NetworkInterfaces": [interface(1, "10.0.3.9", "sg-b"), interface(0, "10.0.2.45", "sg-a")],
    }  # fmt: skip
    found = region_reader.instance_of(raw)
    assert [i.interface_id for i in found.interfaces] == ["eni-0", "eni-1"]
    assert found.group_ids == ("sg-a", "sg-b")
    assert (found.scaling_group, found.state_reason) == ("web", "")
    stopped = {"Name": "stopped"}, {"Code": "x", "Message": "User initiated"}
    found = region_reader.instance_of(
        raw | dict(zip(("State", "StateReason"), stopped, strict=True))
    )
    assert (found.state, found.state_reason) == ("stopped", "User initiated")


def test_only_prefix_lists_that_matter_are_read_page_by_page() -> None:
    def entries(PrefixListId: str, NextToken: str = "", **_: Any) -> Any:  # noqa: N803
        if PrefixListId == "pl-app" and not NextToken:
            return {"Entries": [{"Cidr": "10.0.2.0/24"}], "NextToken": "more"}
        return {"Entries": [{"Cidr": "10.0.3.0/24"}]}

    groups = b.groups((b.rule(5432, lists=("pl-app",)),))
    tables = b.tables(b.table("x", ("pl-route", "vpce-1")))
    fake = Fake(get_managed_prefix_list_entries=entries)
    found = prefix_lists.read(fake, groups, b.known(tables), Unknown("no instance"), b.database())
    assert found.cidrs_of == {
        "pl-app": ("10.0.2.0/24", "10.0.3.0/24"),
        "pl-route": ("10.0.3.0/24",),
    }


def test_rule_ids_are_found_by_what_the_rule_says() -> None:
    rows = [
        {"SecurityGroupRuleId": "sgr-1", "GroupId": "sg-db", "IsEgress": False, "IpProtocol": "tcp",
         "FromPort": 5432, "ToPort": 5432, "ReferencedGroupInfo": {"GroupId": "sg-web"}},
        {"SecurityGroupRuleId": "sgr-2", "GroupId": "sg-web", "IsEgress": True, "IpProtocol": "-1",
         "FromPort": -1, "ToPort": -1, "CidrIpv4": "0.0.0.0/0"},
    ]  # fmt: skip
    fake = Fake(describe_security_group_rules={"SecurityGroupRules": rows})
    app: Workload = b.healthy(Workload)
    found = security_group_rule_ids.read(fake, b.database(), b.known(app))
    assert fake.asked[0][1]["Filters"][0]["Values"] == ["sg-db", "sg-web"]
    assert found.find("sg-db", False, b.rule(5432, "sg-web"), "sg-web") == "sgr-1"
    assert found.find("sg-web", True, b.ALL_OUT, "0.0.0.0/0") == "sgr-2"
    assert found.find("sg-web", False, b.ALL_OUT, "0.0.0.0/0") is None


def test_the_apps_subnets_come_from_its_scaling_group_and_its_siblings() -> None:
    app = b.healthy(Ec2InstanceWorkload).instance
    app = replace(app, scaling_group="web")
    sibling = replace(app, instance_id="i-2", name="two", subnet_id="subnet-app-b")
    other = replace(app, instance_id="i-3", subnet_id="subnet-x", group_ids=("sg-x",))
    stopped = replace(app, instance_id="i-4", subnet_id="subnet-y", state="stopped")
    groups = [{"VPCZoneIdentifier": "subnet-app,subnet-app-b,subnet-app-c"}]
    fake = Fake(describe_auto_scaling_groups={"AutoScalingGroups": groups})
    found = app_subnets.read(
        fake,
        Ec2InstanceWorkload(app, selection_reason=""),
        Instances((app, sibling, other, stopped)),
    )
    assert set(found.why_by_id) == {"subnet-app-b", "subnet-app-c"}
    assert "web may start it" in found.why_by_id["subnet-app-c"]
    alone = app_subnets.read(
        Fake(),
        Ec2InstanceWorkload(replace(app, scaling_group=None), selection_reason=""),
        Instances((app,)),
    )
    assert alone.why_by_id == {}


def test_the_balancer_of_the_apps_target_group() -> None:
    raw = {
        "LoadBalancerName": "alb", "Type": "application", "Scheme": "internet-facing",
        "VpcId": "vpc-1", "SecurityGroups": ["sg-alb"],
        "AvailabilityZones": [{"SubnetId": "subnet-1"}, {"SubnetId": "subnet-2"}],
    }  # fmt: skip
    fake = Fake(
        describe_load_balancers={"LoadBalancers": [raw]},
        describe_listeners={"Listeners": [{"Port": 443}, {"Port": 80}, {"Port": 443}]},
    )
    targets = TargetHealths((TargetHealth(b.TARGETS, "healthy", "", ""),))
    found = load_balancer.read(fake, targets)
    assert (found.listener_ports, found.is_internal) == ((80, 443), False)
    assert found.subnet_ids == ("subnet-1", "subnet-2")
    with pytest.raises(FactUnavailable, match="no load balancer"):
        load_balancer.read(fake, TargetHealths(()))
