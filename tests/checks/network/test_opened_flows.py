"""What an attached security group opens besides the wanted flow."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from opskit.checks.network.attachments import attach
from opskit.checks.network.fix_context import to_database
from opskit.checks.network.opened_flows import opened_by
from opskit.facts.instances import Instances
from opskit.facts.interface import known_value
from opskit.facts.security_groups import IpPermission, SecurityGroup, SecurityGroups
from opskit.reachability.database_paths import DatabasePaths
from opskit.reachability.group_members import GroupMembers
from opskit.reachability.path import CheckpointKind, Path
from tests import builders as b


def group(
    name: str, *ingress: IpPermission, egress: tuple[IpPermission, ...] = ()
) -> SecurityGroup:
    return SecurityGroup(f"sg-{name}", name, "vpc-1", ingress, egress)


def scene(*more: SecurityGroup, **known: SecurityGroup) -> tuple[SecurityGroups, Path]:
    """LinkBox's groups with some replaced, and the path from the app to its database."""
    by_id = {**b.groups(()).by_id, **{g.group_id: g for g in more}}
    by_id |= {f"sg-{name}": g for name, g in known.items()}
    groups = SecurityGroups(by_id)
    paths = known_value(b.snapshot(groups, b.probe(connections=())).get(DatabasePaths))
    return groups, paths.current


def test_rules_of_the_group_itself() -> None:
    added = group(
        "new",
        b.rule(22, "sg-alb", cidrs=("10.9.0.0/16",)),
        b.rule(5432, "sg-web"),
        egress=(b.rule(53, lists=("pl-1",), protocol="udp"), b.ALL_OUT),
    )
    groups, path = scene(added)
    at_app = opened_by(groups, path, path.source, added)
    assert at_app == (
        "Opens besides: tcp 22 in, from alb-public-sg (sg-alb); tcp 22 in, from 10.9.0.0/16; "
        "tcp 5432 in, from web-sg (sg-web); udp 53 out, to pl-1."
    ), "what the app's own groups allow already is not new"
    at_database = opened_by(groups, path, path.destination, added)
    assert "tcp 5432" not in at_database, "that is the wanted flow"
    assert "tcp 22 in, from alb-public-sg (sg-alb)" in at_database


def test_egress_to_the_database_alone_is_the_wanted_flow() -> None:
    added = group("new", egress=(b.rule(5432, "sg-db"), b.rule(6379, "sg-db")))
    groups, path = scene(added, web=group("web"))
    assert (
        opened_by(groups, path, path.source, added)
        == "Opens besides: tcp 6379 out, to database-sg (sg-db)."
    )
    assert "tcp 5432 out, to database-sg" in opened_by(groups, path, path.destination, added)


def test_rules_of_other_groups_that_name_it() -> None:
    added = group("new")
    cache = group("cache", b.rule(6379, "sg-new"), b.rule(11211, "sg-web", "sg-new"))
    admin = group("admin", egress=(b.rule(22, "sg-new"),))
    database = replace(
        b.groups(()).by_id["sg-db"], ingress=(b.rule(5432, "sg-new"), b.rule(9090, "sg-new"))
    )
    groups, path = scene(added, cache, admin, db=database)
    assert opened_by(groups, path, path.source, added) == (
        "Opens besides: tcp 9090 out, to members of database-sg (sg-db); "
        "tcp 6379 out, to members of cache (sg-cache); tcp 22 in, from members of admin (sg-admin)."
    )
    assert "tcp 5432 out, to members of database-sg" in opened_by(
        groups, path, path.destination, added
    )


def test_nothing_besides_is_said_where_there_is_nothing() -> None:
    added = group("new")
    database = replace(b.groups(()).by_id["sg-db"], ingress=(b.rule(5432, "sg-new"),))
    groups, path = scene(added, db=database)
    assert opened_by(groups, path, path.source, added) == ""


@pytest.mark.speed
def test_a_vpc_full_of_groups_is_searched_in_time() -> None:
    many = [
        group(f"{n}", *(b.rule(5432, cidrs=(f"172.16.{n % 250}.{i}/32",)) for i in range(20)))
        for n in range(2_000)
    ]
    groups, path = scene(*many)
    snapshot = b.snapshot(groups, Instances(()))
    members = known_value(snapshot.get(GroupMembers))
    paths = known_value(snapshot.get(DatabasePaths))
    started = time.thread_time()
    assert (
        attach(
            to_database(members),
            paths.network,
            path,
            CheckpointKind.INGRESS,
        )
        is None
    )
    assert time.thread_time() - started < 1
