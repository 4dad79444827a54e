"""Route tables as the Amazon VPC User Guide describes them: the longest prefix, then the static route."""

from __future__ import annotations

from dataclasses import replace

import pytest

from opskit.facts.routes import Route, RouteTable, RouteTables
from opskit.facts.vpc_scope import Peerings
from opskit.reachability.route import RouteDecision, RouteResult, decide, kind_of, ranges_of, select
from tests import builders as b

LOCAL = Route("10.0.0.0/16", "local", "active", False)
PEER = "10.1.5.10"
ACTIVE = Peerings((b.PEERING,))


def table(*routes: Route) -> RouteTable:
    return replace(b.table("app"), routes=routes)


def to(target: str, destination: str = "10.1.0.0/16", state: str = "active") -> Route:
    return Route(destination, target, state, False)


def decided(
    *routes: Route,
    address: str = PEER,
    to_vpc: str = "vpc-2",
    peerings: Peerings | None = ACTIVE,
    **lists: tuple[str, ...],
) -> RouteDecision:
    named = {name.replace("_", "-"): ranges for name, ranges in lists.items()}
    return decide(
        table(*routes), address, from_vpc="vpc-1", to_vpc=to_vpc, peerings=peerings, lists=named
    )


class TestSelect:
    def test_the_longest_prefix_wins_in_any_order(self) -> None:
        wide, narrow = to("pcx-1", "10.0.0.0/8"), to("tgw-1", "10.1.5.0/24")
        assert select(table(wide, narrow), PEER, {}) is narrow
        assert select(table(narrow, wide), PEER, {}) is narrow

    def test_of_equal_prefixes_the_static_one_wins(self) -> None:
        static = to("pcx-1")
        propagated = replace(static, target="vgw-1", is_propagated=True)
        assert select(table(propagated, static), PEER, {}) is static
        assert select(table(static, propagated), PEER, {}) is static

    def test_a_propagated_route_wins_by_a_longer_prefix(self) -> None:
        propagated = replace(to("vgw-1", "10.1.5.0/24"), is_propagated=True)
        assert select(table(to("pcx-1"), propagated), PEER, {}) is propagated

    def test_a_black_hole_is_selected_and_a_filtered_route_is_not(self) -> None:
        wide = to("pcx-1", "10.0.0.0/8")
        hole = to("pcx-2", "10.1.5.0/24", "blackhole")
        assert select(table(wide, hole), PEER, {}) is hole
        assert select(table(wide, replace(hole, state="filtered")), PEER, {}) is wide

    def test_each_range_of_a_prefix_list_counts(self) -> None:
        listed, default = to("tgw-1", "pl-1"), to("igw-1", "0.0.0.0/0")
        ranges = {"pl-1": ("192.168.0.0/16", "10.1.0.0/16")}
        assert select(table(default, listed), PEER, ranges) is listed
        assert select(table(default, listed), "10.2.0.1", ranges) is default

    def test_the_other_version_of_ip_has_routes_of_its_own(self) -> None:
        six = to("igw-1", "::/0")
        assert select(table(LOCAL, six), "2001:db8::1", {}) is six
        assert select(table(six), PEER, {}) is None

    def test_a_route_without_a_destination_that_is_known_matches_nothing(self) -> None:
        assert select(table(to("igw-1", "")), PEER, {}) is None


class TestDecide:
    @pytest.mark.parametrize(
        ("target", "expected"),
        [
            ("pcx-1", RouteResult.ARRIVES),
            ("pcx-2", RouteResult.BLACKHOLE),
            ("local", RouteResult.WRONG_TARGET),
            ("igw-1", RouteResult.WRONG_TARGET),
            ("eigw-1", RouteResult.WRONG_TARGET),
            ("tgw-1", RouteResult.NOT_MODELLED),
            ("nat-1", RouteResult.NOT_MODELLED),
            ("eni-1", RouteResult.NOT_MODELLED),
            ("vgw-1", RouteResult.NOT_MODELLED),
        ],
    )
    def test_by_target(self, target: str, expected: RouteResult) -> None:
        assert decided(LOCAL, to(target)).result is expected

    def test_local_stays_in_its_vpc(self) -> None:
        answer = decided(LOCAL, address="10.0.5.10", to_vpc="vpc-1")
        assert answer == RouteDecision(RouteResult.ARRIVES, LOCAL)

    def test_an_internet_gateway_carries_public_addresses(self) -> None:
        answer = decided(to("igw-1", "0.0.0.0/0"), address="54.1.2.3")
        assert answer.result is RouteResult.NOT_MODELLED

    def test_nothing_matches(self) -> None:
        answer = decided(LOCAL)
        assert answer == RouteDecision(RouteResult.NO_ROUTE, None)
        assert answer.description == "no route to it"

    def test_a_black_hole_is_one_whatever_its_target(self) -> None:
        hole = to("local", state="blackhole")
        assert decided(hole).result is RouteResult.BLACKHOLE
        assert "is a black hole" in decided(to("", state="blackhole")).description
        assert "a deleted target" in decided(to("", state="blackhole")).description

    def test_an_unread_prefix_list_could_hold_the_address(self) -> None:
        unread = to("tgw-1", "pl-1")
        answer = decided(to("pcx-1"), unread)
        assert answer == RouteDecision(RouteResult.NOT_MODELLED, unread)
        assert decided(to("pcx-1"), unread, pl_1=("192.168.0.0/16",)).result is RouteResult.ARRIVES


class TestPeering:
    @pytest.mark.parametrize("status", ["pending-acceptance", "deleted", "failed", "expired", ""])
    def test_only_an_active_one_carries(self, status: str) -> None:
        answer = decided(to("pcx-1"), peerings=Peerings((replace(b.PEERING, status=status),)))
        assert answer.result is RouteResult.BLACKHOLE

    def test_it_is_not_transitive(self) -> None:
        assert decided(to("pcx-1"), to_vpc="vpc-3").result is RouteResult.WRONG_TARGET

    def test_it_was_not_read(self) -> None:
        assert decided(to("pcx-1"), peerings=None).result is RouteResult.NOT_MODELLED


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("tgw-0a1b", "transit gateway"),
        ("i-0a1b", "instance (an appliance)"),
        ("igw-0a1b", "internet gateway"),
        ("vpce-0a1b", "gateway endpoint"),
        ("nat-0a1b", "NAT gateway"),
        ("eni-0a1b", "network interface (an appliance)"),
        ("vgw-0a1b", "virtual private gateway"),
        ("lgw-0a1b", "local gateway"),
        ("cagw-0a1b", "carrier gateway"),
        ("eigw-0a1b", "egress-only internet gateway"),
        ("arn:aws:networkmanager::1:core-network/core-network-1", "core network"),
        ("xyz-1", "xyz-1"),
    ],
)
def test_a_target_is_called_by_its_kind(target: str, kind: str) -> None:
    assert kind_of(target) == kind


@pytest.mark.parametrize(
    ("result", "description"),
    [
        (RouteResult.ARRIVES, "route 10.0.0.0/8 -> tgw-1"),
        (RouteResult.NO_ROUTE, "route 10.0.0.0/8 -> tgw-1"),
        (RouteResult.BLACKHOLE, "route 10.0.0.0/8 -> tgw-1 is a black hole"),
        (RouteResult.WRONG_TARGET, "route 10.0.0.0/8 -> tgw-1 does not lead there"),
        (RouteResult.NOT_MODELLED, "route 10.0.0.0/8 -> tgw-1 (transit gateway) is not modelled"),
    ],
)
def test_a_decision_is_described(result: RouteResult, description: str) -> None:
    route = Route("10.0.0.0/8", "tgw-1", "active", False)
    assert RouteDecision(result, route).description == description


def test_a_prefix_list_that_was_not_read_has_no_ranges() -> None:
    assert ranges_of(Route("pl-1", "tgw-1", "active", False), {}) == ()


def test_a_subnet_has_its_own_table_or_the_main_one_of_its_vpc() -> None:
    own = b.table("own", subnets=("subnet-app",))
    tables = RouteTables(
        (b.table("other", vpc="vpc-2", main=True), b.table("main", main=True), own)
    )
    by_subnet = {s: tables.of_subnet(s, "vpc-1") for s in ("subnet-app", "subnet-db-a")}
    assert [t.name if t else None for t in by_subnet.values()] == ["own", "main"]
    assert tables.of_subnet("subnet-x", "vpc-3") is None
