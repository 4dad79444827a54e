"""An unknown checkpoint names its reason, and the finding what would make it known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.checks.network.path_check import needs_of
from opskit.facts.interface import known_value
from opskit.facts.routes import RouteTables
from opskit.facts.subnets import NetworkAcls
from opskit.facts.vpc_scope import Peerings
from opskit.reachability.database_paths import DatabasePaths
from opskit.reachability.path import CheckpointKind, PathOutcome, UnknownBecause
from tests import builders as b

LOCAL = ("10.0.0.0/16", "local")
BACK = b.table("peer", ("10.1.0.0/16", "local"), ("10.0.0.0/16", "pcx-1"), vpc="vpc-2", main=True)
GATEWAY = b.table("app", LOCAL, ("10.0.0.0/8", "tgw-1"), subnets=("subnet-app",))
TO_PREFIX_LIST = b.groups((b.rule(5432, "sg-web"),), (b.rule(5432, lists=("pl-1",)),))


@pytest.mark.parametrize(
    ("replaced", "kind", "because", "missing"),
    [
        (
            (*b.peered(), b.tables(GATEWAY, BACK)),
            CheckpointKind.ROUTE,
            UnknownBecause.NOT_MODELLED,
            "a connection tried from where the app runs",
        ),
        (
            (*b.peered(), Peerings(()), b.tables(GATEWAY, BACK)),
            CheckpointKind.INGRESS,
            UnknownBecause.NOT_MODELLED,
            "a connection tried from where the app runs",
        ),
        (
            (TO_PREFIX_LIST,),
            CheckpointKind.EGRESS,
            UnknownBecause.NOT_READ,
            "ec2:GetManagedPrefixListEntries",
        ),
        (
            (NetworkAcls(()),),
            CheckpointKind.ACL_IN,
            UnknownBecause.NOT_READ,
            "ec2:DescribeNetworkAcls",
        ),
        (
            (RouteTables(()),),
            CheckpointKind.ROUTE,
            UnknownBecause.NOT_READ,
            "ec2:DescribeRouteTables",
        ),
    ],
    ids=["transit gateway", "group reference", "prefix list", "ACL", "route table"],
)
def test_an_unknown_checkpoint_has_a_reason_and_a_need(
    replaced: tuple[Any, ...], kind: CheckpointKind, because: UnknownBecause, missing: str
) -> None:
    path = known_value(b.snapshot(*replaced).get(DatabasePaths)).current
    checkpoint = next(c for c in path.checkpoints if c.kind is kind)
    assert checkpoint.outcome is PathOutcome.UNKNOWN
    assert checkpoint.unknown_because is because
    assert needs_of(checkpoint) == missing


def test_a_known_checkpoint_has_no_reason_to_be_unknown() -> None:
    path = known_value(b.snapshot().get(DatabasePaths)).current
    assert {c.unknown_because for c in path.checkpoints} == {None}


def test_a_description_does_not_decide_what_is_needed() -> None:
    path = known_value(b.snapshot(RouteTables(())).get(DatabasePaths)).current
    checkpoint = next(c for c in path.checkpoints if c.kind is CheckpointKind.ROUTE)
    renamed = replace(checkpoint, decided_by="the reference table is not modelled")
    assert needs_of(renamed) == "ec2:DescribeRouteTables"
