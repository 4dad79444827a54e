"""Whose network interfaces have a security group: the app's, its siblings', a database's, others'."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.config import Target
from opskit.facts.instances import Instances
from opskit.facts.interface import Unknown
from opskit.facts.interface_owners import InterfaceOwner, InterfaceOwners
from opskit.facts.load_balancer import LoadBalancer
from opskit.facts.rds import DbInstances
from opskit.facts.target_health import TargetHealth, TargetHealths
from opskit.reachability.group_members import (
    GroupMembers,
    Member,
    MemberKind,
    analyze,
    is_sibling,
)
from opskit.workload.ec2_instance import Ec2InstanceWorkload, Instance
from opskit.workload.interface import NetworkInterface
from tests import builders as b

UNKNOWN = Unknown("you may not read it", ("x:Y",))
APP = replace(b.healthy(Ec2InstanceWorkload).instance, searchable_text="linkbox backend")
WORKLOAD = Ec2InstanceWorkload(APP, selection_reason="it was named")
BALANCER = b.healthy(LoadBalancer)


def instance(instance_id: str, **changes: Any) -> Instance:
    usual = {
        "name": "", "group_ids": ("sg-x",), "profile_arn": None, "searchable_text": "",
        "scaling_group": None,
    }  # fmt: skip
    return replace(APP, instance_id=instance_id, **{**usual, **changes})


def members(**changes: Any) -> GroupMembers:
    facts = {
        "app": WORKLOAD,
        "database": b.database(),
        "target": b.known(Target("linkbox", b.NAMES, "/linkbox")),
        "instances": b.known(Instances((APP,))),
        "databases": b.known(DbInstances((b.db_instance(),))),
        "load_balancer": b.known(BALANCER),
        "targets": b.known(b.healthy(TargetHealths)),
        "owners": b.known(InterfaceOwners(())),
    }
    return analyze(**{**facts, **changes})


def test_the_app_its_database_and_its_load_balancer_are_members_once() -> None:
    found = members()
    assert found.members == (
        Member(MemberKind.APP, WORKLOAD.label, ("sg-web",)),
        Member(MemberKind.DATABASE, "linkbox-db", ("sg-db",)),
        Member(MemberKind.LOAD_BALANCER, "linkbox-alb", ("sg-alb",)),
    )
    assert (found.app, found.database) == (WORKLOAD, b.db_instance())
    assert (found.is_complete, found.knows_load_balancer, found.knows_interfaces) == (True,) * 3


def test_members_are_looked_up_by_group_and_by_kind() -> None:
    other = instance("i-2", group_ids=("sg-web", "sg-x"))
    found = members(instances=b.known(Instances((APP, other))), load_balancer=UNKNOWN)
    assert [m.label for m in found.of("sg-web")] == [WORKLOAD.label, "i-2"]
    assert [m.label for m in found.of("sg-x")] == ["i-2"]
    assert found.of("sg-none") == ()
    assert found.has(MemberKind.OTHER_INSTANCE)
    assert not found.has(MemberKind.LOAD_BALANCER)


@pytest.mark.parametrize(
    ("changes", "is_complete", "knows_load_balancer", "knows_interfaces"),
    [
        ({"instances": UNKNOWN}, False, True, True),
        ({"databases": UNKNOWN}, False, True, True),
        ({"load_balancer": UNKNOWN}, True, False, True),
        ({"load_balancer": UNKNOWN, "targets": UNKNOWN}, True, False, True),
        ({"load_balancer": UNKNOWN, "targets": b.known(TargetHealths(()))}, True, True, True),
        (
            {"load_balancer": UNKNOWN, "targets": b.known(TargetHealths((TargetHealth(replace(b.TARGETS, load_balancer_arns=()), "healthy", "", ""),)))},
            True, True, True,
        ),
        ({"owners": UNKNOWN}, True, True, False),
    ],
)  # fmt: skip
def test_what_was_not_read_proves_nothing(
    changes: dict[str, Any], is_complete: bool, knows_load_balancer: bool, knows_interfaces: bool
) -> None:
    found = members(**changes)
    assert (found.is_complete, found.knows_load_balancer, found.knows_interfaces) == (
        is_complete, knows_load_balancer, knows_interfaces,
    )  # fmt: skip
    assert found.members[0].kind is MemberKind.APP


@pytest.mark.parametrize(
    ("app", "other", "expected"),
    [
        ({"scaling_group": "a"}, {"scaling_group": "a"}, True),
        ({"scaling_group": "a"}, {"scaling_group": "b", "profile_arn": APP.profile_arn}, False),
        ({"scaling_group": "a"}, {"profile_arn": APP.profile_arn}, True),
        ({}, {"scaling_group": "b", "profile_arn": APP.profile_arn}, True),
        ({"profile_arn": None}, {}, False),
        ({}, {"name": "linkbox-backend-2", "searchable_text": "linkbox backend"}, True),
        ({}, {"name": "linkbox-2", "searchable_text": "linkbox"}, True),
        ({}, {"name": "linkbox-worker-1", "searchable_text": "linkbox worker"}, False),
        ({}, {"name": "backend-2", "searchable_text": "shop backend"}, False),
        ({"name": "linkbox-Worker-1"}, {"name": "linkbox-WORKER-7", "searchable_text": "linkbox"}, True),
    ],
)  # fmt: skip
def test_siblings(app: dict[str, Any], other: dict[str, Any], expected: bool) -> None:
    """By the Auto Scaling group where both have one, else by the profile, else by the name."""
    workload = Ec2InstanceWorkload(replace(APP, **app), selection_reason="")
    sibling = instance("i-2", **other)
    assert is_sibling(workload, sibling, ("linkbox",)) is expected
    found = members(app=workload, instances=b.known(Instances((workload.instance, sibling))))
    kind = MemberKind.SIBLING if expected else MemberKind.OTHER_INSTANCE
    assert found.members[1] == Member(kind, sibling.label, sibling.group_ids)


@pytest.mark.parametrize(
    ("target", "text", "expected"),
    [
        (Target("linkbox", b.NAMES, "/Prod/linkbox/"), "prod linkbox", True),
        (Target("linkbox", b.NAMES, "/Prod/linkbox/"), "linkbox", False),
        (Target("Shop", b.NAMES), "shop", True),
        (Target("Shop", b.NAMES), "linkbox", False),
    ],
)
def test_the_name_is_the_prefix_or_the_target_s(target: Target, text: str, expected: bool) -> None:
    other = instance("i-2", name="backend", searchable_text=text)
    found = members(target=b.known(target), instances=b.known(Instances((other,))))
    assert (found.members[1].kind is MemberKind.SIBLING) is expected


def test_without_a_target_no_name_makes_a_sibling() -> None:
    other = instance("i-2", searchable_text="linkbox")
    found = members(target=UNKNOWN, instances=b.known(Instances((other,))))
    assert found.members[1].kind is MemberKind.OTHER_INSTANCE


@pytest.mark.parametrize(
    ("own", "other", "kind"),
    [
        (None, None, MemberKind.OTHER_DATABASE),
        ("aurora", "aurora", MemberKind.DATABASE),
        ("aurora", "other", MemberKind.OTHER_DATABASE),
        ("aurora", None, MemberKind.OTHER_DATABASE),
    ],
)
def test_the_instances_of_a_cluster_are_one_database(
    own: str | None, other: str | None, kind: MemberKind
) -> None:
    mine = b.db_instance(cluster_id=own)
    reader = b.db_instance(identifier="reader", cluster_id=other, security_group_ids=("sg-r",))
    found = members(
        database=b.database(cluster_id=own), databases=b.known(DbInstances((reader, mine)))
    )
    assert found.members[1:3] == (
        Member(MemberKind.DATABASE, "linkbox-db", ("sg-db",)),
        Member(kind, "reader", ("sg-r",)),
    )


class TestInterfaces:
    def owned(self, *owners: InterfaceOwner, **changes: Any) -> list[Member]:
        found = members(owners=b.known(InterfaceOwners(owners)), **changes)
        known = {WORKLOAD.label, "linkbox-db", "linkbox-alb"}
        return [m for m in found.members if m.label not in known]

    def test_every_other_owner_is_a_member(self) -> None:
        function = InterfaceOwner("eni-f", "function report", ("sg-f",))
        assert self.owned(function) == [
            Member(MemberKind.OTHER_INTERFACE, "function report", ("sg-f",))
        ]

    def test_the_app_and_its_load_balancer_are_not_listed_twice(self) -> None:
        own = NetworkInterface("eni-1", 0, "10.0.2.45", (), "subnet-app", ("sg-web",))
        workload = Ec2InstanceWorkload(replace(APP, interfaces=(own,)), selection_reason="")
        balancer = InterfaceOwner("eni-b", "load balancer linkbox-alb", ("sg-alb",))
        mine = InterfaceOwner("eni-1", "mine", ("sg-web",))
        other = InterfaceOwner("eni-2", "load balancer shop-alb", ("sg-alb",))
        found = self.owned(mine, balancer, other, app=workload)
        assert [m.label for m in found if "backend" not in m.label] == ["load balancer shop-alb"]
        unread = self.owned(balancer, load_balancer=UNKNOWN)
        assert [m.kind for m in unread] == [MemberKind.OTHER_INTERFACE]

    @pytest.mark.parametrize(
        ("service", "kind"),
        [
            ("apps/shop", MemberKind.SIBLING),
            ("apps/batch", MemberKind.OTHER_INTERFACE),
            ("", MemberKind.OTHER_INTERFACE),
        ],
    )
    def test_tasks_of_the_app_s_own_service_are_its_siblings(
        self, service: str, kind: MemberKind
    ) -> None:
        app = b.task()
        assert app.ecs_service == "apps/shop"
        task = InterfaceOwner("eni-t", "task 1", ("sg-t",), service)
        found = members(app=app, owners=b.known(InterfaceOwners((task,))))
        assert found.members[-1] == Member(kind, "task 1", ("sg-t",))

    def test_an_app_without_a_service_has_no_sibling_without_one(self) -> None:
        found = self.owned(InterfaceOwner("eni-t", "task 1", ("sg-t",), ""))
        assert [m.kind for m in found] == [MemberKind.OTHER_INTERFACE]
