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
from opskit.reachability.network_acl import PortRangeDecision
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
        assert checkpoint.decided_by == (
            "route 10.0.5.0/24 -> tgw-1 (transit gateway) is not modelled"
        )

    @pytest.mark.parametrize("tables", [None, RouteTables(())])
    def test_an_unread_table_is_unknown(self, tables: RouteTables | None) -> None:
        checkpoint = at(traced(tables=tables), CheckpointKind.ROUTE)
        assert checkpoint.unknown_because is UnknownBecause.NOT_READ


def test_a_location_is_short_where_it_has_a_name() -> None:
    made = Checkpoint(CheckpointKind.ACL_IN, "db-acl (acl-0a1b) in", PathOutcome.PASS, "")
    assert made.short == "db-acl in"
    assert replace(made, location="acl-0a1b in").short == "acl-0a1b in"


class TestCheckpoint:
    """Everything that a check and a fix read of a checkpoint."""

    def test_groups(self) -> None:
        path = traced()
        assert at(path, CheckpointKind.EGRESS) == Checkpoint(
            CheckpointKind.EGRESS, "web-sg (sg-web) egress", PathOutcome.PASS,
            "a rule of web-sg allows everything 0.0.0.0/0", ids=("sg-web",),
        )  # fmt: skip
        assert at(path, CheckpointKind.INGRESS) == Checkpoint(
            CheckpointKind.INGRESS, "database-sg (sg-db) ingress", PathOutcome.PASS,
            "a rule of database-sg allows tcp 5432 web-sg (sg-web)", ids=("sg-db",),
        )  # fmt: skip

    def test_groups_that_admit_nothing(self) -> None:
        two = replace(APP, group_ids=("sg-web", "sg-alb"))
        path = traced(source=two, groups=b.groups((), egress=()))
        assert at(path, CheckpointKind.INGRESS) == Checkpoint(
            CheckpointKind.INGRESS, "database-sg (sg-db) ingress", PathOutcome.DROP,
            "no rule admits web-sg (sg-web), alb-public-sg (sg-alb) (10.0.2.45) on 5432",
            Reason.NO_RULE, ids=("sg-db",),
        )  # fmt: skip
        bare = traced(source=replace(APP, group_ids=()), groups=b.groups(()))
        assert at(bare, CheckpointKind.INGRESS).decided_by == (
            "no rule admits 10.0.2.45 (10.0.2.45) on 5432"
        )
        closed = traced(groups=b.groups((), egress=()))
        assert at(closed, CheckpointKind.EGRESS) == Checkpoint(
            CheckpointKind.EGRESS, "web-sg (sg-web) egress", PathOutcome.DROP,
            "no rule lets out to database-sg (sg-db) (10.0.5.10) on 5432", Reason.EGRESS,
            ids=("sg-web",),
        )  # fmt: skip

    def test_an_egress_rule_is_named_by_its_own_id(self) -> None:
        ids = RuleIds({("sg-web", True, "-1", None, None, "0.0.0.0/0"): "sgr-out"})
        checkpoint = at(traced(rule_ids=ids), CheckpointKind.EGRESS)
        assert checkpoint.decided_by == "rule sgr-out of web-sg allows everything 0.0.0.0/0"

    def test_unread_groups_and_references_are_named_together(self) -> None:
        both = replace(PEERED, group_ids=("sg-db", "sg-foreign"))
        checkpoint = at(traced(destination=both, peerings=None), CheckpointKind.INGRESS)
        assert checkpoint == Checkpoint(
            CheckpointKind.INGRESS, "database-sg (sg-db), sg-foreign ingress", PathOutcome.UNKNOWN,
            "depends on the reference to sg-web, sg-foreign, which is not known", Reason.NOT_KNOWN,
            unknown_because=UnknownBecause.NOT_MODELLED,
        )  # fmt: skip

    def test_acls(self) -> None:
        two = b.acl("db", ("subnet-db-a",), IN, b.entry(90, "out", "0.0.0.0/0", (1024, 40000)), OUT)
        path = traced(acls=b.acls(db=two))
        assert at(path, CheckpointKind.ACL_IN) == Checkpoint(
            CheckpointKind.ACL_IN, "db-acl (acl-db) in", PathOutcome.PASS,
            "port 5432: entry 100 allows it", ids=("acl-db",),
        )  # fmt: skip
        assert at(path, CheckpointKind.REPLY_ACL_OUT) == Checkpoint(
            CheckpointKind.REPLY_ACL_OUT, "db-acl (acl-db) out", PathOutcome.PASS,
            "ports 32768-60999: entry 90 allows it, entry 100 allows it", ids=("acl-db",),
        )  # fmt: skip

    def test_an_acl_that_drops(self) -> None:
        entries = [b.entry(n, "in", "0.0.0.0/0", (n, n), "deny") for n in (5431, 5432)]
        acls = b.acls(db=b.acl("db", ("subnet-db-a",), *entries, OUT))
        path = traced(acls=acls, ports=(1024, 65535))
        [checkpoint] = path.broken
        assert checkpoint == Checkpoint(
            CheckpointKind.ACL_IN, "db-acl (acl-db) in", PathOutcome.DROP,
            "port 5432: entry 5432 denies it", Reason.DENY_ENTRY,
            (PortRangeDecision((5432, 5432), entries[1]),), ("acl-db",),
        )  # fmt: skip
        assert path.open_ports == ((1024, 65535),), "replies come back to every port"

    def test_three_dropped_ranges_are_named(self) -> None:
        starts = (33000, 35000, 37000, 39000)
        entries = [
            b.entry(n, "out", "0.0.0.0/0", (start, start + 999), "deny")
            for n, start in enumerate(starts, 1)
        ]
        path = traced(acls=b.acls(db=b.acl("db", ("subnet-db-a",), *entries, IN, OUT)))
        [checkpoint] = path.broken
        assert checkpoint.decided_by == (
            "ports 33000-33999: entry 1 denies it; ports 35000-35999: entry 2 denies it; "
            "ports 37000-37999: entry 3 denies it"
        )
        assert [d.ports for d in checkpoint.dropped] == [(s, s + 999) for s in starts]
        assert checkpoint.ids == ("acl-db",)
        assert len(path.open_ports) == 5

    def test_unread_acls_and_tables(self) -> None:
        path = traced(acls=None, tables=None)
        assert at(path, CheckpointKind.ACL_OUT) == Checkpoint(
            CheckpointKind.ACL_OUT, "ACL of app-a (subnet-app) out", PathOutcome.UNKNOWN,
            "the ACL of app-a (subnet-app) could not be read", Reason.NOT_KNOWN,
            unknown_because=UnknownBecause.NOT_READ,
        )  # fmt: skip
        assert at(path, CheckpointKind.ACL_IN).location == "ACL of db-a (subnet-db-a) in"
        assert at(path, CheckpointKind.ROUTE) == Checkpoint(
            CheckpointKind.ROUTE, "route of app-a (subnet-app)", PathOutcome.UNKNOWN,
            "the route table of app-a (subnet-app) could not be read", Reason.NOT_KNOWN,
            unknown_because=UnknownBecause.NOT_READ,
        )  # fmt: skip

    def test_routes(self) -> None:
        checkpoint = at(traced(), CheckpointKind.ROUTE)
        assert checkpoint.route is not None
        assert checkpoint == Checkpoint(
            CheckpointKind.ROUTE, "main (rtb-main) route", PathOutcome.PASS,
            "route 10.0.0.0/16 -> local", ids=("rtb-main",), route=checkpoint.route,
        )  # fmt: skip
        hole = b.table("app", LOCAL, ("10.0.5.0/24", "eni-gone"), subnets=("subnet-app",))
        checkpoint = at(traced(tables=b.tables(hole)), CheckpointKind.ROUTE)
        assert checkpoint.route is not None
        assert checkpoint == Checkpoint(
            CheckpointKind.ROUTE, "app (rtb-app) route", PathOutcome.DROP,
            "route 10.0.5.0/24 -> eni-gone is a black hole", Reason.BLACKHOLE, ids=("rtb-app",),
            route=checkpoint.route,
        )  # fmt: skip

    def test_the_main_table_s_route_is_told_with_the_table_that_leads_there(self) -> None:
        there = b.table("app", LOCAL, ("10.1.0.0/16", "pcx-1"))
        path = traced(destination=PEERED, peerings=Peerings((b.PEERING,)), tables=b.tables(there))
        checkpoint = at(path, CheckpointKind.ROUTE)
        assert checkpoint.decided_by == (
            "no route to 10.1.5.10; app-a (subnet-app) has no table of its own, app (rtb-app) "
            "leads there"
        )
        assert checkpoint.route is not None
        assert checkpoint.outcome is PathOutcome.DROP
        foreign = b.tables(replace(there, vpc_id="vpc-3"))
        path = traced(destination=PEERED, peerings=Peerings((b.PEERING,)), tables=foreign)
        assert at(path, CheckpointKind.ROUTE).reason is Reason.NO_ROUTE, "of another VPC"


def test_an_end_outside_has_no_route_to_it() -> None:
    outside = PathEndpoint("office", "198.51.100.7", None, ())
    kinds = [c.kind for c in traced(destination=outside).checkpoints]
    assert kinds == [CheckpointKind.EGRESS, CheckpointKind.ACL_OUT, CheckpointKind.REPLY_ACL_IN]


def test_unknown_does_not_hide_what_drops() -> None:
    path = traced(groups=SecurityGroups(b.groups(()).by_id), acls=None)
    assert path.outcome is PathOutcome.DROP
