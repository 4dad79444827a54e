"""One connection through a VPC, checkpoint by checkpoint."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.facts.routes import RouteTables
from opskit.facts.security_group_rule_ids import RuleIds
from opskit.facts.security_groups import SecurityGroups
from opskit.facts.subnets import NetworkAcls, Subnets
from opskit.facts.vpc_scope import Peerings
from opskit.reachability.path import (
    Checkpoint,
    CheckpointKind,
    Network,
    Path,
    PathEndpoint,
    PathOutcome,
    Reason,
    UnknownBecause,
    trace,
)
from tests import builders as b

SUBNETS: Subnets = b.linkbox()[Subnets].value  # type: ignore[union-attr]
CLIENT_PORTS = (32768, 60999)
LOCAL = ("10.0.0.0/16", "local")
IN, OUT = b.entry(100, "in", "0.0.0.0/0", None), b.entry(100, "out", "0.0.0.0/0", None)


def end(name: str, address: str, *groups: str) -> PathEndpoint:
    return PathEndpoint(name, address, SUBNETS.of_address(address), groups)


APP = end("app", "10.0.2.45", "sg-web")
DATABASE = end("database", "10.0.5.10", "sg-db")
PEERED = end("database", "10.1.5.10", "sg-db")


def network(**changes: Any) -> Network:
    usual = {
        "groups": b.groups((b.rule(5432, "sg-web"),)),
        "acls": b.acls(),
        "tables": b.tables(),
        "peerings": Peerings(()),
    }
    return Network(**{**usual, **changes})


def traced(
    source: PathEndpoint = APP,
    destination: PathEndpoint = DATABASE,
    ports: tuple[int, int] = CLIENT_PORTS,
    **changes: Any,
) -> Path:
    return trace(network(**changes), source, destination, 5432, ports)


def at(path: Path, kind: CheckpointKind) -> Checkpoint:
    [checkpoint] = [c for c in path.checkpoints if c.kind is kind]
    return checkpoint


def test_a_healthy_path_passes_every_checkpoint_in_the_order_of_travel() -> None:
    path = traced()
    assert [c.kind for c in path.checkpoints] == list(CheckpointKind)
    assert path.outcome is PathOutcome.PASS
    assert (path.broken, path.open_ports) == ((), (CLIENT_PORTS,))
    assert path.line.startswith("app -> web-sg egress ok -> app-acl out ok -> ")
    assert path.line.endswith(" -> database:5432")


def test_within_a_subnet_only_groups_decide() -> None:
    beside = end("database", "10.0.2.99", "sg-db")
    path = traced(destination=beside, acls=None, tables=None)
    assert [c.kind for c in path.checkpoints] == [CheckpointKind.EGRESS, CheckpointKind.INGRESS]
    assert path.outcome is PathOutcome.PASS


def test_an_end_outside_of_the_vpc_is_judged_by_addresses_alone() -> None:
    outside = PathEndpoint("office", "198.51.100.7", None, ("sg-web",))
    path = traced(source=outside)
    assert at(path, CheckpointKind.INGRESS).reason is Reason.OTHER_GROUP
    kinds = {c.kind for c in path.checkpoints}
    assert not kinds & {CheckpointKind.EGRESS, CheckpointKind.ACL_OUT, CheckpointKind.ROUTE}
    by_address = b.groups((b.rule(5432, cidrs=("198.51.100.0/24",)),))
    assert at(traced(source=outside, groups=by_address), CheckpointKind.INGRESS).reason is None


class TestGroups:
    def test_the_line_ends_at_the_first_broken_link(self) -> None:
        path = traced(groups=b.groups((), egress=()))
        assert [c.kind for c in path.broken] == [CheckpointKind.EGRESS, CheckpointKind.INGRESS]
        assert path.line.startswith("app x web-sg egress: no rule lets out to database-sg (sg-db)")
        assert path.outcome is PathOutcome.DROP

    def test_a_rule_is_named_by_its_id_where_it_was_read(self) -> None:
        ids = RuleIds({("sg-db", False, "tcp", 5432, 5432, "sg-web"): "sgr-1"})
        named, unnamed = traced(rule_ids=ids), traced()
        assert at(named, CheckpointKind.INGRESS).decided_by.startswith("rule sgr-1 of database-sg")
        assert at(unnamed, CheckpointKind.INGRESS).decided_by.startswith("a rule of database-sg")

    def test_a_group_that_was_not_read_may_admit(self) -> None:
        both = replace(DATABASE, group_ids=("sg-db", "sg-foreign"))
        checkpoint = at(traced(destination=both, groups=b.groups(())), CheckpointKind.INGRESS)
        assert checkpoint.outcome is PathOutcome.UNKNOWN
        assert checkpoint.unknown_because is UnknownBecause.NOT_READ
        assert "sg-foreign" in checkpoint.decided_by

    def test_it_does_not_matter_where_another_group_admits(self) -> None:
        both = replace(DATABASE, group_ids=("sg-foreign", "sg-db"))
        assert traced(destination=both).outcome is PathOutcome.PASS

    @pytest.mark.parametrize(
        ("status", "outcome"), [("active", PathOutcome.PASS), ("deleted", PathOutcome.UNKNOWN)]
    )
    def test_references_apply_over_an_active_peering(
        self, status: str, outcome: PathOutcome
    ) -> None:
        peerings = Peerings((replace(b.PEERING, status=status),))
        checkpoint = at(traced(destination=PEERED, peerings=peerings), CheckpointKind.INGRESS)
        assert checkpoint.outcome is outcome
        if outcome is PathOutcome.UNKNOWN:
            assert checkpoint.unknown_because is UnknownBecause.NOT_MODELLED
            assert "the reference to sg-web" in checkpoint.decided_by

    def test_no_group_at_an_end_is_no_checkpoint(self) -> None:
        bare = replace(APP, group_ids=())
        kinds = [c.kind for c in traced(source=bare).checkpoints]
        assert CheckpointKind.EGRESS not in kinds


class TestAcls:
    def test_each_direction_asks_another_acl_and_other_ports(self) -> None:
        closed = b.acl("db", ("subnet-db-a", "subnet-db-b"), IN)
        path = traced(acls=b.acls(db=closed))
        assert [c.kind for c in path.broken] == [CheckpointKind.REPLY_ACL_OUT]
        assert path.broken[0].reason is Reason.NO_ENTRY
        assert path.broken[0].ids == ("acl-db",)

    def test_a_deny_is_told_from_no_entry(self) -> None:
        deny = b.entry(50, "in", "10.0.2.0/24", (5432, 5432), "deny")
        path = traced(acls=b.acls(db=b.acl("db", ("subnet-db-a",), deny, IN, OUT)))
        assert path.broken[0].reason is Reason.DENY_ENTRY
        assert path.broken[0].decided_by == "port 5432: entry 50 denies it"

    def test_replies_to_some_ports_only(self) -> None:
        narrow = b.acl("db", ("subnet-db-a",), IN, b.entry(90, "out", "0.0.0.0/0", (1024, 40000)))
        path = traced(acls=b.acls(db=narrow))
        assert path.outcome is PathOutcome.PART
        assert path.open_ports == ((32768, 40000),)
        assert path.broken[0].reason is Reason.NARROW_REPLY
        assert "db-acl out: ports 40001-60999: no entry allows it" in path.line

    def test_two_narrow_acls_without_a_common_port_drop_everything(self) -> None:
        db = b.acl("db", ("subnet-db-a",), IN, b.entry(90, "out", "0.0.0.0/0", (1024, 40000)))
        app = b.acl("app", ("subnet-app",), OUT, b.entry(90, "in", "0.0.0.0/0", (50000, 65535)))
        path = traced(acls=b.acls(app, db))
        assert [c.outcome for c in path.broken] == [PathOutcome.PART, PathOutcome.PART]
        assert path.open_ports == ()
        assert path.outcome is PathOutcome.DROP

    @pytest.mark.parametrize("acls", [None, NetworkAcls(())])
    def test_an_unread_acl_is_unknown(self, acls: NetworkAcls | None) -> None:
        path = traced(acls=acls)
        assert path.outcome is PathOutcome.UNKNOWN
        checkpoint = at(path, CheckpointKind.ACL_OUT)
        assert checkpoint.unknown_because is UnknownBecause.NOT_READ
        assert " ? -> " in path.line


class TestRoutes:
    def test_both_directions_need_one(self) -> None:
        there = b.table("app", LOCAL, ("10.1.0.0/16", "pcx-1"), subnets=("subnet-app",))
        peerings = Peerings((b.PEERING,))
        path = traced(destination=PEERED, peerings=peerings, tables=b.tables(there))
        assert [c.kind for c in path.broken] == [CheckpointKind.REPLY_ROUTE]
        assert path.broken[0].reason is Reason.NO_ROUTE
        assert "no route to 10.0.2.45" in path.broken[0].decided_by

    def test_a_subnet_of_the_main_table_where_one_other_table_leads_there(self) -> None:
        there = b.table("app", LOCAL, ("10.1.0.0/16", "pcx-1"))
        peerings = Peerings((b.PEERING,))
        path = traced(destination=PEERED, peerings=peerings, tables=b.tables(there))
        checkpoint = at(path, CheckpointKind.ROUTE)
        assert checkpoint.reason is Reason.MAIN_TABLE
        assert checkpoint.ids == ("rtb-main", "rtb-app", "subnet-app")
        two = b.tables(there, replace(there, table_id="rtb-app-2"))
        path = traced(destination=PEERED, peerings=peerings, tables=two)
        assert at(path, CheckpointKind.ROUTE).reason is Reason.NO_ROUTE, "which one was meant?"

    def test_a_black_hole(self) -> None:
        hole = b.table("app", LOCAL, ("10.0.5.0/24", "eni-gone"), subnets=("subnet-app",))
        assert at(traced(tables=b.tables(hole)), CheckpointKind.ROUTE).reason is Reason.BLACKHOLE

    def test_what_is_not_modelled_is_unknown(self) -> None:
        over = b.table("app", LOCAL, ("10.0.5.0/24", "tgw-1"), subnets=("subnet-app",))
        checkpoint = at(traced(tables=b.tables(over)), CheckpointKind.ROUTE)
        assert checkpoint.unknown_because is UnknownBecause.NOT_MODELLED
        assert checkpoint.route is not None
        assert checkpoint.route.route is not None
        assert checkpoint.route.route.target == "tgw-1"

    @pytest.mark.parametrize("tables", [None, RouteTables(())])
    def test_an_unread_table_is_unknown(self, tables: RouteTables | None) -> None:
        checkpoint = at(traced(tables=tables), CheckpointKind.ROUTE)
        assert checkpoint.unknown_because is UnknownBecause.NOT_READ


def test_a_location_is_short_where_it_has_a_name() -> None:
    made = Checkpoint(CheckpointKind.ACL_IN, "db-acl (acl-0a1b) in", PathOutcome.PASS, "")
    assert made.short == "db-acl in"
    assert replace(made, location="acl-0a1b in").short == "acl-0a1b in"


def test_unknown_does_not_hide_what_drops() -> None:
    path = traced(groups=SecurityGroups(b.groups(()).by_id), acls=None)
    assert path.outcome is PathOutcome.DROP
