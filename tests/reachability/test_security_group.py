"""Security groups as the Amazon VPC User Guide describes them: rules are joined, and only allow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.facts.security_groups import IpPermission, SecurityGroup
from opskit.reachability.security_group import GroupDecision, IngressMismatch, evaluate_groups
from tests import builders as b

PEER = "10.0.2.45"


def group(name: str, *rules: IpPermission, egress: tuple[IpPermission, ...] = ()) -> SecurityGroup:
    return SecurityGroup(f"sg-{name}", name, "vpc-1", rules, egress)


def evaluated(*rules: IpPermission, **more: Any) -> GroupDecision:
    asked = {
        "is_egress": False,
        "peer": PEER,
        "peer_groups": ("sg-web",),
        "port": 5432,
        "lists": {"pl-known": ("10.0.2.0/24",)},
    }
    return evaluate_groups([group("db", *rules)], **{**asked, **more})


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        (b.rule(5432, "sg-web"), "sg-web"),
        (b.rule(5432, "sg-other", "sg-web"), "sg-web"),
        (b.rule(5432, cidrs=("10.9.0.0/16", "10.0.2.45/32")), "10.0.2.45/32"),
        (b.rule(5432, lists=("pl-known",)), "pl-known"),
        (b.rule(0, "sg-web", protocol="-1"), "sg-web"),
        (b.rule(5432, "sg-web", protocol="6"), "sg-web"),
        (replace(b.rule(0, "sg-web"), from_port=None, to_port=None), "sg-web"),
        (replace(b.rule(5432, "sg-web"), from_port=5432, to_port=5440), "sg-web"),
        (replace(b.rule(5432, "sg-web"), from_port=0, to_port=5432), "sg-web"),
    ],
)
def test_a_rule_admits(rule: IpPermission, named: str) -> None:
    admitted = evaluated(rule).admitted_by
    assert admitted is not None
    assert (admitted[0].name, admitted[1], admitted[2]) == ("db", rule, named)


@pytest.mark.parametrize(
    ("rules", "mismatch"),
    [
        ((), IngressMismatch.NO_RULE),
        ((b.rule(3306, "sg-other"),), IngressMismatch.NO_RULE),
        ((b.rule(5432, "sg-web", protocol="udp"),), IngressMismatch.NO_RULE),
        ((b.rule(3306, "sg-web"),), IngressMismatch.OTHER_PORT),
        (
            (b.rule(3306, cidrs=("10.0.0.0/8",)), b.rule(5432, "sg-other")),
            IngressMismatch.OTHER_PORT,
        ),
        ((b.rule(5432, "sg-other"),), IngressMismatch.OTHER_GROUP),
        ((b.rule(5432, "sg-other", cidrs=("10.9.0.0/16",)),), IngressMismatch.OTHER_GROUP),
        ((b.rule(5432, cidrs=("10.9.0.0/16",)),), IngressMismatch.OTHER_ADDRESS),
        ((b.rule(5432, cidrs=("::/0",)),), IngressMismatch.OTHER_ADDRESS),
    ],
)
def test_why_no_rule_admits(rules: tuple[IpPermission, ...], mismatch: IngressMismatch) -> None:
    assert evaluated(*rules) == GroupDecision(mismatch=mismatch)


def test_the_rules_of_all_groups_are_joined() -> None:
    groups = [group("a", b.rule(3306, "sg-web")), group("b", b.rule(5432, "sg-web"))]
    answer = evaluate_groups(
        groups, is_egress=False, peer=PEER, peer_groups=("sg-web",), port=5432, lists={}
    )
    assert answer.admitted_by is not None
    assert answer.admitted_by[0].name == "b"


def test_egress_has_rules_of_its_own() -> None:
    own = group("web", b.rule(5432, "sg-db"), egress=(b.rule(443, cidrs=("0.0.0.0/0",)),))
    asked = {"peer": "10.0.5.10", "peer_groups": ("sg-db",), "lists": {}}
    out = evaluate_groups([own], is_egress=True, port=5432, **asked)  # type: ignore[arg-type]
    assert out.mismatch is IngressMismatch.OTHER_PORT
    assert evaluate_groups([own], is_egress=True, port=443, **asked).admitted_by  # type: ignore[arg-type]
    assert evaluate_groups([own], is_egress=False, port=5432, **asked).admitted_by  # type: ignore[arg-type]


class TestUnknown:
    def test_an_unread_prefix_list_leaves_it_open(self) -> None:
        answer = evaluated(b.rule(5432, lists=("pl-2", "pl-1")), b.rule(5432, "sg-other"))
        assert answer == GroupDecision(unread=("pl-1", "pl-2"))

    def test_another_rule_settles_it(self) -> None:
        answer = evaluated(b.rule(5432, lists=("pl-1",)), b.rule(5432, "sg-web"))
        assert answer.admitted_by is not None
        assert answer.unread == ()

    def test_of_another_port_it_does_not_matter(self) -> None:
        answer = evaluated(b.rule(3306, lists=("pl-1",)))
        assert answer == GroupDecision(mismatch=IngressMismatch.NO_RULE)

    def test_a_reference_that_may_not_apply_leaves_it_open(self) -> None:
        answer = evaluated(
            b.rule(5432, "sg-web"), peer_groups=(), doubtful_groups=("sg-web", "sg-more")
        )
        assert answer == GroupDecision(uncertain_references=("sg-web",))

    def test_without_references_only_addresses_count(self) -> None:
        assert (
            evaluated(b.rule(5432, "sg-web"), peer_groups=()).mismatch
            is IngressMismatch.OTHER_GROUP
        )
        assert evaluated(b.rule(5432, cidrs=("10.0.0.0/8",)), peer_groups=()).admitted_by
