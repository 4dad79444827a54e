"""The differences between two snapshots, fact by fact, and their summary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from opskit.checks.fix import Change
from opskit.checks.state_changes import COMPARED, describe_changes, summary
from opskit.facts.agent import SsmAgent
from opskit.facts.interface import Unknown, fact_type
from opskit.facts.key import Key
from opskit.facts.key_policy import KeyPolicy
from opskit.facts.policies import PolicyText
from opskit.facts.private_zones import PrivateZone, PrivateZones
from opskit.facts.routes import Route
from opskit.facts.security_groups import IpPermission, SecurityGroup, SecurityGroups
from opskit.facts.snapshot import Snapshot
from opskit.facts.subnets import AclEntry
from opskit.facts.vpc import VpcDns
from opskit.workload.ec2_instance import Ec2InstanceWorkload, InstanceRole
from opskit.workload.interface import NetworkInterface
from tests import builders as b

GROUPS = b.groups((b.rule(5432, "sg-web"),))
LISTED = IpPermission("-1", None, None, ("sg-alb", "sg-x"), ("10.0.0.0/8",), ("pl-1",))
IN, OUT = b.entry(100, "in", "0.0.0.0/0", None), b.entry(100, "out", "0.0.0.0/0", None)
LOCAL = ("10.0.0.0/16", "local")
APP = b.healthy(Ec2InstanceWorkload)
ROLE = b.healthy(InstanceRole)
KEY = b.healthy(Key)
ZONES = PrivateZones(
    "vpc-1", "us-east-1", (PrivateZone("Z1", "a", 2, False), PrivateZone("Z2", "b", 2, False))
)
ALLOW = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
DENY = {**ALLOW, "Effect": "Deny"}


def snapshot(*values: Any) -> Snapshot:
    return Snapshot({fact_type(value): b.known(value) for value in values})


def changes(before: Any, after: Any, *others: Any) -> list[Change]:
    """The differences; `others` are facts of the state before."""
    return list(describe_changes(snapshot(before, *others), snapshot(after, *others)))


def shown(statement: Mapping[str, Any]) -> str:
    return json.dumps(statement)


class TestGroups:
    def test_each_peer_of_a_rule_is_a_rule(self) -> None:
        after = b.groups((LISTED,), egress=())
        assert changes(GROUPS, after) == [
            Change("database-sg (sg-db) ingress rule", "", "everything alb-public-sg (sg-alb)", "rule"),
            Change("database-sg (sg-db) ingress rule", "", "everything sg-x", "rule"),
            Change("database-sg (sg-db) ingress rule", "", "everything 10.0.0.0/8", "rule"),
            Change("database-sg (sg-db) ingress rule", "", "everything pl-1", "rule"),
            Change("database-sg (sg-db) ingress rule", "tcp 5432 web-sg (sg-web)", "", "rule"),
            Change("web-sg (sg-web) egress rule", "everything 0.0.0.0/0", "", "rule"),
        ]  # fmt: skip

    def test_rules_that_are_only_grouped_otherwise_are_no_change(self) -> None:
        together = b.groups((b.rule(5432, "sg-web", "sg-alb"),))
        apart = b.groups((b.rule(5432, "sg-alb"), b.rule(5432, "sg-web")))
        assert changes(together, apart) == []

    def test_a_group_of_one_side_is_no_change_of_a_rule(self) -> None:
        more = SecurityGroups(
            {"sg-a": SecurityGroup("sg-a", "a", "vpc-1", (LISTED,), ()), **GROUPS.by_id}
        )
        both = SecurityGroups({**more.by_id, "sg-db": replace(GROUPS.by_id["sg-db"], ingress=())})
        assert changes(GROUPS, more) == changes(more, GROUPS) == []
        assert len(changes(GROUPS, both)) == 1


def test_entries_of_acls() -> None:
    udp = AclEntry(110, False, True, "17", "10.0.0.0/8", (53, 53))
    icmp = AclEntry(120, True, False, "1", "10.0.0.0/8", None)
    narrow = b.entry(100, "in", "10.0.2.0/24", (1024, 5432), "deny")
    before = b.acls(db=b.acl("db", ("subnet-db-a",), IN, OUT))
    after = b.acls(db=b.acl("db", ("subnet-db-a",), narrow, udp, icmp))
    inbound, outbound = "db-acl (acl-db) inbound entry", "db-acl (acl-db) outbound entry"
    everything = "allow all ports 0.0.0.0/0"
    assert changes(before, after) == [
        Change(f"{inbound} 100", everything, "deny tcp ports 1024-5432 10.0.2.0/24", "entry"),
        Change(f"{outbound} 100", everything, "", "entry"),
        Change(f"{inbound} 110", "", "allow udp port 53 10.0.0.0/8", "entry"),
        Change(f"{outbound} 120", "", "deny protocol 1 all ports 10.0.0.0/8", "entry"),
    ]


class TestTables:
    def test_routes(self) -> None:
        before = b.tables(b.table("app", LOCAL, ("10.1.0.0/16", "pcx-1"), ("10.2.0.0/16", "tgw-1")))
        app = b.table("app", LOCAL, ("10.1.0.0/16", "pcx-2"), ("10.3.0.0/16", "pcx-3"))
        deleted = Route("10.4.0.0/16", "", "blackhole", False)
        after = b.tables(replace(app, routes=(*app.routes, deleted)))
        subject = "app (rtb-app) route to"
        assert changes(before, after) == [
            Change(f"{subject} 10.1.0.0/16", "pcx-1", "pcx-2", "route"),
            Change(f"{subject} 10.2.0.0/16", "tgw-1", "", "route"),
            Change(f"{subject} 10.3.0.0/16", "", "pcx-3", "route"),
            Change(f"{subject} 10.4.0.0/16", "", "deleted target", "route"),
        ]

    def test_the_table_of_a_subnet(self) -> None:
        one = b.table("one", LOCAL, subnets=("subnet-app", "subnet-db-a"))
        other = b.table("other", LOCAL)
        before = b.tables(one, other)
        after = b.tables(
            replace(one, subnet_ids=("subnet-db-b",)), replace(other, subnet_ids=("subnet-app",))
        )
        assert changes(before, after) == [
            Change("route table of subnet-app", "one (rtb-one)", "other (rtb-other)"),
            Change("route table of subnet-db-a", "one (rtb-one)", "the main table"),
            Change("route table of subnet-db-b", "the main table", "one (rtb-one)"),
        ]


class TestApp:
    def with_interfaces(self, *interfaces: NetworkInterface, **more: Any) -> Ec2InstanceWorkload:
        return replace(APP, instance=replace(APP.instance, interfaces=interfaces, **more))

    def test_state_and_groups(self) -> None:
        one = NetworkInterface("eni-1", 0, "10.0.2.45", (), "subnet-app", ("sg-web",))
        two = replace(one, interface_id="eni-2", group_ids=("sg-alb", "sg-x"))
        before = self.with_interfaces(one, state="stopped")
        after = self.with_interfaces(replace(one, group_ids=("sg-web", "sg-db")), two)
        assert changes(before, after, GROUPS) == [
            Change(f"state of {APP.label}", "stopped", "running"),
            Change(f"security groups of {APP.label}, eni-1", "web-sg (sg-web)", "web-sg (sg-web), database-sg (sg-db)"),
            Change(f"security groups of {APP.label}, eni-2", "", "alb-public-sg (sg-alb), sg-x"),
        ]  # fmt: skip
        assert changes(after, before)[2].after == "", "the interface is gone"

    def test_without_the_groups_their_ids_are_told(self) -> None:
        one = NetworkInterface("eni-1", 0, "10.0.2.45", (), "subnet-app", ("sg-web",))
        [change] = changes(
            self.with_interfaces(one), self.with_interfaces(replace(one, group_ids=("sg-db",)))
        )
        assert (change.before, change.after) == ("sg-web", "sg-db")

    def test_a_task_has_groups_and_no_state(self) -> None:
        task = b.task()
        assert task.interface is not None
        moved = replace(task, interface=replace(task.interface, group_ids=("sg-db",)))
        [change] = changes(task, moved, GROUPS)
        assert (change.before, change.after) == ("web-sg (sg-web)", "database-sg (sg-db)")
        assert changes(task, b.task()) == []


class TestDatabase:
    @pytest.mark.parametrize(
        ("field", "value", "change"),
        [
            ("status", "stopped", Change("linkbox-db, status", "available", "stopped")),
            ("is_public", True, Change("linkbox-db, publicly accessible", "no", "yes")),
            ("backup_days", 0, Change("linkbox-db, days that backups are kept", "7", "0")),
            ("allocated_gib", 40, Change("linkbox-db, allocated storage in GiB", "20", "40")),
            ("ca_identifier", "rds-ca-ecc384-g1", Change("linkbox-db, certificate authority", "rds-ca-rsa2048-g1", "rds-ca-ecc384-g1")),
            ("parameter_groups", (("a", "in-sync"), ("b", "pending-reboot")), Change("linkbox-db, parameter groups", "linkbox-postgres17 in-sync", "a in-sync, b pending-reboot")),
            ("pending", ("class", "storage"), Change("linkbox-db, pending changes", "none", "class, storage")),
            ("security_group_ids", ("sg-db", "sg-x"), Change("security groups of linkbox-db", "database-sg (sg-db)", "database-sg (sg-db), sg-x")),
        ],
    )  # fmt: skip
    def test_a_field(self, field: str, value: Any, change: Change) -> None:
        assert changes(b.database(), b.database(**{field: value}), GROUPS) == [change]

    def test_other_fields_and_another_instance_are_no_changes(self) -> None:
        assert changes(b.database(), b.database(engine_version="18.0")) == []
        assert changes(b.database(), b.database(identifier="other", status="stopped")) == []


class TestPolicies:
    def test_statements_of_an_inline_policy(self) -> None:
        subject = "inline policy app-policy of role app-role, statement"
        before, after = b.role_policies(ALLOW, b.READS), b.role_policies(b.READS, DENY)
        assert changes(before, after) == [
            Change(subject, "", shown(DENY), "statement"),
            Change(subject, shown(ALLOW), "", "statement"),
        ]

    def test_a_policy_is_added_or_removed(self) -> None:
        before = b.role_policies(ALLOW)
        more = PolicyText("more", "", {"Version": "2012-10-17", "Statement": DENY}, "role app-role")
        managed = PolicyText("managed", "arn:p", b.document(DENY))
        after = replace(before, identity=(*before.identity, more, managed))
        assert changes(before, after) == [
            Change("inline policy more of role app-role, statement", "", shown(DENY), "statement"),
            Change("policy arn:p, statement", "", shown(DENY), "statement"),
        ]
        assert [c.before for c in changes(after, before)] == [shown(DENY)] * 2

    def test_a_version_with_the_same_document_is_no_change(self) -> None:
        before = b.role_policies(ALLOW)
        [own] = before.identity
        assert changes(before, replace(before, identity=(replace(own, version="v2"),))) == []

    def test_the_boundary(self) -> None:
        before = b.role_policies(ALLOW, boundary=ALLOW)
        assert before.boundary is not None
        subject = f"policy {before.boundary.arn}, statement"
        assert changes(before, b.role_policies(ALLOW, boundary=DENY)) == [
            Change(subject, "", shown(DENY), "statement"),
            Change(subject, shown(ALLOW), "", "statement"),
        ]
        assert changes(before, b.role_policies(ALLOW)) == []

    def test_the_operator_s(self) -> None:
        subject = "inline policy own of user oncall, statement"
        assert changes(b.operator_policies(), b.operator_policies(ALLOW)) == [
            Change(subject, "", shown(ALLOW), "statement")
        ]

    def test_the_key_s(self) -> None:
        before = KeyPolicy({"Statement": ALLOW})
        assert changes(before, KeyPolicy({"Statement": [ALLOW, DENY]})) == [
            Change("the key policy, statement", "", shown(DENY), "statement")
        ]


def test_parameters_but_never_the_password() -> None:
    endpoint = b.parameter("endpoint", value="old.example", version=2)
    password = b.parameter("password", version=2)
    before, after = (
        b.parameters(),
        b.parameters(endpoint=endpoint, password=password, username=None),
    )
    assert changes(before, after) == [
        Change(b.NAMES["endpoint"], b.HOST, "old.example", "parameter"),
        Change(b.NAMES["username"], "linkbox", "", "parameter"),
        Change(b.NAMES["password"], "version 1", "version 2", "parameter"),
    ]
    assert changes(after, before)[-1] == Change(b.NAMES["username"], "", "linkbox", "parameter")


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (KEY, replace(KEY, state="Disabled"), Change("state of key alias/linkbox (k)", "Enabled", "Disabled")),
        (VpcDns(True, True), VpcDns(False, True), Change("enableDnsSupport of the VPC", "yes", "no")),
        (VpcDns(True, False), VpcDns(True, True), Change("enableDnsHostnames of the VPC", "no", "yes")),
        (ZONES, replace(ZONES, covering=ZONES.covering[:1]), Change("private zone b (Z2) in vpc-1", "answers", "")),
        (ROLE, replace(ROLE, profile_name=None), Change("instance profile", "p", "")),
        (replace(ROLE, profile_name=None), ROLE, Change("instance profile", "", "p")),
        (b.healthy(SsmAgent), replace(b.healthy(SsmAgent), version="9"), Change("the Systems Manager agent", "version 3.3.987.0", "the latest version")),
    ],
)  # fmt: skip
def test_single_settings(before: Any, after: Any, change: Change) -> None:
    assert changes(before, after) == [change]


def test_a_role_of_another_name_is_no_change_of_the_profile() -> None:
    assert changes(ROLE, replace(ROLE, role_name="other")) == []


def test_what_is_not_known_on_both_sides_is_not_compared() -> None:
    known = snapshot(VpcDns(True, True))
    unknown = Snapshot({VpcDns: Unknown("you may not read it")})
    assert describe_changes(known, unknown) == describe_changes(unknown, known) == ()


def test_changes_come_in_the_order_of_the_facts() -> None:
    before = snapshot(VpcDns(True, True), KEY, GROUPS)
    after = snapshot(b.groups(()), replace(KEY, state="Disabled"), VpcDns(True, False))
    subjects = [c.subject for c in describe_changes(before, after)]
    assert [s.split()[0] for s in subjects] == ["state", "database-sg", "enableDnsHostnames"]
    assert [Key, SecurityGroups, VpcDns] == [k for k in COMPARED if k in before.facts]


ADDED, CHANGED, REMOVED = Change("x", "", "a", "rule"), Change("x", "a", "b"), Change("x", "a", "")
ENTRY = Change("x", "", "a", "entry")


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([], "changes nothing that AWS describes"),
        ([ADDED], "adds one rule, removes none"),
        ([ADDED, ADDED, ENTRY, ENTRY], "adds 2 rules and 2 entries, removes none"),
        ([CHANGED], "changes one setting, removes none"),
        ([CHANGED, REMOVED, ADDED], "adds one rule, changes one setting, removes one setting"),
        ([REMOVED, replace(REMOVED, kind="policy")] * 2, "removes 2 settings and 2 policies"),
    ],
)
def test_the_summary_counts_by_kind(rows: list[Change], text: str) -> None:
    assert summary(rows) == text
