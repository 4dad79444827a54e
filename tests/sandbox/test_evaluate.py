"""The sandbox's own policy evaluator. Sources: IAM User Guide, evaluation logic; KMS Developer Guide."""

from __future__ import annotations

from typing import Any

import pytest

from opskit.sandbox.aws.evaluate import decide, decide_with_key

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
    assert decide(policies, boundary, "ssm:GetParameter", ARN, context).word == word


KEY = "arn:aws:kms:us-east-1:123456789012:key/k"
ROLE = "arn:aws:iam::123456789012:role/app"
ROOT = "arn:aws:iam::123456789012:root"


def key_policy(principal: str, effect: str = "Allow") -> dict[str, Any]:
    return policy(effect, Action="kms:*", Resource="*", Principal={"AWS": principal})


STATEMENT = key_policy(ROOT)["Statement"]


@pytest.mark.parametrize(
    ("may", "document", "word"),
    [
        (True, key_policy(ROOT), "allowed"),
        (False, key_policy(ROOT), "implicitDeny"),
        (False, key_policy(ROLE), "allowed"),
        (True, key_policy("arn:aws:iam::123456789012:role/other"), "implicitDeny"),
        (
            True,
            {"Statement": key_policy(ROOT)["Statement"] + key_policy(ROLE, "Deny")["Statement"]},
            "explicitDeny",
        ),
    ],
)
def test_key_policies(may: bool, document: Any, word: str) -> None:
    own = decide(
        [policy(Action="kms:Decrypt", Resource=KEY)] if may else [], None, "kms:Decrypt", KEY, {}
    )
    said = decide_with_key(own, document, (ROLE,), "123456789012", "kms:Decrypt", KEY, {})
    assert said.word == word
