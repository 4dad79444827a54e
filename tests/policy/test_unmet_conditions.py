"""Statements that would allow a call but for their conditions, and what a fix may make of these."""

from __future__ import annotations

from typing import Any

import pytest

from opskit.policy.document import parse
from opskit.policy.request import Context, Principal, Request
from opskit.policy.unmet_conditions import UnmetCondition, unmet_conditions
from tests.policy.cases import ACCOUNT, BASE, DECRYPT, KEY, PASSWORD, ROLE, SESSION

VIA = "ssm.us-east-1.amazonaws.com"
PAIR = "kms:EncryptionContext:PARAMETER_ARN"
CALL = Request(
    Principal(ROLE, ACCOUNT, SESSION),
    DECRYPT,
    KEY,
    Context(
        {
            "kms:viaservice": (VIA,),
            "kms:encryptioncontext:parameter_arn": (PASSWORD,),
            "aws:calledvia": ("ssm", "rds"),
        },
        unknown=frozenset({"aws:sourcevpce"}),
    ),
)
OTHER_PAIR = {"StringEquals": {PAIR: f"{BASE}/other"}}


def statement(**elements: Any) -> dict[str, Any]:
    usual = {"Effect": "Allow", "Action": DECRYPT, "Resource": KEY, "Condition": OTHER_PAIR}
    return {key: value for key, value in {**usual, **elements}.items() if value is not None}


def unmet(*statements: dict[str, Any], of_key: bool = False) -> list[UnmetCondition]:
    raw = {"Version": "2012-10-17", "Statement": list(statements)}
    return unmet_conditions(CALL, (parse(raw, kind="k", name="own"),), of_key=of_key)


@pytest.mark.parametrize(
    "elements",
    [
        {"Effect": "Deny"},
        {"Action": "kms:Encrypt"},
        {"Resource": f"{KEY}x"},
        {"Condition": None},
        {"Condition": {"StringEquals": {PAIR: PASSWORD}}},
    ],
)
def test_another_statement_is_not_kept_from_applying_by_a_condition(
    elements: dict[str, Any],
) -> None:
    assert unmet(statement(**elements)) == []
    [found] = unmet(statement(**elements), statement(Sid="Mine"))
    assert found.hit.label == "statement Mine of own"


def test_a_resource_that_may_fit_counts() -> None:
    resource = KEY.replace("key/1234", "key/${aws:SourceVpce}")
    assert len(unmet(statement(Resource=resource))) == 1


@pytest.mark.parametrize(
    ("principal", "counts"),
    [
        ({"AWS": ROLE}, True),
        ({"AWS": SESSION}, True),
        ({"AWS": ACCOUNT}, True),
        ("*", True),
        ({"AWS": f"{ROLE}x"}, False),
        ({"Service": "rds.amazonaws.com"}, False),
    ],
)
def test_a_key_policy_has_to_name_the_caller_too(principal: Any, counts: bool) -> None:
    assert bool(unmet(statement(Principal=principal), of_key=True)) is counts
    assert unmet(statement(Principal=principal))


def test_the_sentence_has_each_failing_condition_and_what_the_call_carries() -> None:
    conditions = {
        "StringEquals": {
            PAIR: [f"{BASE}/a", f"{BASE}/b"],
            "aws:SourceVpce": "v",
            "kms:ViaService": VIA,
        },
        "Bool": {"aws:MultiFactorAuthPresent": "true"},
        "ForAllValues:StringEquals": {"aws:CalledVia": "s3"},
    }
    [found] = unmet(statement(Condition=conditions))
    assert found.sentence == (
        "statement 1 of own allows kms:Decrypt only where "
        f"{PAIR} StringEquals {BASE}/a, {BASE}/b (the call carries {PASSWORD}); "
        "aws:SourceVpce StringEquals v (the call may carry it: not known); "
        "aws:MultiFactorAuthPresent Bool true (the call does not carry it); "
        "aws:CalledVia ForAllValues:StringEquals s3 (the call carries ssm, rds)"
    )


@pytest.mark.parametrize(
    ("condition", "is_fitted"),
    [
        (OTHER_PAIR, True),
        ({"stringlike": {PAIR.upper(): "x*"}}, True),
        ({"StringEqualsIgnoreCase": {PAIR: "x"}}, True),
        ({"ArnEquals": {PAIR: "x"}}, True),
        ({"ArnLike": {"kms:ViaService": "ssm.eu-west-1.amazonaws.com"}}, True),
        ({"StringEquals": {"kms:ViaService": ["ssm.a", "ssm.b"]}}, True),
        ({"StringEquals": {"kms:ViaService": ["ssm.a", "rds.b"]}}, False),
        ({"StringEquals": {PAIR: "x", "aws:CalledVia": "s3"}}, False),
        ({"StringNotEquals": {PAIR: PASSWORD}}, False),
        ({"StringEquals": {"kms:EncryptionContext:app": "x"}}, False),
    ],
)
def test_only_conditions_about_the_call_s_own_object_are_fitted(
    condition: dict[str, Any], is_fitted: bool
) -> None:
    [found] = unmet(statement(Condition=condition))
    assert found.is_fitted is is_fitted


@pytest.mark.parametrize(
    ("condition", "fitted"),
    [
        (OTHER_PAIR, {"StringEquals": {PAIR: PASSWORD}}),
        ({"StringLike": {PAIR: "x*"}}, {"StringEquals": {PAIR: PASSWORD}}),
        (
            {"StringEquals": {PAIR: "x", "kms:ViaService": VIA}, "ForAnyValue:StringEquals": {"aws:CalledVia": "rds"}},
            {"StringEquals": {PAIR: PASSWORD, "kms:ViaService": VIA}, "ForAnyValue:StringEquals": {"aws:CalledVia": "rds"}},
        ),
        (
            {"ArnLike": {PAIR: "x"}, "StringLike": {"kms:ViaService": "rds.*"}},
            {"StringEquals": {PAIR: PASSWORD, "kms:ViaService": VIA}},
        ),
    ],
)  # fmt: skip
def test_failing_keys_are_set_to_the_call_s_values_and_others_stay(
    condition: dict[str, Any], fitted: dict[str, Any]
) -> None:
    raw = statement(Condition=condition)
    [found] = unmet(raw)
    assert found.conditions() == fitted
    assert raw["Condition"] == condition, "the policy itself is not changed"
