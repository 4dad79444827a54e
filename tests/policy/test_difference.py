"""The requests on which two versions of policies are compared, and which of them a change wanted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.policy.difference import MOST_PAIRS, WantedAccess, neighbours, refused, universe
from opskit.policy.document import parse
from opskit.policy.evaluate import Policies
from opskit.policy.request import Context, Principal, Request
from tests.policy.cases import ACCOUNT, BASE, DECRYPT, KEY, PASSWORD, READ, ROLE, SESSION

VIA = {"kms:ViaService": "ssm.us-east-1.amazonaws.com"}
CALLER = Principal(ROLE, ACCOUNT, SESSION)
CONTEXT = Context({"kms:viaservice": (VIA["kms:ViaService"],)}, others_unknown=True)
CALL = Request(CALLER, DECRYPT, KEY, CONTEXT)
DECRYPTING = WantedAccess((DECRYPT,), (KEY,), VIA, (CALL,))
READING = WantedAccess(
    (READ,), (PASSWORD,), requests=(Request(CALLER, READ, PASSWORD, Context(others_unknown=True)),)
)
PLACE = f"arn:aws:ssm:us-east-1:{ACCOUNT}"


def policies(*statements: dict[str, Any], kind: str = "identity") -> Policies:
    document = parse({"Version": "2012-10-17", "Statement": list(statements)}, kind=kind, name="p")
    return Policies(key=document) if kind == "key" else Policies(identity=(document,))


def statement(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def requests(before: Policies, after: Policies, *wanted: WantedAccess) -> list[Request]:
    return list(universe(before, after, wanted or (READING,)))


class TestCovers:
    def test_the_wanted_call_itself(self) -> None:
        assert DECRYPTING.covers(CALL)
        assert not WantedAccess((DECRYPT,), (KEY,), VIA).covers(CALL), "of no known caller"

    @pytest.mark.parametrize(
        "change",
        [
            {"action": "kms:Encrypt"},
            {"resource": KEY + "x"},
            {"principal": Principal(ROLE + "x", ACCOUNT)},
            {"context": Context()},
            {"context": Context({"kms:viaservice": ("rds.us-east-1.amazonaws.com",)})},
        ],
    )
    def test_a_call_that_differs_in_one_thing_is_another(self, change: dict[str, Any]) -> None:
        assert not DECRYPTING.covers(replace(CALL, **change))

    def test_a_star_is_a_wildcard_only_where_it_is_meant_so(self) -> None:
        call = Request(CALLER, READ, f"{BASE}/x", Context())
        plain = WantedAccess((READ,), (f"{BASE}/*",), requests=(call,))
        listing = replace(plain, has_wildcards=True)
        assert listing.covers(call)
        assert not plain.covers(call)
        assert plain.covers(replace(call, resource=f"{BASE}/*"))
        assert not listing.covers(replace(call, resource=f"{BASE}-other/x"))


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        (
            PASSWORD,
            [
                f"{BASE}/opskit-other",
                f"{PASSWORD}/opskit-other",
                f"{PASSWORD}-opskit-other",
                BASE,
                f"{BASE}-opskit-other/x",
                f"{PLACE}:parameter/x",
                f"{PLACE}:parameter/opskit-other/x",
                f"arn:aws:ssm:opskit-other:{ACCOUNT}:parameter/linkbox/db-password",
                "arn:aws:ssm:us-east-1:opskit-other:parameter/linkbox/db-password",
            ],
        ),
        (
            "arn:aws:logs:us-east-1:1:log-group:app",
            [
                "arn:aws:logs:us-east-1:1:/opskit-other",
                "arn:aws:logs:us-east-1:1:log-group:app/opskit-other",
                "arn:aws:logs:us-east-1:1:log-group:app-opskit-other",
                "arn:aws:logs:us-east-1:1:-opskit-other/x",
                "arn:aws:logs:us-east-1:1:parameter/x",
                "arn:aws:logs:us-east-1:1:parameter/opskit-other/x",
                "arn:aws:logs:opskit-other:1:log-group:app",
                "arn:aws:logs:us-east-1:opskit-other:log-group:app",
            ],
        ),
        ("*", ["opskit-other"]),
    ],
)
def test_the_neighbours_of_an_arn(arn: str, expected: list[str]) -> None:
    assert neighbours(arn) == expected


class TestUniverse:
    def test_names_of_both_versions_are_asked_for(self) -> None:
        before = policies(statement("s3:Get?bject", "arn:aws:s3:::a/*"), statement("sqs:Old", "q"))
        after = policies(
            statement("s3:Get?bject", "arn:aws:s3:::a/*"),
            statement("glue:*", ["arn:aws:glue:${aws:username}:t", "u?"]),
        )
        pairs = {(r.action, r.resource) for r in requests(before, after)}
        actions, resources = {a for a, _ in pairs}, {r for _, r in pairs}
        assert {READ, "s3:Getxbject", "sqs:Old", "glue:x"} <= actions
        assert {PASSWORD, "arn:aws:s3:::a/x", "q", "arn:aws:glue:x:t", "ux"} <= resources
        assert {*neighbours(PASSWORD)} <= resources
        assert (READ, PASSWORD) in pairs

    def test_a_pattern_is_expanded_where_its_actions_are_known(self) -> None:
        asked = {r.action for r in requests(policies(), policies(statement("SSM:getparameter*")))}
        assert {"ssm:GetParameterHistory", "ssm:GetParametersByPath"} <= asked
        assert not any("getparameter" in action for action in asked), "none is compared twice"

    def test_everything_about_a_call_is_known(self) -> None:
        asked = requests(policies(), policies(statement(READ)), READING, DECRYPTING)
        assert {r.principal for r in asked} == {CALLER}
        assert not any(r.context.others_unknown or r.context.unknown for r in asked)

    def test_the_first_pairs_are_compared_where_there_are_too_many(self) -> None:
        many = [f"x:A{n}" for n in range(60)]
        after = policies(statement(many, [f"r{n}" for n in range(60)]))
        pairs = list(dict.fromkeys((r.action, r.resource) for r in requests(policies(), after)))
        assert pairs[:4] == [
            (READ, PASSWORD), (READ, f"{BASE}/opskit-other"), ("x:A0", PASSWORD),
            (READ, f"{PASSWORD}/opskit-other"),
        ]  # fmt: skip
        assert len(pairs) == MOST_PAIRS
        assert ("x:A10", "r0") in pairs
        assert ("x:A59", "r59") not in pairs

    def test_each_condition_key_is_absent_and_has_other_values(self) -> None:
        condition = {
            "StringEquals": {"KMS:ViaService": ["a.*", "b", "c", "d"]},
            "StringLike": {"kms:viaservice": "b", "aws:SourceVpce": "v?"},
        }
        after = policies(statement(DECRYPT, KEY, Condition=condition))
        asked = [
            r for r in requests(policies(), after, DECRYPTING)
            if (r.action, r.resource) == (DECRYPT, KEY)
        ]  # fmt: skip
        vias = {r.context.values.get("kms:viaservice") for r in asked}
        assert vias == {
            None, (VIA["kms:ViaService"],), ("opskit-other",), ("a.x",), ("b",), ("c",),
        }  # fmt: skip
        vpces = {r.context.values.get("aws:sourcevpce") for r in asked}
        assert vpces == {None, ("opskit-other",), ("vx",)}
        assert all(
            "kms:viaservice" in r.context.values for r in asked if "aws:sourcevpce" in r.context.values
        ), "one key at a time"  # fmt: skip

    def test_a_key_policy_is_compared_for_other_callers_and_for_the_key_alone(self) -> None:
        own = statement(DECRYPT, "*", Principal={"AWS": ROLE})
        asked = requests(policies(kind="key"), policies(own, kind="key"), DECRYPTING)
        assert {r.resource for r in asked} == {KEY}
        callers = {(r.principal.arn, r.principal.account) for r in asked if r.action == DECRYPT}
        assert callers == {
            (ROLE, ACCOUNT),
            (f"arn:aws:iam::{ACCOUNT}:role/opskit-other", ACCOUNT),
            (f"arn:aws:iam::{ACCOUNT}:user/opskit-other", ACCOUNT),
            ("arn:aws:iam::999999999999:role/opskit-other", "999999999999"),
        }
        of_others = [r for r in asked if r.principal.arn != ROLE]
        assert {"kms:Encrypt", "kms:DescribeKey"} <= {r.action for r in of_others}

    def test_an_identity_policy_is_compared_for_its_own_caller(self) -> None:
        asked = requests(policies(), policies(statement(DECRYPT, KEY)), DECRYPTING)
        assert {r.principal for r in asked} == {CALLER}

    def test_without_a_known_call_there_is_nothing_to_compare(self) -> None:
        assert requests(policies(), policies(statement("*")), replace(READING, requests=())) == []


def test_a_call_that_may_be_denied_is_not_granted() -> None:
    unknown = {"StringEquals": {"aws:SourceVpce": "v"}}
    after = policies(statement(READ, PASSWORD, Condition=unknown))
    assert refused(after, [READING]) == list(READING.requests)
    assert refused(policies(statement(READ, PASSWORD)), [READING]) == []
