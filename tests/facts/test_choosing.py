"""Which database and which instance are meant: found, or asked for, never picked silently."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit import endpoint
from opskit.config import Target
from opskit.credential_source.interface import ReadFailure
from opskit.errors import Alternatives, AmbiguousTarget, UsageError
from opskit.facts import app_instance, database
from opskit.facts.identity import Identity
from opskit.facts.instances import Instances
from opskit.facts.interface import FactUnavailable, Unknown
from opskit.facts.rds import DbCluster, DbClusters, DbInstance, DbInstances
from opskit.facts.region import Region
from opskit.facts.stored_credential import StoredCredential
from opskit.facts.vpc_scope import VpcScope
from opskit.workload.ec2_instance import Ec2InstanceWorkload, Instance
from tests import builders as b

TARGET = Target("linkbox", b.NAMES, "/linkbox")
NONE = b.known(DbClusters(()))
REGION = Region("us-east-1")
WHO = b.known(b.healthy(Identity))
OTHER = b.db_instance(
    identifier="reporting-db",
    host="reporting-db.x",
    database_name="reporting",
    master_username="r",
    searchable_text="reporting-db",
)
ALL = DbInstances((OTHER, b.db_instance()))


def choose(
    target: Target = TARGET,
    instances: DbInstances = ALL,
    clusters: Any = NONE,
    parameters: Any = None,
) -> str:
    known = b.known(b.parameters()) if parameters is None else parameters
    return database.select(
        target, REGION, WHO, b.known(instances), clusters, known
    ).instance.identifier


def test_the_endpoint_names_the_database() -> None:
    assert choose() == "linkbox-db"


def test_a_stale_endpoint_is_found_by_names_if_only_one_fits() -> None:
    stale = b.known(b.parameters(endpoint=b.parameter("endpoint", value="gone.x")))
    assert choose(parameters=stale) == "linkbox-db"
    twin = DbInstances((*ALL.all, b.db_instance(identifier="linkbox-copy", host="copy.x")))
    with pytest.raises(AmbiguousTarget) as caught:
        choose(instances=twin, parameters=stale)
    assert "2 RDS instances may be the database of linkbox" in caught.value.sentence
    assert "linkbox-copy" in caught.value.next_step


def test_a_named_database_must_exist() -> None:
    assert choose(replace(TARGET, db_instance="reporting-db")) == "reporting-db"
    with pytest.raises(UsageError) as caught:
        choose(replace(TARGET, db_instance="nope"))
    assert "account 123456789012, us-east-1" in caught.value.sentence
    assert "linkbox-db, reporting-db" in caught.value.next_step


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


DENIED = Unknown("user/oncall may not call ssm:GetParameters", ("ssm:GetParameters",))


def test_without_parameters_the_name_points_to_a_database_that_stays_doubtful() -> None:
    chosen = database.select(TARGET, REGION, WHO, b.known(ALL), NONE, DENIED)
    assert chosen.instance.identifier == "linkbox-db"
    assert chosen.doubt == "only its name or tags point to linkbox-db: no parameter could be read"
    twin = DbInstances(
        (*ALL.all, b.db_instance(identifier="linkbox-2", searchable_text="linkbox-2"))
    )
    with pytest.raises(AmbiguousTarget):
        choose(instances=twin, parameters=DENIED)


@pytest.mark.parametrize(
    ("parameters", "clusters", "reason", "missing"),
    [
        (DENIED, NONE, "user/oncall may not call ssm:GetParameters; ", "ssm:GetParameters"),
        (
            b.known(
                StoredCredential(
                    (),
                    (),
                    (
                        ReadFailure(
                            b.NAMES["endpoint"],
                            "endpoint",
                            "AccessDeniedException",
                            "User: arn:aws:iam::123456789012:user/oncall is not authorized to perform: "
                            "ssm:GetParameter on resource: x because no identity-based policy allows it",
                            "ssm:GetParameter",
                            None,
                        ),
                    ),
                )
            ),
            NONE,
            "user/oncall may not read /linkbox/db-endpoint (AccessDeniedException)",
            "ssm:GetParameter",
        ),
        (
            b.known(b.parameters(endpoint=b.parameter("endpoint", value="shop.cluster-1.x"))),
            Unknown("user/oncall may not call rds:DescribeDBClusters", ("rds:DescribeDBClusters",)),
            "whether a cluster has it is not known: user/oncall may not call rds:DescribeDBClusters",
            "rds:DescribeDBClusters",
        ),
    ],
)
def test_a_missing_right_is_named_where_no_database_fits(
    parameters: Any, clusters: Any, reason: str, missing: str
) -> None:
    with pytest.raises(FactUnavailable) as caught:
        choose(instances=DbInstances((OTHER,)), clusters=clusters, parameters=parameters)
    assert reason in caught.value.unknown.reason
    assert "account 123456789012, us-east-1" in caught.value.unknown.reason
    assert caught.value.unknown.missing == (Alternatives((missing, "--db-instance ID")),)


def test_a_prefix_without_parameters_names_those_that_exist() -> None:
    wrong = replace(TARGET, prefix="/linkbx", origins={"prefix": "--prefix"})
    absent = StoredCredential((), tuple(b.NAMES.items()), (), ("/linkbox", "/orders"))
    denied = Unknown(
        "user/oncall may not call rds:DescribeDBInstances", ("rds:DescribeDBInstances",)
    )
    for listed in (b.known(ALL), denied):
        with pytest.raises(UsageError) as caught:
            database.select(wrong, REGION, WHO, listed, NONE, b.known(absent))
        assert caught.value.sentence.startswith(
            "--prefix /linkbx: none of these parameters exists in account 123456789012, us-east-1: "
        )
        assert caught.value.next_step.startswith("--prefix that exist there: /linkbox, /orders")


def test_an_endpoint_of_another_region_names_that_region() -> None:
    gone = b.parameter("endpoint", value="x.c1.eu-west-1.rds.amazonaws.com")
    user = b.parameter("username", value="nobody")
    with pytest.raises(FactUnavailable) as caught:
        choose(parameters=b.known(b.parameters(endpoint=gone, username=user)))
    assert "--region eu-west-1" in caught.value.unknown.reason
    assert "instances in account 123456789012, us-east-1: linkbox-db, reporting-db" in (
        caught.value.unknown.reason
    )


def instance(number: int, name: str, group: str = "sg-web", state: str = "running") -> Instance:
    return Instance(
        f"i-{number}", name, state, f"10.0.2.{number}", "s", (group,), None, "", 1, name.lower(),
        "vpc-1",
    )  # fmt: skip


def found(
    *instances: Instance,
    target: Target = TARGET,
    groups: Any = None,
    of_database: Any = None,
    listed: Any = None,
) -> Ec2InstanceWorkload:
    known = b.known(b.groups((b.rule(5432, "sg-web"),))) if groups is None else groups
    return app_instance.select(
        target,
        REGION,
        WHO,
        listed or b.known(Instances(instances)),
        b.known(VpcScope("vpc-1", ())),
        of_database or b.known(b.database()),
        known,
    )


def find(*instances: Instance, target: Target = TARGET, groups: Any = None) -> str:
    return found(*instances, target=target, groups=groups).identifier


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
    with pytest.raises(AmbiguousTarget) as caught:
        find(APP, instance(2, "linkbox-backend-2"))
    assert "--instance" in caught.value.sentence
    assert "i-2" in caught.value.next_step
    assert (
        find(APP, instance(2, "linkbox-backend-2"), target=replace(TARGET, instance="i-2")) == "i-2"
    )


STOPPED = instance(1, "linkbox-backend-1", state="stopped")
ELSEWHERE = replace(instance(5, "linkbox-backend-1"), vpc_id="vpc-9")
TERMINATED = replace(
    instance(6, "linkbox-backend-1", state="terminated"), vpc_id="", group_ids=(), address=None
)


@pytest.mark.parametrize(
    ("rows", "identifier"),
    [
        ((STOPPED, BATCH), "i-1"),
        ((STOPPED, instance(2, "linkbox-backend-2")), "i-2"),
        ((replace(STOPPED, group_ids=("sg-x",)), instance(3, "web")), "i-3"),
        ((STOPPED, instance(3, "bastion")), "i-1"),
        ((ELSEWHERE, BATCH), "i-5"),
        ((ELSEWHERE, STOPPED), "i-1"),
        ((ELSEWHERE, replace(STOPPED, group_ids=("sg-x",))), "i-5"),
        ((TERMINATED, BATCH), "i-6"),
        ((TERMINATED, STOPPED), "i-1"),
        ((TERMINATED, APP), "i-1"),
    ],
)
def test_the_app_may_be_stopped_terminated_or_elsewhere(
    rows: tuple[Instance, ...], identifier: str
) -> None:
    assert find(*rows) == identifier
    assert find(*reversed(rows)) == identifier


def test_of_several_stopped_ones_none_is_picked() -> None:
    with pytest.raises(AmbiguousTarget) as caught:
        find(STOPPED, instance(2, "linkbox-backend-2", state="stopped"))
    assert "stopped" in caught.value.next_step


def test_where_none_fits_account_region_and_the_missing_right_are_named() -> None:
    with pytest.raises(FactUnavailable) as caught:
        found(BATCH)
    reason = caught.value.unknown.reason
    assert reason.startswith(
        "no instance in account 123456789012, us-east-1 carries the name linkbox"
    )
    assert caught.value.unknown.missing == ("--instance ID",)
    denied = Unknown(
        "user/oncall may not call rds:DescribeDBInstances", ("rds:DescribeDBInstances",)
    )
    with pytest.raises(FactUnavailable) as caught:
        found(BATCH, of_database=denied)
    assert denied.reason in caught.value.unknown.reason
    assert caught.value.unknown.missing == (
        Alternatives(("rds:DescribeDBInstances", "--instance ID")),
    )


def test_without_the_database_the_name_is_enough() -> None:
    assert found(APP, BATCH, of_database=Unknown("x"), groups=Unknown("x")).identifier == "i-1"


def test_a_named_instance_must_exist_and_be_one() -> None:
    named = replace(TARGET, instance="i-0123", origins={"instance": "--instance"})
    with pytest.raises(UsageError) as caught:
        find(APP, BATCH, target=named)
    assert caught.value.sentence == (
        "--instance 'i-0123': there is no such instance in account 123456789012, us-east-1"
    )
    assert "linkbox-backend-1" in caught.value.next_step
    twins = (instance(7, "web"), instance(8, "web"))
    with pytest.raises(AmbiguousTarget):
        find(*twins, target=replace(TARGET, instance="web"))
    assert (
        find(twins[0], replace(twins[1], state="stopped"), target=replace(TARGET, instance="web"))
        == "i-7"
    )


def test_without_the_right_to_list_instances_a_named_id_is_enough() -> None:
    denied = Unknown("user/oncall may not call ec2:DescribeInstances", ("ec2:DescribeInstances",))
    app = found(listed=denied, target=replace(TARGET, instance="i-0123"))
    assert (app.identifier, app.is_described, app.interfaces) == ("i-0123", False, ())
    assert app.reported_state is None
    assert "user/oncall may not call" in app.selection_reason
    with pytest.raises(FactUnavailable) as caught:
        found(listed=denied)
    assert caught.value.unknown.missing == (
        Alternatives(("ec2:DescribeInstances", "--instance ID")),
    )


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
    return database.select(target, REGION, WHO, b.known(DbInstances(instances)), NONE, parameters)


def test_another_teams_endpoint_is_doubted() -> None:
    database = chosen("orders.x", ORDERS, b.db_instance())
    assert database.instance.identifier == "orders-db"
    assert "linkbox-db fits by database name, master user and name or tags" in database.doubt
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
    evidence = database.weigh(TARGET, instances, b.parameters())
    assert evidence.copies["linkbox-db"] == ("linkbox-db-restored",)
    members = [b.db_instance(identifier=f"shop-{n}", cluster_id="shop") for n in (1, 2)]
    assert database.weigh(TARGET, DbInstances(tuple(members)), b.parameters()).copies == {}
