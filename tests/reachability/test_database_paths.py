"""From which interface the app connects, to which address, and what a move of either end changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.facts.app_subnets import AppSubnets
from opskit.facts.database import Database
from opskit.facts.dns import OperatorDns
from opskit.facts.interface import FactUnavailable, Unknown
from opskit.facts.prefix_lists import PrefixLists
from opskit.facts.rds import DbSubnet
from opskit.facts.security_group_rule_ids import RuleIds
from opskit.facts.security_groups import SecurityGroups
from opskit.facts.subnets import Subnets
from opskit.facts.vpc_scope import Peerings
from opskit.probe.response import Resolution
from opskit.reachability.database_paths import DatabasePaths, analyze, source_of
from opskit.reachability.path import CheckpointKind, PathEndpoint, PathOutcome, UnknownBecause
from opskit.workload.ec2_instance import Ec2InstanceWorkload
from opskit.workload.interface import NetworkInterface
from tests import builders as b

UNKNOWN = Unknown("you may not read it", ("x:Y",))
APP = b.healthy(Ec2InstanceWorkload)
SUBNETS = b.healthy(Subnets)
GROUPS = b.groups((b.rule(5432, "sg-web"),))
SILENT = b.probe(resolutions=(), connections=())
DNS = b.healthy(OperatorDns)
IN, OUT = b.entry(100, "in", "0.0.0.0/0", None), b.entry(100, "out", "0.0.0.0/0", None)


def paths(**changes: Any) -> DatabasePaths:
    facts = {
        "app": APP,
        "database": b.database(),
        "groups": GROUPS,
        "subnets": SUBNETS,
        "acls": b.known(b.acls()),
        "tables": b.known(b.tables()),
        "peerings": b.known(Peerings(())),
        "lists": b.known(PrefixLists({})),
        "rule_ids": b.known(RuleIds({})),
        "app_subnets": b.known(AppSubnets({})),
        "dns": b.known(DNS),
        "probe": b.known(b.probe()),
    }
    return analyze(**{**facts, **changes})


def workload(*interfaces: NetworkInterface, **changes: Any) -> Ec2InstanceWorkload:
    return Ec2InstanceWorkload(
        replace(APP.instance, interfaces=interfaces, **changes), selection_reason=""
    )


FIRST = NetworkInterface("eni-0", 0, "10.0.2.45", (), "subnet-app", ("sg-web",))
SECOND = NetworkInterface("eni-1", 1, "10.0.5.77", ("2001:db8::5",), "subnet-db-a", ("sg-two",))


class TestSource:
    def chosen(self, local: str = "", destination: str | None = None) -> PathEndpoint:
        target = SUBNETS.get(destination) if destination else None
        return source_of(workload(FIRST, SECOND), SUBNETS, target, local)

    @pytest.mark.parametrize(
        ("local", "destination", "address"),
        [
            ("", None, "10.0.2.45"),
            ("", "subnet-db-a", "10.0.5.77"),
            ("", "subnet-db-b", "10.0.2.45"),
            ("10.0.2.45", "subnet-db-a", "10.0.2.45"),
            ("10.0.5.77", None, "10.0.5.77"),
            ("2001:db8::5", None, "2001:db8::5"),
            ("192.0.2.1", "subnet-db-a", "10.0.5.77"),
        ],
    )
    def test_the_interface_that_connected_else_one_beside_the_database_else_the_first(
        self, local: str, destination: str | None, address: str
    ) -> None:
        assert self.chosen(local, destination).address == address

    def test_an_end_has_the_interface_s_groups_subnet_and_number(self) -> None:
        assert self.chosen("10.0.5.77") == PathEndpoint(
            "linkbox-backend-1 eth1", "10.0.5.77", SUBNETS.get("subnet-db-a"), ("sg-two",)
        )
        unnamed = source_of(workload(FIRST, name=""), SUBNETS, None, "")
        assert unnamed.name == "i-1 eth0"

    def test_without_an_observation_no_interface_with_ipv6_alone_is_taken(self) -> None:
        app = workload(FIRST, replace(SECOND, address=""))
        assert source_of(app, SUBNETS, None, "").address == "10.0.2.45"

    @pytest.mark.parametrize(
        "interface", [replace(FIRST, subnet_id="subnet-gone"), replace(FIRST, address="")]
    )
    def test_an_interface_without_a_known_subnet(self, interface: NetworkInterface) -> None:
        with pytest.raises(FactUnavailable) as caught:
            source_of(workload(interface), SUBNETS, None, "")
        assert caught.value.unknown.reason == f"the subnet of {APP.label} is not known"
        assert caught.value.unknown.missing == ("ec2:DescribeSubnets",)

    def test_a_workload_without_an_interface(self) -> None:
        app = replace(b.task(), interface=None)
        with pytest.raises(FactUnavailable) as caught:
            source_of(app, SUBNETS, None, "")
        assert caught.value.unknown.reason == (
            f"the network interface of {app.label} is not known, or it has none of its own"
        )
        assert caught.value.unknown.missing == ("ec2:DescribeNetworkInterfaces",)


class TestDestination:
    @pytest.mark.parametrize(
        ("changes", "address"),
        [
            ({}, "10.0.5.10"),
            ({"probe": b.known(SILENT)}, "10.0.5.10"),
            ({"probe": UNKNOWN}, "10.0.5.10"),
            ({"dns": UNKNOWN}, "10.0.5.10"),
            ({"dns": b.known(replace(DNS, addresses=("10.0.6.10",)))}, "10.0.5.10"),
            ({"dns": b.known(replace(DNS, addresses=("10.0.6.10",))), "probe": UNKNOWN}, "10.0.6.10"),
            ({"dns": b.known(replace(DNS, addresses=("10.0.2.9", "10.0.6.10"))), "probe": UNKNOWN}, "10.0.6.10"),
        ],
    )  # fmt: skip
    def test_the_address_is_the_app_s_own_answer_else_the_operator_s(
        self, changes: dict[str, Any], address: str
    ) -> None:
        current = paths(**changes).current
        assert current.destination.address == address
        assert current.destination.subnet == SUBNETS.of_address(address)
        assert (current.destination.name, current.destination.group_ids) == (
            "linkbox-db",
            ("sg-db",),
        )
        assert current.port == 5432

    def test_without_subnets_of_its_own_any_known_subnet_holds_it(self) -> None:
        found = paths(
            database=b.database(subnets=()),
            dns=b.known(replace(DNS, addresses=("192.0.2.1", "10.0.2.9"))),
            probe=UNKNOWN,
        )
        assert found.current.destination.address == "10.0.2.9"
        assert found.after_failover == ()

    @pytest.mark.parametrize(("zone", "subnet"), [("a", "subnet-db-a"), ("b", "subnet-db-b"), ("c", "subnet-db-a"), (None, "subnet-db-a")])  # fmt: skip
    def test_without_an_address_its_zone_tells_the_subnet(
        self, zone: str | None, subnet: str
    ) -> None:
        found = paths(database=b.database(zone=zone), dns=UNKNOWN, probe=UNKNOWN)
        assert found.current.destination.subnet == SUBNETS.get(subnet)
        assert found.current.destination.address == {"subnet-db-a": "10.0.5.4", "subnet-db-b": "10.0.6.4"}[subnet]  # fmt: skip

    def test_without_an_address_the_first_open_part_of_the_subnet_counts(self) -> None:
        deny = b.entry(50, "out", "10.0.5.0/25", None, "deny")
        closed = b.acl("app", ("subnet-app",), deny, IN, OUT)
        found = paths(acls=b.known(b.acls(closed)), dns=UNKNOWN, probe=UNKNOWN)
        assert found.current.destination.address == "10.0.5.128"
        assert found.current.outcome is PathOutcome.PASS
        all_closed = b.acl("app", ("subnet-app",), replace(deny, cidr="10.0.5.0/24"), IN, OUT)
        found = paths(acls=b.known(b.acls(all_closed)), dns=UNKNOWN, probe=UNKNOWN)
        assert found.current.destination.address == "10.0.5.4"
        assert found.current.outcome is PathOutcome.DROP

    def test_an_unknown_subnet_leaves_the_path_unknown(self) -> None:
        gone = b.database(subnets=(DbSubnet("subnet-gone", "a"),))
        with pytest.raises(FactUnavailable) as caught:
            paths(database=gone, dns=UNKNOWN, probe=UNKNOWN)
        assert caught.value.unknown.reason == "the subnet of linkbox-db is not known"
        assert caught.value.unknown.missing == ("ec2:DescribeSubnets",)


class TestClientPorts:
    @pytest.mark.parametrize(
        ("changes", "ports", "is_known"),
        [
            ({}, (32768, 60999), True),
            ({"probe": b.known(b.probe(ephemeral_ports=(1024, 4999)))}, (1024, 4999), True),
            ({"probe": b.known(b.probe(ephemeral_ports=None))}, (32768, 60999), False),
            ({"probe": UNKNOWN}, (32768, 60999), False),
        ],
    )
    def test_they_are_the_instance_s_own_else_linux_s(
        self, changes: dict[str, Any], ports: tuple[int, int], is_known: bool
    ) -> None:
        found = paths(**changes)
        assert found.current.client_ports == ports
        assert found.client_ports_known is is_known
        assert found.workload_noun == "the instance"


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({"acls": UNKNOWN}, {CheckpointKind.ACL_OUT, CheckpointKind.ACL_IN, CheckpointKind.REPLY_ACL_OUT, CheckpointKind.REPLY_ACL_IN}),
        ({"tables": UNKNOWN}, {CheckpointKind.ROUTE, CheckpointKind.REPLY_ROUTE}),
    ],
)  # fmt: skip
def test_what_was_not_read_is_unknown(changes: dict[str, Any], kinds: set[CheckpointKind]) -> None:
    current = paths(**changes).current
    unknown = {c.kind for c in current.checkpoints if c.unknown_because is UnknownBecause.NOT_READ}
    assert unknown == kinds
    assert current.outcome is PathOutcome.UNKNOWN


def test_rule_ids_peerings_and_prefix_lists_reach_the_path() -> None:
    ids = RuleIds({("sg-db", False, "tcp", 5432, 5432, "sg-web"): "sgr-1"})
    lists = PrefixLists({"pl-1": ("10.0.2.0/24",)})
    peerings = Peerings((b.PEERING,))
    found = paths(rule_ids=b.known(ids), lists=b.known(lists), peerings=b.known(peerings)).network
    assert (found.rule_ids, found.lists, found.peerings) == (ids, lists, peerings)
    none = paths(rule_ids=UNKNOWN, lists=UNKNOWN, peerings=UNKNOWN).network
    assert (none.rule_ids, none.lists, none.peerings) == (None, PrefixLists({}), None)
    assert (none.groups, none.acls, none.tables) == (GROUPS, b.acls(), b.tables())


class TestMoves:
    def test_the_database_may_get_another_address_in_each_of_its_subnets(self) -> None:
        found = paths().after_failover
        assert [(a.subnet.subnet_id, a.path.destination.address, a.why) for a in found] == [
            (
                "subnet-db-a",
                "10.0.5.4",
                "once linkbox-db gets another address in db-a (subnet-db-a)",
            ),
            ("subnet-db-b", "10.0.6.4", "once linkbox-db fails over to db-b (subnet-db-b)"),
        ]
        assert {a.path.outcome for a in found} == {PathOutcome.PASS}
        single = paths(database=b.database(is_multi_az=False)).after_failover
        assert single[1].why == "once linkbox-db is moved to db-b (subnet-db-b)"

    @pytest.mark.parametrize(
        "changes",
        [
            {"groups": b.groups((b.rule(5432, cidrs=("10.0.6.128/25",)),))},
            {"groups": b.groups((b.rule(5432, "sg-web"),), (b.rule(5432, cidrs=("10.0.6.128/25",)),))},
            {"lists": b.known(PrefixLists({"pl-1": ("10.0.6.128/25",)}))},
            {"acls": b.known(b.acls(db=b.acl("db", ("subnet-db-a", "subnet-db-b"), b.entry(90, "in", "10.0.6.128/25", None), IN, OUT)))},
            {"tables": b.known(b.tables(b.table("app", ("10.0.0.0/16", "local"), ("10.0.6.128/25", "local"), subnets=("subnet-app",))))},
        ],
    )  # fmt: skip
    def test_each_part_of_a_subnet_that_rules_tell_apart_has_a_path(
        self, changes: dict[str, Any]
    ) -> None:
        found = [a for a in paths(**changes).after_failover if a.subnet.subnet_id == "subnet-db-b"]
        assert [a.path.destination.address for a in found] == ["10.0.6.4", "10.0.6.128"]

    def test_a_prefix_list_in_a_route_cuts_by_its_ranges_alone(self) -> None:
        table = b.table("app", ("10.0.0.0/16", "local"), ("pl-1", "local"), subnets=("subnet-app",))
        assert len(paths(tables=b.known(b.tables(table))).after_failover) == 2

    def test_a_group_that_was_not_read_cuts_nothing(self) -> None:
        unread = SecurityGroups({k: v for k, v in GROUPS.by_id.items() if k != "sg-db"})
        assert len(paths(groups=unread).after_failover) == 2

    def test_a_subnet_that_was_not_read_is_left_out(self) -> None:
        places = (DbSubnet("subnet-gone", "c"), DbSubnet("subnet-db-b", "b"))
        found = paths(
            database=b.database(subnets=places),
            dns=b.known(replace(DNS, addresses=("10.0.6.10",))),
            probe=UNKNOWN,
        ).after_failover
        assert [a.subnet.subnet_id for a in found] == ["subnet-db-b"]

    def test_no_more_than_64_parts_are_tried(self) -> None:
        many = tuple(f"10.0.6.{n}/32" for n in range(5, 200, 2))
        found = paths(groups=b.groups((b.rule(5432, "sg-web", cidrs=many),))).after_failover
        assert len([a for a in found if a.subnet.subnet_id == "subnet-db-b"]) == 64

    def test_the_app_may_be_started_in_its_other_subnets(self) -> None:
        elsewhere = AppSubnets({"subnet-app-b": "another one runs there", "subnet-gone": "x"})
        found = paths(app_subnets=b.known(elsewhere)).from_other_subnets
        [path] = found
        assert (path.subnet.subnet_id, path.why) == ("subnet-app-b", "another one runs there")
        assert path.path.source == PathEndpoint(
            "the app in app-b (subnet-app-b)", "10.0.3.4", SUBNETS.get("subnet-app-b"), ("sg-web",)
        )
        assert path.path.destination == paths().current.destination
        assert paths(app_subnets=UNKNOWN).from_other_subnets == ()

    def test_a_subnet_without_a_way_is_seen(self) -> None:
        deny = b.entry(50, "in", "10.0.3.0/24", None, "deny")
        acls = b.acls(db=b.acl("db", ("subnet-db-a", "subnet-db-b"), deny, IN, OUT))
        elsewhere = b.known(AppSubnets({"subnet-app-b": "x"}))
        [path] = paths(acls=b.known(acls), app_subnets=elsewhere).from_other_subnets
        assert path.path.outcome is PathOutcome.DROP

    def test_over_ipv6_the_subnet_s_ipv6_range_is_tried(self) -> None:
        six = {"subnet-db-a": "2001:db8:0:5::/64", "subnet-app-b": "2001:db8:0:3::/64"}
        subnets = Subnets(
            tuple(
                replace(s, ipv6_cidrs=(six[s.subnet_id],)) if s.subnet_id in six else s
                for s in SUBNETS.all
            )
        )
        local = "2001:db8:0:2::5"
        app = workload(replace(FIRST, ipv6_addresses=(local,)))
        connection = replace(b.connection(), local_address=local)
        found = paths(
            app=app,
            subnets=subnets,
            probe=b.known(b.probe(resolutions=(Resolution(b.HOST, ("2001:db8:0:5::9",), ""),), connections=(connection,))),
            app_subnets=b.known(AppSubnets({"subnet-app-b": "x"})),
        )  # fmt: skip
        assert found.current.source.address == local
        assert found.current.destination.address == "2001:db8:0:5::9"
        assert found.after_failover[0].path.destination.address == "2001:db8:0:5::"
        assert found.after_failover[1].path.destination.address == "10.0.6.4"
        assert found.from_other_subnets[0].path.source.address == "2001:db8:0:3::"


def test_a_connection_on_another_port_tells_no_address() -> None:
    app = workload(FIRST, SECOND)
    other = replace(b.connection(), port=6432, local_address="10.0.5.77")
    subnet_b = b.database(subnets=(DbSubnet("subnet-db-b", "b"),))
    dns: OperatorDns = replace(DNS, addresses=("10.0.6.10",))
    assert isinstance(subnet_b, Database)
    found = paths(
        app=app,
        database=subnet_b,
        dns=b.known(dns),
        probe=b.known(b.probe(resolutions=(), connections=(other,))),
    )
    assert found.current.source.address == "10.0.2.45"
