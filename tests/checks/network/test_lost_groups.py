"""A group that an instance or a database has lost is attached again; no other one ever is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.checks.catalogue import check_of
from opskit.checks.fix import Danger, Fix
from opskit.checks.fix_verification import verify_fix
from opskit.checks.interface import Finding, Status
from opskit.checks.run import run_check
from opskit.checks.shell_rendering import Caller
from opskit.config import Target
from opskit.facts.instances import Instances
from opskit.facts.interface import known_value
from opskit.facts.interface_owners import InterfaceOwner, InterfaceOwners
from opskit.facts.load_balancer import LoadBalancer
from opskit.facts.rds import DbInstances
from opskit.facts.security_groups import IpPermission, SecurityGroup, SecurityGroups
from opskit.facts.target_health import TargetHealths
from opskit.reachability.group_members import GroupMembers, MemberKind, is_sibling
from opskit.workload.ec2_instance import Ec2InstanceWorkload, Instance
from opskit.workload.interface import NetworkInterface
from tests import builders as b

GONE = b.probe(connections=(b.connection("timeout"),))
APP: Instance = b.healthy(Ec2InstanceWorkload).instance
OTHER_DB = b.db_instance(identifier="orders-db", security_group_ids=("sg-shared",))
LAMBDA = InterfaceOwner("eni-l", "Lambda report", ("sg-web",))
SSH = b.rule(22, "sg-alb")


def app(*carried: str, **changes: Any) -> Ec2InstanceWorkload:
    """The app with one known interface."""
    own = NetworkInterface("eni-1", 0, "10.0.2.45", (), "subnet-app", carried)
    instance = replace(APP, interfaces=(own,), group_ids=carried, **changes)
    return Ec2InstanceWorkload(instance, selection_reason="it was named")


def other(name: str, *carried: str, **changes: Any) -> Instance:
    """Another instance: by itself no sibling of the app."""
    apart = {"profile_arn": None, "searchable_text": name, "instance_id": f"i-{name}"} | changes
    return replace(APP, name=name, group_ids=carried, **apart)


def sibling(*carried: str) -> Instance:
    return other("linkbox-backend-2", *carried, searchable_text="linkbox-backend-2 linkbox")


def group(
    name: str,
    *ingress: IpPermission,
    egress: tuple[IpPermission, ...] = (b.ALL_OUT,),
    vpc: str = "vpc-1",
) -> SecurityGroup:
    return SecurityGroup(f"sg-{name}", name, vpc, ingress, egress)


def groups(*more: SecurityGroup, db: tuple[IpPermission, ...] = ()) -> SecurityGroups:
    """LinkBox's groups, the database's rules, and more groups."""
    known = b.groups(db)
    return SecurityGroups({**known.by_id, **{g.group_id: g for g in more}})


def judged(code: str, *replaced: Any, unknown: tuple[type, ...] = ()) -> Finding:
    """A check's proven finding."""
    if not any(isinstance(r, Instances) for r in replaced):
        replaced = (*replaced, Instances((APP,)))
    snapshot = b.snapshot(GONE, *replaced, unknown=unknown)
    check = check_of(code)
    return verify_fix(check, run_check(check, snapshot), snapshot, Caller("us-east-1"))


def fix_of(finding: Finding) -> Fix:
    assert finding.status is Status.FAIL, finding
    assert finding.fix is not None, finding.advice
    return finding.fix


def the_call(fix: Fix) -> tuple[str, dict[str, Any]]:
    (command,) = fix.commands
    call = b.aws_call(command)
    return call.operation, dict(call.parameters)


BACKEND = group("backend", SSH)
NAMES_BACKEND = groups(BACKEND, db=(b.rule(5432, "sg-backend"),))


def test_the_group_that_a_sibling_carries_is_attached() -> None:
    fleet = Instances((APP, sibling("sg-web", "sg-backend")))
    fix = fix_of(judged("NET002", NAMES_BACKEND, app("sg-web"), fleet))
    assert the_call(fix) == (
        "ModifyNetworkInterfaceAttribute",
        {"NetworkInterfaceId": "eni-1", "Groups": ["sg-web", "sg-backend"]},
    )
    (undo,) = fix.undo
    removed = {"NetworkInterfaceId": "eni-1", "Groups": ["sg-web"]}
    assert b.aws_call(undo).parameters == removed
    assert "linkbox-backend-2 (i-linkbox-backend-2)" in fix.caution
    assert "Opens besides: tcp 22 in, from alb-public-sg (sg-alb)." in fix.caution
    assert not fix.ask
    assert fix.dangers == (Danger.WIDENS_ACCESS,)


def test_a_group_that_nothing_carries_is_attached_once_somebody_confirms() -> None:
    fix = fix_of(judged("NET002", NAMES_BACKEND, app("sg-web")))
    assert the_call(fix)[0] == "ModifyNetworkInterfaceAttribute"
    assert "Confirm that backend (sg-backend) is the app's own group" in fix.ask


RULE = {"GroupId": "sg-db", "IpPermissions": [
    {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "UserIdGroupPairs": [{"GroupId": "sg-web"}]}
]}  # fmt: skip
WRITES_A_RULE: dict[str, tuple[tuple[Any, ...], tuple[type, ...]]] = {
    "the batch workers carry it": ((Instances((APP, other("batch-1", "sg-backend"))),), ()),
    "batch workers of the same product carry it": (
        (Instances((APP, other("linkbox-batch-1", "sg-backend", searchable_text="linkbox"))),), ()),
    "a worker beside a sibling carries it": (
        (Instances((APP, sibling("sg-backend"), other("batch-1", "sg-backend"))),), ()),
    "another scaling group carries it": (
        (app("sg-web", scaling_group="asg-app"), Instances((APP, other("x", "sg-backend", scaling_group="asg-b", profile_arn=APP.profile_arn)))), ()),
    "the siblings do not carry it either": ((Instances((APP, sibling("sg-web"))),), ()),
    "the load balancer carries it": ((replace(b.healthy(LoadBalancer), group_ids=("sg-backend",)),), ()),
    "which load balancer there is was not read": ((), (LoadBalancer, TargetHealths)),
    "a Lambda function carries it": (
        (InterfaceOwners((replace(LAMBDA, group_ids=("sg-backend",)),)),), ()),
    "a database carries it": ((DbInstances((b.db_instance(), replace(OTHER_DB, security_group_ids=("sg-backend",)))),), ()),
    "it is open to everyone": ((groups(group("backend", b.rule(443, cidrs=("0.0.0.0/0",))), db=(b.rule(5432, "sg-backend"),)),), ()),
    "it is of another VPC": ((groups(group("backend", vpc="vpc-2"), db=(b.rule(5432, "sg-backend"),)),), ()),
    "it is the default group": ((groups(replace(BACKEND, name="default"), db=(b.rule(5432, "sg-backend"),)),), ()),
    "it is named for another port": ((groups(BACKEND, db=(b.rule(5432, "sg-alb"), b.rule(5433, "sg-backend"))),), ()),
    "who carries it was not read": ((), (Instances,)),
    "which databases there are was not read": ((), (DbInstances,)),
}  # fmt: skip


@pytest.mark.parametrize("why", WRITES_A_RULE)
def test_a_rule_is_written_where_the_group_is_not_the_apps(why: str) -> None:
    replaced, unknown = WRITES_A_RULE[why]
    fix = fix_of(judged("NET002", NAMES_BACKEND, app("sg-web"), *replaced, unknown=unknown))
    assert the_call(fix) == ("AuthorizeSecurityGroupIngress", RULE)


def test_without_a_load_balancer_there_is_none_to_know() -> None:
    fix = fix_of(
        judged("NET002", NAMES_BACKEND, app("sg-web"), TargetHealths(()), unknown=(LoadBalancer,))
    )
    assert the_call(fix)[0] == "ModifyNetworkInterfaceAttribute"


def test_several_groups_that_would_do_are_named() -> None:
    both = groups(BACKEND, group("legacy"), db=(b.rule(5432, "sg-backend", "sg-legacy"),))
    finding = judged("NET002", both, app("sg-web"))
    assert finding.fix is None
    assert "backend (sg-backend)" in finding.advice
    assert "legacy (sg-legacy)" in finding.advice


def test_a_full_interface_takes_no_sixth_group() -> None:
    many = tuple(f"sg-{n}" for n in range(4))
    known = groups(BACKEND, *(group(str(n)) for n in range(4)), db=(b.rule(5432, "sg-backend"),))
    full = judged("NET002", known, app("sg-web", *many))
    assert full.fix is None
    assert "5 groups at most" in full.advice
    assert fix_of(judged("NET002", known, app("sg-web", *many[:3]))).commands


def test_a_task_and_an_unknown_interface_get_advice() -> None:
    task = b.task()
    finding = judged("NET002", NAMES_BACKEND, task)
    assert finding.fix is None
    assert "ecs:UpdateService" in finding.advice
    blind = Ec2InstanceWorkload(APP, selection_reason="")
    finding = judged("NET002", NAMES_BACKEND, blind)
    assert finding.fix is None
    assert "backend (sg-backend) to linkbox-backend-1 eth0" in finding.advice


def test_a_group_on_another_interface_of_the_app_is_its_own() -> None:
    second = NetworkInterface("eni-2", 1, "10.0.3.45", (), "subnet-app-b", ("sg-backend",))
    made = app("sg-web")
    instance = replace(
        made.instance,
        interfaces=(*made.instance.interfaces, second),
        group_ids=("sg-web", "sg-backend"),
    )
    fix = fix_of(judged("NET002", NAMES_BACKEND, replace(made, instance=instance)))
    assert the_call(fix)[1]["NetworkInterfaceId"] == "eni-1"
    assert the_call(fix)[1]["Groups"] == ["sg-web", "sg-backend"]


# --- the database -------------------------------------------------------------------------------

DEFAULT = SecurityGroup(
    "sg-default", "default", "vpc-1", (b.rule(0, "sg-default", protocol="-1"),), (b.ALL_OUT,)
)
SHARED = group("shared", b.rule(5432, "sg-web"))
RESTORED = b.database(security_group_ids=("sg-default",))
DATABASES = DbInstances((b.db_instance(), OTHER_DB))


def test_a_restored_database_gets_the_group_of_the_others() -> None:
    fix = fix_of(judged("NET002", groups(SHARED, DEFAULT), RESTORED, DATABASES))
    assert the_call(fix) == (
        "ModifyDBInstance",
        {
            "DBInstanceIdentifier": "linkbox-db",
            "VpcSecurityGroupIds": ["sg-default", "sg-shared"],
            "ApplyImmediately": True,
        },
    )
    (undo,) = fix.undo
    assert b.aws_call(undo).parameters["VpcSecurityGroupIds"] == ["sg-default"]
    assert "carried by orders-db" in fix.caution
    assert Danger.WIDENS_ACCESS in fix.dangers
    assert Danger.INTERRUPTS_DATABASE not in fix.dangers


def test_pending_changes_are_told_because_they_are_applied_too() -> None:
    waiting = b.database(security_group_ids=("sg-default",), pending=("EngineVersion",))
    fix = fix_of(judged("NET002", groups(SHARED, DEFAULT), waiting, DATABASES))
    assert "EngineVersion" in fix.caution
    assert Danger.INTERRUPTS_DATABASE in fix.dangers


def test_the_group_of_other_databases_is_preferred_to_one_that_nothing_carries() -> None:
    known = groups(SHARED, DEFAULT, group("unused", b.rule(5432, "sg-web")))
    fix = fix_of(judged("NET002", known, RESTORED, DATABASES))
    assert the_call(fix)[1]["VpcSecurityGroupIds"] == ["sg-default", "sg-shared"]


def test_two_groups_of_other_databases_are_named() -> None:
    second = replace(OTHER_DB, identifier="x-db", security_group_ids=("sg-two",))
    known = groups(SHARED, DEFAULT, group("two", b.rule(5432, "sg-web")))
    finding = judged("NET002", known, RESTORED, DbInstances((*DATABASES.all, second)))
    assert finding.fix is None
    assert "shared (sg-shared)" in finding.advice
    assert "two (sg-two)" in finding.advice


def test_a_cluster_takes_its_groups_as_a_whole() -> None:
    clustered = b.database(security_group_ids=("sg-default",), cluster_id="linkbox-cluster")
    finding = judged("NET002", groups(SHARED, DEFAULT), clustered, DATABASES)
    assert finding.fix is None
    assert "rds:ModifyDBCluster" in finding.advice
    assert "linkbox-cluster" in finding.advice


@pytest.mark.parametrize(
    "known",
    [
        groups(group("shared", b.rule(5433, "sg-web")), DEFAULT),
        groups(group("shared", b.rule(5432, cidrs=("0.0.0.0/0",))), DEFAULT),
        groups(group("shared", b.rule(5432, "sg-web"), vpc="vpc-2"), DEFAULT),
        groups(group("shared", b.rule(5432, "sg-alb")), DEFAULT),
        groups(DEFAULT),
    ],
)
def test_the_default_group_is_never_opened(known: SecurityGroups) -> None:
    finding = judged("NET002", known, RESTORED, DATABASES)
    assert finding.fix is None
    assert "default group" in finding.advice


def test_a_database_with_a_group_of_its_own_gets_a_rule_there() -> None:
    """The rule was removed; another database's group is none that it lost."""
    fix = fix_of(judged("NET001", groups(SHARED), app("sg-web"), DATABASES))
    assert the_call(fix) == ("AuthorizeSecurityGroupIngress", RULE)


def test_a_group_with_the_matching_rule_that_nothing_carries_is_attached() -> None:
    fix = fix_of(judged("NET001", groups(SHARED), app("sg-web"), DbInstances((b.db_instance(),))))
    assert the_call(fix)[1]["VpcSecurityGroupIds"] == ["sg-db", "sg-shared"]
    assert "the database's own group" in fix.ask


def test_an_instance_that_carries_the_group_makes_it_none_of_a_database() -> None:
    fleet = Instances((APP, other("proxy-1", "sg-shared")))
    finding = judged("NET001", groups(SHARED), app("sg-web"), fleet)
    assert the_call(fix_of(finding))[0] == "AuthorizeSecurityGroupIngress"


# --- rules --------------------------------------------------------------------------------------


def test_the_rule_is_put_where_only_the_database_is() -> None:
    known = groups(group("base"), group("own"))
    two = b.database(security_group_ids=("sg-base", "sg-own"))
    others = DbInstances((b.db_instance(), replace(OTHER_DB, security_group_ids=("sg-base",))))
    fix = fix_of(judged("NET001", known, two, others, app("sg-web")))
    assert the_call(fix)[1]["GroupId"] == "sg-own"
    assert "orders-db" not in fix.caution


def test_a_shared_group_is_opened_with_the_others_named() -> None:
    shared = DbInstances((b.db_instance(), replace(OTHER_DB, security_group_ids=("sg-db",))))
    fleet = Instances((APP, other("cache-1", "sg-db")))
    fix = fix_of(judged("NET001", groups(), shared, fleet, app("sg-web")))
    assert the_call(fix)[1]["GroupId"] == "sg-db"
    assert "cache-1 (i-cache-1) and orders-db too, which then take 5432 as well" in fix.caution
    assert Danger.WIDENS_ACCESS in fix.dangers


def test_instances_of_one_cluster_share_their_group_by_design() -> None:
    reader = b.db_instance(identifier="reader", cluster_id="c", security_group_ids=("sg-db",))
    writer = b.database(cluster_id="c")
    fix = fix_of(judged("NET001", groups(), writer, DbInstances((reader,)), app("sg-web")))
    assert "reader" not in fix.caution


def test_the_rule_names_the_group_that_only_the_app_carries() -> None:
    known = groups(group("base"))
    fleet = Instances((APP, sibling("sg-base", "sg-web"), other("batch-1", "sg-base")))
    fix = fix_of(judged("NET001", known, fleet, app("sg-base", "sg-web")))
    assert the_call(fix) == ("AuthorizeSecurityGroupIngress", RULE)
    assert "batch-1" not in fix.caution


def test_a_shared_peer_is_named_with_the_others() -> None:
    fleet = Instances((APP, other("batch-1", "sg-web")))
    fix = fix_of(judged("NET001", groups(), fleet, app("sg-web")))
    assert (
        "web-sg (sg-web) is carried by batch-1 (i-batch-1) too, which then may connect"
        in fix.caution
    )


def test_functions_and_tasks_that_carry_a_group_are_named() -> None:
    """Neither is an instance or a database, and the rule lets each in."""
    of_database = InterfaceOwner("eni-p", "RDS Proxy shop", ("sg-db",))
    tasks = [InterfaceOwner(f"eni-t{n}", f"ECS service apps/s{n}", ("sg-web",)) for n in range(8)]
    owners = InterfaceOwners((LAMBDA, LAMBDA, of_database, *tasks))
    fix = fix_of(judged("NET001", groups(), app("sg-web"), owners))
    assert "database-sg (sg-db) is carried by RDS Proxy shop too" in fix.caution
    assert "web-sg (sg-web) is carried by Lambda report and ECS service apps/s0" in fix.caution
    assert "and ECS service apps/s4 and 3 more too, which then may connect as well" in fix.caution
    assert "not known" not in fix.caution


def test_the_apps_own_interfaces_are_no_others() -> None:
    own = InterfaceOwner("eni-1", "an ECS task", ("sg-web",))
    balancer = InterfaceOwner("eni-2", "load balancer linkbox-alb", ("sg-alb",))
    members = known_value(
        b.snapshot(app("sg-web"), InterfaceOwners((own, balancer))).get(GroupMembers)
    )
    assert not members.has(MemberKind.OTHER_INTERFACE)


def test_tasks_of_the_apps_own_service_are_its_siblings() -> None:
    same = InterfaceOwner("eni-2", "ECS service apps/shop", ("sg-web",), "apps/shop")
    other = InterfaceOwner("eni-3", "ECS service dev/shop", ("sg-web",), "dev/shop")
    unknown = InterfaceOwner("eni-4", "an ECS task", ("sg-web",))
    snapshot = b.snapshot(b.task(), InterfaceOwners((same, other, unknown)))
    found = {m.label: m.kind for m in known_value(snapshot.get(GroupMembers)).of("sg-web")}
    assert found["ECS service apps/shop"] is MemberKind.SIBLING
    assert found["ECS service dev/shop"] is MemberKind.OTHER_INTERFACE
    assert found["an ECS task"] is MemberKind.OTHER_INTERFACE


def test_who_carries_a_group_is_said_to_be_unknown_where_interfaces_were_not_read() -> None:
    rule = fix_of(judged("NET001", groups(), app("sg-web"), unknown=(InterfaceOwners,)))
    assert (
        "Whether Lambda functions, ECS tasks or other interfaces carry database-sg (sg-db) or web-sg (sg-web) "
        "too is not known (ec2:DescribeNetworkInterfaces)."
    ) in rule.caution
    attached = fix_of(judged("NET002", NAMES_BACKEND, app("sg-web"), unknown=(InterfaceOwners,)))
    assert the_call(attached)[0] == "ModifyNetworkInterfaceAttribute"
    assert "was not read (ec2:DescribeNetworkInterfaces)" in attached.ask


def test_the_default_group_as_the_only_peer_is_labelled() -> None:
    fix = fix_of(judged("NET001", groups(DEFAULT), app("sg-default")))
    assert "default (sg-default) is carried by everything without a group of its own" in fix.caution


def test_egress_of_a_lost_group_is_that_of_the_siblings() -> None:
    narrow = b.groups((b.rule(5432, "sg-web", "sg-backend"),), egress=())
    known = SecurityGroups({**narrow.by_id, "sg-backend": BACKEND})
    fleet = Instances((APP, sibling("sg-web", "sg-backend")))
    fix = fix_of(judged("NET005", known, app("sg-web"), fleet))
    assert the_call(fix)[1] == {"NetworkInterfaceId": "eni-1", "Groups": ["sg-web", "sg-backend"]}
    alone = fix_of(judged("NET005", known, app("sg-web")))
    assert the_call(alone)[0] == "AuthorizeSecurityGroupEgress", "a new group lets everything out"
    assert the_call(alone)[1]["GroupId"] == "sg-web"


def test_egress_to_the_group_that_the_database_lost() -> None:
    narrow = b.groups((b.rule(5432, "sg-web"),), egress=(b.rule(5432, "sg-shared"),))
    known = SecurityGroups({**narrow.by_id, "sg-shared": SHARED})
    fix = fix_of(judged("NET005", known, app("sg-web")))
    assert the_call(fix)[1]["VpcSecurityGroupIds"] == ["sg-db", "sg-shared"]
    assert "tcp 5432 in" not in fix.caution, "what is wanted is no side effect"


def test_an_app_that_its_load_balancer_lost_with_its_group() -> None:
    known = groups(
        group("backend", b.rule(3000, "sg-alb")), group("base"), db=(b.rule(5432, "sg-base"),)
    )
    unhealthy = TargetHealths((replace(b.healthy(TargetHealths).all[0], state="unhealthy"),))
    fleet = Instances((APP, sibling("sg-base", "sg-backend")))
    fix = fix_of(judged("NET014", known, app("sg-base"), unhealthy, fleet))
    assert the_call(fix)[1]["Groups"] == ["sg-base", "sg-backend"]


def test_where_references_do_not_count_the_rule_names_the_address() -> None:
    apart, peerings, timeout = b.peered()
    lost = replace(peerings, all=(replace(peerings.all[0], status="deleted"),))
    known = groups(group("far", vpc="vpc-2"))
    far = replace(apart, instance=replace(apart.instance, security_group_ids=("sg-far",)))
    snapshot = b.snapshot(far, lost, timeout, known, app("sg-web"), Instances((APP,)))
    finding = run_check(check_of("NET001"), snapshot)
    assert finding.fix is not None
    (rule,) = the_call(finding.fix)[1]["IpPermissions"]
    assert rule["IpRanges"] == [{"CidrIp": "10.0.2.45/32"}]


# --- siblings and members -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": "linkbox-backend-9", "searchable_text": "linkbox-backend-9 linkbox"}, True),
        ({"name": "", "searchable_text": "linkbox"}, True),
        ({"name": "linkbox-3", "searchable_text": "linkbox"}, True),
        ({"name": "linkbox-batch-3", "searchable_text": "linkbox"}, False),
        ({"name": "linkbox-backend-batch-3", "searchable_text": "linkbox"}, False),
        ({"name": "linkbox-backend-9", "searchable_text": "backend"}, False),
        ({"name": "x", "searchable_text": "x", "profile_arn": APP.profile_arn}, True),
        ({"name": "x", "searchable_text": "x", "scaling_group": "asg"}, False),
    ],
)
def test_siblings(changes: dict[str, Any], expected: bool) -> None:
    one = replace(APP, **({"profile_arn": None, "instance_id": "i-2"} | changes))
    assert is_sibling(app(), one, ("linkbox",)) is expected


def test_scaling_groups_decide_before_profiles() -> None:
    mine = app(scaling_group="asg-1")
    assert is_sibling(
        mine, replace(APP, scaling_group="asg-1", profile_arn=None, searchable_text=""), ()
    )
    assert not is_sibling(mine, replace(APP, scaling_group="asg-2"), ("linkbox",))
    assert not is_sibling(app(), replace(APP, profile_arn=None), ()), "no words, no profile"
    assert not is_sibling(app(profile_arn=None), replace(APP, profile_arn=None), ())


def test_members_know_what_was_not_read() -> None:
    snapshot = b.snapshot(Instances((APP,)), unknown=(DbInstances,))
    members = known_value(snapshot.get(GroupMembers))
    assert not members.is_complete
    assert members.knows_load_balancer
    assert [m.label for m in members.of("sg-web")] == [APP.label]
    assert known_value(b.snapshot().get(Target)).name
