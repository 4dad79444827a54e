"""The sandbox's own policy evaluator. Sources: IAM User Guide, evaluation logic; KMS Developer Guide."""

from __future__ import annotations

from typing import Any

import pytest

from opskit.sandbox.aws.iam_evaluator import (
    AccessDecision,
    KeyRequest,
    ceilings,
    decide,
    decide_with_key,
)
from tests.policy.cases import ACCOUNT, CASES, ROLE, SESSION, Case

ARN = "arn:aws:ssm:us-east-1:123456789012:parameter/linkbox/db-password"


def policy(effect: str = "Allow", **more: Any) -> dict[str, Any]:
    statement = {"Effect": effect, "Action": "ssm:GetParameter", "Resource": ARN, **more}
    return {"Statement": [statement]}


@pytest.mark.parametrize(
    ("policies", "boundary", "word"),
    [
        ([policy()], None, "allowed"),
        ([], None, "implicitDeny"),
        ([policy(Action="SSM:getparameter*")], None, "allowed"),
        ([policy(Action="ssm:GetParameters")], None, "implicitDeny"),
        ([policy(Resource=ARN.replace("parameter/", "parameter//"))], None, "implicitDeny"),
        ([policy(Resource="arn:aws:ssm:*:*:parameter/linkbox/*")], None, "allowed"),
        ([policy(Resource="arn:aws:ssm:eu-west-1:*:parameter/*")], None, "implicitDeny"),
        ([policy(), policy("Deny", Action="ssm:*", Resource="*")], None, "explicitDeny"),
        ([policy()], policy(Action="s3:*", Resource="*"), "implicitDeny"),
        ([policy()], policy("Deny"), "explicitDeny"),
        (
            [policy(Condition={"StringEquals": {"aws:RequestedRegion": "us-east-1"}})],
            None,
            "allowed",
        ),
        (
            [policy(Condition={"StringEquals": {"aws:RequestedRegion": "eu-west-1"}})],
            None,
            "implicitDeny",
        ),
        ([policy(Condition={"StringNotEquals": {"aws:none": "x"}})], None, "allowed"),
        ([policy(Condition={"StringEquals": {"aws:none": "x"}})], None, "implicitDeny"),
        ([policy(Condition={"StringEqualsIfExists": {"aws:none": "x"}})], None, "allowed"),
        ([policy(Condition={"Null": {"aws:none": "true"}})], None, "allowed"),
    ],
)
def test_identity_policies(policies: list[Any], boundary: Any, word: str) -> None:
    context = {"aws:RequestedRegion": "us-east-1"}
    assert decide(policies, boundary, "ssm:GetParameter", ARN, context).decision == word


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_documented_outcome(case: Case) -> None:
    """The same table that opskit's own engine is measured by; what depends is tried both ways."""
    values = ("vpce-1", "v", "linkbox", None)
    words = {decided(case, {key: v}) for key in case.unknown for v in values}
    if case.expected == "depends":
        assert {"allowed"} < words
    elif case.expected == "implicitDeny" and words:
        assert words <= {"implicitDeny", "explicitDeny"}
    else:
        assert (words or {decided(case, {})}) == {case.expected}, case.page


def decided(case: Case, more: dict[str, Any]) -> str:
    """The evaluator's word, with some of the unknown keys given."""
    given = {
        "aws:PrincipalArn": ROLE, "aws:PrincipalAccount": ACCOUNT, "aws:PrincipalType": "AssumedRole",
    }  # fmt: skip
    context = given | case.context | {k: v for k, v in more.items() if v is not None}
    asked = (case.action, case.resource, context)
    own = decide(case.identity, case.boundary, *asked, scps=case.scps)
    if case.key_policy is None:
        return own.decision
    ceiling = ceilings(case.boundary, *asked, scps=case.scps)
    ask = KeyRequest(own, ceiling, ROLE, SESSION, ACCOUNT, *asked, case.boundary is not None)
    return decide_with_key(ask, case.key_policy, case.grants).decision


def test_messages_name_the_policy_type() -> None:
    read = "ssm:GetParameter"
    assert AccessDecision("explicitDeny", "service control policy").reason(read) == (
        "with an explicit deny in a service control policy"
    )
    assert AccessDecision("implicitDeny", "permissions boundary").reason(read) == (
        "because no permissions boundary allows the ssm:GetParameter action"
    )
