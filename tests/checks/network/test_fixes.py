"""Fixes of ACLs, routes and several places at once: exact commands, numbers, undo and warnings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.checks.catalogue import check_of
from opskit.checks.fix import Danger, Fix
from opskit.checks.fix_effects import apply
from opskit.checks.fix_verification import verify_fix
from opskit.checks.interface import Finding, Status
from opskit.checks.network.fixes import combine
from opskit.checks.network.path_check import connection
from opskit.checks.run import run_check
from opskit.checks.shell_rendering import Caller
from opskit.commands import AwsCall
from opskit.facts.app_subnets import AppSubnets
from opskit.facts.database import Database
from opskit.facts.dns import DatabaseHost
from opskit.facts.instances import Instances
from opskit.facts.interface import known_value
from opskit.facts.load_balancer import LoadBalancer
from opskit.facts.probe import InstanceProbe
from opskit.facts.rds import DbSubnet
from opskit.facts.routes import RouteTables
from opskit.facts.snapshot import Snapshot
from opskit.facts.subnets import NetworkAcls, Subnets
from opskit.facts.target_health import TargetHealth, TargetHealths
from opskit.facts.vpc_scope import Peerings
from opskit.probe.response import Resolution
from opskit.reachability.database_paths import DatabasePaths
from opskit.workload.ec2_instance import Ec2InstanceWorkload
from tests import builders as b

GONE = b.probe(connections=(b.connection("timeout"),))
ALL_IN = b.entry(100, "in", "0.0.0.0/0", None)
ALL_OUT = b.entry(100, "out", "0.0.0.0/0", None)
DB = ("subnet-db-a", "subnet-db-b")
APP = ("subnet-app", "subnet-app-b")
LOCAL = ("10.0.0.0/16", "local")
DENY = b.entry(50, "in", "10.0.0.0/16", (5000, 6000), "deny")
UNHEALTHY = TargetHealths((TargetHealth(b.TARGETS, "unhealthy", "Target.Timeout", ""),))


def judged(code: str, *replaced: Any, unknown: tuple[type, ...] = ()) -> tuple[Finding, Snapshot]:
    """A check's proven finding, and the snapshot that it was found in."""
    snapshot = b.snapshot(GONE, *replaced, unknown=unknown)
    check = check_of(code)
    return verify_fix(check, run_check(check, snapshot), snapshot, Caller("us-east-1")), snapshot


def fix_of(code: str, *replaced: Any) -> Fix:
    finding, _ = judged(code, *replaced)
    assert finding.fix is not None, finding
    return finding.fix


def rows(commands: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(c.operation, dict(c.parameters)) for c in commands if isinstance(c, AwsCall)]


def numbers(commands: Any) -> list[tuple[str, bool, int]]:
    return [(o, p["Egress"], p["RuleNumber"]) for o, p in rows(commands)]


# --- ACLs ---------------------------------------------------------------------------------------


def test_one_acl_for_both_subnets_gets_entries_with_different_numbers() -> None:
    empty = NetworkAcls((b.acl("all", (*APP, *DB, "subnet-public")),))
    fix = fix_of("NET004", empty)
    made = numbers(fix.commands)
    assert made == [
        ("CreateNetworkAclEntry", True, 100),
        ("CreateNetworkAclEntry", False, 100),
        ("CreateNetworkAclEntry", True, 110),
        ("CreateNetworkAclEntry", False, 110),
    ]
    wanted = [
        (p["CidrBlock"], p["PortRange"]["From"], p["PortRange"]["To"])
        for _, p in rows(fix.commands)
    ]
    assert wanted == [
        ("10.0.5.0/24", 5432, 5432),
        ("10.0.2.0/24", 5432, 5432),
        ("10.0.2.0/24", 1024, 65535),
        ("10.0.5.0/24", 1024, 65535),
    ]
    assert numbers(fix.undo) == [("DeleteNetworkAclEntry", e, n) for _, e, n in reversed(made)]


def test_what_one_entry_allows_needs_no_second() -> None:
    """Replies and requests in one range and direction are the same need."""
    same = b.acl("all", (*APP, *DB), ALL_OUT)
    home = {s.subnet_id: s for s in b.healthy(Subnets).all}
    wide = Subnets(
        tuple(
            replace(s, cidr="10.0.0.0/16") if s.subnet_id in (*APP[:1], DB[0]) else s
            for s in home.values()
        )
    )
    database = b.database(subnets=(DbSubnet("subnet-db-a", "a"),))
    ported = replace(database, port=1024), DatabaseHost(b.HOST, 1024, "x")
    fix = fix_of("NET004", NetworkAcls((same,)), wide, *ported)
    ports = [(p["PortRange"]["From"], p["PortRange"]["To"]) for _, p in rows(fix.commands)]
    assert ports == [(1024, 1024), (1024, 65535)]


def test_the_undo_of_an_entry_names_the_same_entry() -> None:
    fix = fix_of(
        "NET004", b.acls(db=b.acl("db", DB, ALL_IN, b.entry(120, "in", "10.0.2.0/24", None)))
    )
    (created,) = rows(fix.commands)
    (deleted,) = rows(fix.undo)
    assert created[1]["Egress"] is True
    assert created[1]["RuleNumber"] == 100, "numbers of the other direction do not count"
    assert deleted == (
        "DeleteNetworkAclEntry",
        {k: created[1][k] for k in ("NetworkAclId", "Egress", "RuleNumber")},
    )


def test_a_written_deny_is_named_to_its_owner() -> None:
    fix = fix_of("NET007", b.acls(db=b.acl("db", DB, DENY, ALL_IN, ALL_OUT)))
    assert Danger.GUARDRAIL in fix.dangers
    assert (
        "entry 50 (deny ports 5000-6000 from 10.0.0.0/16) may have been written against an attack"
        in fix.ask
    )
    assert "db-acl (acl-db)" in fix.ask
    ((_, made),) = rows(fix.commands)
    assert (made["RuleNumber"], made["CidrBlock"]) == (49, "10.0.2.0/24")
    missing = fix_of("NET004", b.acls(db=b.acl("db", DB, ALL_IN)))
    assert Danger.GUARDRAIL not in missing.dangers
    assert not missing.ask


def test_a_deny_of_one_address_is_lifted_for_that_address_alone() -> None:
    one = b.entry(50, "in", "10.0.2.45/32", None, "deny")
    ((_, made),) = rows(fix_of("NET007", b.acls(db=b.acl("db", DB, one, ALL_IN, ALL_OUT))).commands)
    assert made["CidrBlock"] == "10.0.2.45/32"


def test_a_deny_of_replies_is_lifted_for_the_clients_own_ports_alone() -> None:
    deny = b.entry(50, "out", "0.0.0.0/0", (0, 65535), "deny")
    fix = fix_of("NET007", b.acls(db=b.acl("db", DB, deny, ALL_IN, ALL_OUT)))
    ((_, made),) = rows(fix.commands)
    assert made["PortRange"] == {"From": 32768, "To": 60999}
    assert made["Egress"] is True


def test_the_free_number_nearest_to_the_deny_is_taken() -> None:
    others = [b.entry(n, "in", "192.0.2.0/24", None, "deny") for n in (49, 48, 46)]
    ((_, made),) = rows(
        fix_of("NET007", b.acls(db=b.acl("db", DB, DENY, *others, ALL_IN, ALL_OUT))).commands
    )
    assert made["RuleNumber"] == 47


def test_a_deny_is_moved_where_that_changes_nothing_else() -> None:
    first = b.entry(1, "in", "10.0.2.0/24", None, "deny")
    fix = fix_of("NET007", b.acls(db=b.acl("db", DB, first, ALL_IN, ALL_OUT)))
    assert numbers(fix.commands) == [
        ("CreateNetworkAclEntry", False, 2),
        ("ReplaceNetworkAclEntry", False, 1),
    ]
    assert numbers(fix.undo) == [
        ("ReplaceNetworkAclEntry", False, 1),
        ("DeleteNetworkAclEntry", False, 2),
    ]
    back = dict(rows(fix.undo)[0][1])
    assert (back["RuleAction"], back["CidrBlock"], back["Protocol"]) == (
        "deny",
        "10.0.2.0/24",
        "-1",
    )
    assert "PortRange" not in back


def test_a_deny_is_not_moved_behind_an_allow_that_it_stood_before() -> None:
    first = b.entry(1, "in", "10.0.2.0/24", None, "deny")
    allow = b.entry(2, "in", "10.0.2.0/24", (22, 22))
    finding, _ = judged("NET007", b.acls(db=b.acl("db", DB, first, allow, ALL_IN, ALL_OUT)))
    assert finding.fix is None
    assert (
        "entry 1 (deny all ports from 10.0.2.0/24) without changing what other packets meet"
        in finding.advice
    )
    same = b.entry(2, "in", "10.0.9.0/24", (22, 22))
    assert fix_of("NET007", b.acls(db=b.acl("db", DB, first, same, ALL_IN, ALL_OUT))).commands


def test_other_subnets_of_the_acl_are_named() -> None:
    fix = fix_of("NET004", b.acls(db=b.acl("db", DB, ALL_IN)))
    assert fix.caution == "db-acl (acl-db) applies to subnet-db-b too."


def test_the_last_number_is_the_end() -> None:
    last = b.entry(32760, "in", "192.0.2.0/24", None)
    ((_, made),) = rows(fix_of("NET004", b.acls(db=b.acl("db", DB, last, ALL_OUT))).commands)
    assert made["RuleNumber"] == 32766
    finding, _ = judged("NET004", b.acls(db=b.acl("db", DB, replace(last, number=32766), ALL_OUT)))
    assert finding.fix is None
    assert "no free number after the other entries" in finding.advice


# --- routes -------------------------------------------------------------------------------------

BACK = b.table("peer", ("10.1.0.0/16", "local"), ("10.0.0.0/16", "pcx-1"), vpc="vpc-2", main=True)


def app_table(*routes: tuple[str, str]) -> Any:
    return b.tables(b.table("app", LOCAL, *routes, subnets=("subnet-app",)), BACK)


def test_several_dead_routes_are_deleted_until_the_path_is_open() -> None:
    dead = b.table(
        "app",
        LOCAL,
        ("10.0.5.0/24", "eni-gone"),
        ("10.0.4.0/23", "nat-gone"),
        subnets=("subnet-app",),
    )
    fix = fix_of("NET009", b.tables(dead))
    assert [p["DestinationCidrBlock"] for _, p in rows(fix.commands)] == [
        "10.0.5.0/24",
        "10.0.4.0/23",
    ]
    assert {o for o, _ in rows(fix.commands)} == {"DeleteRoute"}
    assert fix.no_undo
    assert "10.0.5.0/24 (black hole eni-gone -> black hole nat-gone)" in fix.caution
    assert "10.0.4.0/23 (black hole nat-gone -> local)" in fix.caution


def test_a_missing_route_is_made_for_the_whole_vpc_and_undone() -> None:
    fix = fix_of("NET010", *b.peered(), app_table())
    made = {"RouteTableId": "rtb-app", "DestinationCidrBlock": "10.1.0.0/16"}
    assert rows(fix.commands) == [("CreateRoute", {**made, "VpcPeeringConnectionId": "pcx-1"})]
    assert rows(fix.undo) == [("DeleteRoute", made)]
    assert fix.caution == "Destinations with another next hop: 10.1.0.0/16 (no route -> pcx-1)."


def test_a_living_route_to_other_destinations_is_left_alone() -> None:
    """Only the database's subnet leaves a route that leads elsewhere for the rest of the VPC."""
    other = replace(b.PEERING, peering_id="pcx-2", ends=(b.PEERING.ends[0], ("vpc-3", "1", ())))
    database, _, probe = b.peered()
    facts = (database, Peerings((b.PEERING, other)), probe)
    fix = fix_of("NET010", *facts, app_table(("10.1.0.0/16", "pcx-2")))
    ((operation, made),) = rows(fix.commands)
    assert (operation, made["DestinationCidrBlock"]) == ("CreateRoute", "10.1.5.0/24")
    same = fix_of("NET010", *facts, app_table(("10.1.5.0/24", "pcx-2")))
    assert rows(same.commands)[0][0] == "ReplaceRoute"
    assert rows(same.undo) == [
        (
            "ReplaceRoute",
            {
                "RouteTableId": "rtb-app",
                "DestinationCidrBlock": "10.1.5.0/24",
                "VpcPeeringConnectionId": "pcx-2",
            },
        )
    ]


def test_the_other_subnets_of_a_route_table_are_named() -> None:
    shared = app_table(("10.1.0.0/16", "pcx-gone"))
    own, *rest = shared.all
    both = RouteTables((replace(own, subnet_ids=("subnet-app", "subnet-app-b")), *rest))
    fix = fix_of("NET009", *b.peered(), both)
    assert "app (rtb-app) applies to subnet-app-b too." in fix.caution
    main = fix_of("NET010", *b.peered(), b.tables(BACK))
    assert "applies to every subnet of vpc-1 without a table of its own too." in main.caution
    assert "applies to" not in fix_of("NET009", *b.peered(), shared).caution


def test_the_way_back_gets_its_route_in_the_other_table() -> None:
    there = b.table("app", LOCAL, ("10.1.0.0/16", "pcx-1"), subnets=("subnet-app",))
    ((_, made),) = rows(fix_of("NET010", *b.peered(), b.tables(there)).commands)
    assert (made["RouteTableId"], made["DestinationCidrBlock"]) == ("rtb-peer", "10.0.0.0/16")


def test_without_a_peering_connection_there_is_only_advice() -> None:
    database, _, probe = b.peered()
    finding, _ = judged("NET010", database, Peerings(()), probe, b.tables(BACK))
    assert finding.fix is None
    assert "no active peering connection joins vpc-1 and vpc-2" in finding.advice


def test_all_destinations_of_an_association_are_listed() -> None:
    there = b.table("app", LOCAL, ("10.1.0.0/16", "pcx-1"), ("0.0.0.0/0", "nat-1"))
    fix = fix_of("NET011", *b.peered(), b.tables(there, BACK))
    assert rows(fix.commands) == [
        ("AssociateRouteTable", {"RouteTableId": "rtb-app", "SubnetId": "subnet-app"})
    ]
    assert "10.1.0.0/16 (no route -> pcx-1)" in fix.caution
    assert "(no route -> nat-1)" in fix.caution
    assert fix.no_undo


# --- several places -----------------------------------------------------------------------------


def test_every_place_that_a_failover_may_reach_is_opened() -> None:
    three = NetworkAcls(
        (
            b.acl("app", (*APP, "subnet-public"), ALL_IN, ALL_OUT),
            b.acl("db", ("subnet-db-a",), ALL_IN, ALL_OUT),
            b.acl("db-b", ("subnet-db-b",), ALL_IN),
            b.acl("peer", ("subnet-peer",), ALL_OUT),
        )
    )
    places = tuple(DbSubnet(s, "a") for s in (*DB, "subnet-peer"))
    subnets = b.healthy(Subnets)
    near = replace(subnets, all=tuple(replace(s, vpc_id="vpc-1") for s in subnets.all))
    tables = b.tables(b.table("main", LOCAL, ("10.1.0.0/16", "local"), main=True))
    finding, _ = judged("NET012", three, b.database(subnets=places), near, tables, b.probe())
    assert finding.status is Status.WARN
    assert "the same holds for peer-a (subnet-peer)" in finding.summary
    assert finding.fix is not None
    assert [p["NetworkAclId"] for _, p in rows(finding.fix.commands)] == ["acl-db-b", "acl-peer"]


def test_an_acl_a_group_and_a_route_are_opened_in_one_fix() -> None:
    narrow = b.groups((b.rule(5432, cidrs=("10.0.2.0/24",)),))
    acls = NetworkAcls(
        (
            b.acl("app", ("subnet-app", "subnet-public"), ALL_IN, ALL_OUT),
            b.acl("app-b", ("subnet-app-b",), ALL_IN),
            b.acl("db", DB, ALL_IN, ALL_OUT),
        )
    )
    dead = b.table("app-b", LOCAL, ("10.0.5.0/24", "eni-gone"), subnets=("subnet-app-b",))
    finding, snapshot = judged("NET013", narrow, acls, b.tables(dead), b.probe())
    assert finding.fix is not None, finding
    assert [o for o, _ in rows(finding.fix.commands)] == [
        "CreateNetworkAclEntry", "DeleteRoute", "AuthorizeSecurityGroupIngress",
    ]  # fmt: skip
    assert (
        run_check(check_of("NET013"), apply(snapshot, finding.fix.commands)).status is Status.PASS
    )
    assert not finding.fix.undo
    assert finding.fix.no_undo


def test_nothing_is_attached_to_what_does_not_exist_yet() -> None:
    narrow = b.groups((b.rule(5432, "sg-backend", cidrs=("10.0.2.0/24",)),))
    backend = replace(narrow.by_id["sg-web"], group_id="sg-backend", name="backend")
    groups = replace(narrow, by_id={**narrow.by_id, "sg-backend": backend})
    app = b.healthy(Ec2InstanceWorkload).instance
    finding, _ = judged("NET013", groups, Instances((app,)), b.probe())
    assert finding.fix is not None
    assert [o for o, _ in rows(finding.fix.commands)] == ["AuthorizeSecurityGroupIngress"]


def test_the_load_balancers_path_is_opened_whole_and_proven() -> None:
    """The old fix was not proven: the target's health went stale, and with it the check."""
    shut = b.groups((b.rule(5432, "sg-web"),))
    web = replace(shut.by_id["sg-web"], ingress=(b.rule(3000, "sg-db"),))
    groups = replace(shut, by_id={**shut.by_id, "sg-web": web})
    acls = b.acls(app=b.acl("app", APP, b.entry(90, "in", "10.0.5.0/24", None), ALL_OUT))
    finding, snapshot = judged("NET014", groups, acls, UNHEALTHY)
    assert finding.status is Status.FAIL
    assert finding.fix is not None, finding.advice
    assert [o for o, _ in rows(finding.fix.commands)] == [
        "CreateNetworkAclEntry",
        "AuthorizeSecurityGroupIngress",
    ]
    ((_, entry), (_, rule)) = rows(finding.fix.commands)
    assert entry["CidrBlock"] == "10.0.1.0/24"
    assert rule["GroupId"] == "sg-web"
    assert rule["IpPermissions"][0]["FromPort"] == 3000
    assert rule["IpPermissions"][0]["UserIdGroupPairs"] == [{"GroupId": "sg-alb"}]
    after = apply(snapshot, finding.fix.commands)
    assert run_check(check_of("NET014"), after).status is Status.PASS
    assert rows(finding.fix.undo)[-1][0] == "DeleteNetworkAclEntry"


def test_without_its_health_the_paths_decide() -> None:
    shut = b.groups((b.rule(5432, "sg-web"),))
    groups = replace(
        shut, by_id={**shut.by_id, "sg-web": replace(shut.by_id["sg-web"], ingress=())}
    )
    finding, _ = judged("NET014", groups, unknown=(TargetHealths,))
    assert finding.status is Status.WARN
    assert finding.fix is not None
    assert judged("NET014", unknown=(TargetHealths,))[0].status is Status.PASS
    assert judged("NET014", unknown=(LoadBalancer,))[0].status is Status.UNKNOWN


def test_rules_that_the_health_checks_contradict_hinder_no_other_fix() -> None:
    shut = b.groups(())
    groups = replace(
        shut, by_id={**shut.by_id, "sg-web": replace(shut.by_id["sg-web"], ingress=())}
    )
    assert judged("NET014", groups)[0].status is Status.WARN
    assert fix_of("NET001", groups).commands


def test_combined_fixes_are_undone_backwards_or_not_at_all() -> None:
    one, two = (AwsCall("ec2", f"Do{n}", {}) for n in (1, 2))
    back = [AwsCall("ec2", f"Undo{n}", {}) for n in (1, 2)]
    first = Fix((one,), undo=(back[0],), caution="a", ask="x", dangers=(Danger.GUARDRAIL,))
    second = Fix((two,), undo=(back[1],), caution="a", ask="y", dangers=(Danger.WIDENS_ACCESS,))
    both = combine([first, second])
    assert both.commands == (one, two)
    assert both.undo == (back[1], back[0])
    assert (both.caution, both.ask) == ("a", "x; y")
    assert both.dangers == (Danger.WIDENS_ACCESS, Danger.GUARDRAIL)
    lasting = combine([first, replace(second, undo=(), no_undo="it is gone")])
    assert (lasting.undo, lasting.no_undo) == ((), "it is gone")


# --- advice -------------------------------------------------------------------------------------


def test_a_rule_that_a_connection_contradicts_is_left_alone() -> None:
    finding, snapshot = judged("NET001", b.groups(()), b.probe())
    assert finding.status is Status.WARN
    assert finding.fix is None
    assert "10.0.5.10:5432 from 10.0.2.45" in finding.advice
    assert (
        connection(known_value(snapshot.get(DatabasePaths)), snapshot.get(InstanceProbe))
        is not None
    )


@pytest.mark.parametrize(
    ("replaced", "words"),
    [
        ((), "firewall"),
        (
            (b.probe(connections=(replace(b.connection("timeout"), address="10.0.9.9"),)),),
            "10.0.9.9",
        ),
        ((b.groups(()),), "database-sg (sg-db) ingress stands in the way"),
        ((b.groups((b.rule(5432, lists=("pl-1",)),)),), "pl-1"),
    ],
)
def test_silence_is_followed_to_its_place(replaced: tuple[Any, ...], words: str) -> None:
    finding, _ = judged("TCP001", *replaced)
    assert finding.status is Status.FAIL
    assert words in finding.advice
    blind, _ = judged("TCP001", unknown=(NetworkAcls, Database))
    assert "not judged" in blind.advice


@pytest.mark.parametrize(
    ("replaced", "words"),
    [
        ((b.database(port=5433),), "listens on 5433, not on 5432"),
        ((b.database(status="rebooting"),), "is rebooting: wait"),
        ((), "describe-events"),
    ],
)
def test_a_refusal_is_followed_to_its_cause(replaced: tuple[Any, ...], words: str) -> None:
    refused = b.probe(connections=(b.connection("refused"),))
    finding, _ = judged("TCP002", refused, *replaced)
    assert finding.status is Status.FAIL
    assert words in finding.advice
    blind, _ = judged("TCP002", refused, unknown=(Database,))
    assert "Compare" in blind.advice


def test_a_stale_address_is_told_from_the_present_one() -> None:
    resolved = b.probe(
        resolutions=(Resolution(b.HOST, ("10.0.5.10",), ""),),
        connections=(replace(b.connection("timeout"), address="10.0.5.11"),),
    )
    finding, _ = judged("TCP001", resolved)
    assert "tried 10.0.5.11:5432, but the rules were judged for" in finding.advice
    assert "at 10.0.5.10:5432" in finding.advice
    assert "lets it pass" not in finding.summary, "no rule was judged for 10.0.5.11"
    assert AppSubnets({}).why_by_id == {}
