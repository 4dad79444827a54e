"""Which database and which instance are meant: found, or asked for, never picked silently."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit import endpoint
from opskit.config import Target
from opskit.errors import TargetError
from opskit.facts import app_instance, database
from opskit.facts.instances import Instances
from opskit.facts.interface import FactUnavailable, Unknown
from opskit.facts.rds import DbCluster, DbClusters, DbInstance, DbInstances
from opskit.workload.ec2_instance import Instance
from tests import builders as b

TARGET = Target("linkbox", b.NAMES, "/linkbox")
NONE = b.known(DbClusters(()))
OTHER = b.db_instance(
    identifier="reporting-db", host="reporting-db.x", database_name="reporting", master_username="r"
)
ALL = DbInstances((OTHER, b.db_instance()))


def choose(
    target: Target = TARGET,
    instances: DbInstances = ALL,
    clusters: Any = NONE,
    parameters: Any = None,
) -> str:
    known = b.known(b.parameters()) if parameters is None else parameters
    return database.select(target, instances, clusters, known).instance.identifier


def test_the_endpoint_names_the_database() -> None:
    assert choose() == "linkbox-db"


def test_a_stale_endpoint_is_found_by_names_if_only_one_fits() -> None:
    stale = b.known(b.parameters(endpoint=b.parameter("endpoint", value="gone.x")))
    assert choose(parameters=stale) == "linkbox-db"
    twin = DbInstances((*ALL.all, b.db_instance(identifier="linkbox-copy", host="copy.x")))
    with pytest.raises(TargetError) as caught:
        choose(instances=twin, parameters=stale)
    assert "gone.x" in caught.value.sentence
    assert "linkbox-copy" in caught.value.next_step


def test_a_named_database_must_exist() -> None:
    assert choose(replace(TARGET, db_instance="reporting-db")) == "reporting-db"
    with pytest.raises(TargetError):
        choose(replace(TARGET, db_instance="nope"))


def test_a_cluster_endpoint_leads_to_its_writer() -> None:
    writer = b.db_instance(identifier="shop-1", host="shop-1.x", database_name=None)
    cluster = DbCluster(
        "shop",
        "cluster-S",
        "available",
        (),
        None,
        "shop.cluster-1.x",
        "shop.cluster-ro-1.x",
        (),
        5432,
        "shop-1",
    )
    parameters = b.known(b.parameters(endpoint=b.parameter("endpoint", value="shop.cluster-1.x")))
    assert (
        choose(TARGET, DbInstances((writer,)), b.known(DbClusters((cluster,))), parameters)
        == "shop-1"
    )


def test_without_parameters_nothing_is_guessed() -> None:
    with pytest.raises(FactUnavailable):
        choose(parameters=Unknown("you may not call ssm:GetParameters"))


def instance(number: int, name: str, group: str = "sg-web", state: str = "running") -> Instance:
    return Instance(
        f"i-{number}", name, state, f"10.0.2.{number}", "s", (group,), None, "", 1, name.lower()
    )


def find(*instances: Instance, target: Target = TARGET, groups: Any = None) -> str:
    known = b.known(b.groups((b.rule(5432, "sg-web"),))) if groups is None else groups
    return app_instance.select(target, Instances(instances), b.database(), known).identifier


BATCH = instance(9, "batch-worker", "sg-batch")
APP = instance(1, "linkbox-backend-1")


def test_name_and_rules_together_tell() -> None:
    assert find(APP, BATCH) == "i-1"
    assert find(APP, instance(2, "other", "sg-web")) == "i-1"


def test_a_missing_rule_does_not_hide_the_app() -> None:
    assert find(APP, BATCH, groups=b.known(b.groups(()))) == "i-1"
    assert find(APP, BATCH, groups=b.known(b.groups((b.rule(5432, "sg-batch"),)))) == "i-1"


def test_a_rule_tells_where_names_do_not() -> None:
    assert find(instance(3, "web", "sg-web"), BATCH) == "i-3"


def test_of_several_none_is_picked() -> None:
    with pytest.raises(TargetError) as caught:
        find(APP, instance(2, "linkbox-backend-2"))
    assert "--instance" in caught.value.sentence
    assert "i-2" in caught.value.next_step
    assert (
        find(APP, instance(2, "linkbox-backend-2"), target=replace(TARGET, instance="i-2")) == "i-2"
    )


def test_none_is_not_there_and_stopped_ones_do_not_count() -> None:
    with pytest.raises(FactUnavailable):
        find(instance(1, "linkbox-backend-1", state="stopped"), BATCH)


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("host.x", ("host.x", None)),
        ("HOST.x:5433", ("host.x", 5433)),
        ("host.x.:5432", ("host.x", 5432)),
        ("[2001:db8::1]:5432", ("2001:db8::1", 5432)),
        ("2001:db8::1", ("2001:db8::1", None)),
        ("", ("", None)),
        ("host:port", ("host", None)),
    ],
)
def test_endpoint_forms(value: str, parts: tuple[str, int | None]) -> None:
    assert endpoint.split(value) == parts


ORDERS = b.db_instance(
    identifier="orders-db", host="orders.x", database_name="orders", master_username="orders_admin",
    searchable_text="orders-db team orders",
)  # fmt: skip


def chosen(endpoint: str, *instances: DbInstance, target: Target = TARGET) -> database.Database:
    parameters = b.known(b.parameters(endpoint=b.parameter("endpoint", value=endpoint)))
    return database.select(target, DbInstances(instances), NONE, parameters)


def test_another_teams_endpoint_is_doubted() -> None:
    found = chosen("orders.x", ORDERS, b.db_instance())
    assert found.instance.identifier == "orders-db"
    assert "linkbox-db fits by database name, master user and name or tags" in found.doubt
    alone = chosen("orders.x", ORDERS)
    assert alone.doubt.startswith("only /linkbox/db-endpoint points to orders-db")


@pytest.mark.parametrize(
    "changes",
    [
        {"database_name": None, "master_username": "postgres"},
        {"database_name": "other", "searchable_text": ""},
        {"master_username": "postgres", "searchable_text": ""},
    ],
)
def test_one_more_piece_of_evidence_is_enough(changes: dict[str, str]) -> None:
    assert chosen(b.HOST, b.db_instance(**changes)).doubt == ""


def test_a_database_that_was_named_is_not_doubted() -> None:
    named = replace(TARGET, db_instance="orders-db")
    assert chosen("orders.x", ORDERS, b.db_instance(), target=named).doubt == ""


def test_a_restored_copy_is_noticed_and_a_replica_is_none() -> None:
    copy = b.db_instance(identifier="linkbox-db-restored", host="copy.x")
    replica = b.db_instance(identifier="linkbox-db-replica", host="r.x", replica_of="linkbox-db")
    instances = DbInstances((b.db_instance(), copy, replica, ORDERS))
    found = database.weigh(TARGET, instances, b.parameters())
    assert found.copies["linkbox-db"] == ("linkbox-db-restored",)
    members = [b.db_instance(identifier=f"shop-{n}", cluster_id="shop") for n in (1, 2)]
    assert database.weigh(TARGET, DbInstances(tuple(members)), b.parameters()).copies == {}
