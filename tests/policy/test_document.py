"""Policy documents as IAM accepts them, and those that it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opskit.policy.document import Condition, Document, MalformedPolicy, parse

ALLOW = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}


def parsed(*statements: Any, version: str | None = "2012-10-17") -> Document:
    raw = {"Statement": list(statements)} | ({"Version": version} if version else {})
    return parse(json.dumps(raw), kind="identity-based", name="own")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '"text"',
        "{",
        '{"Statement": ["Allow"]}',
        '{"Statement": {"Effect": "Allow"}}',
        '{"Statement": {"Effect": "allow", "Action": "*", "Resource": "*"}}',
        '{"Statement": {"Action": "*", "Resource": "*"}}',
        '{"Statement": {"Effect": "Deny", "Action": "*", "Condition": {"Bool": "true"}}}',
        '{"Statement": {"Effect": "Deny", "Action": "*", "Principal": ["*"]}}',
    ],
)
def test_what_iam_would_not_accept(text: str) -> None:
    with pytest.raises(MalformedPolicy, match="own cannot be read"):
        parse(text, kind="identity-based", name="own")


def test_the_error_does_not_repeat_the_document() -> None:
    with pytest.raises(MalformedPolicy) as caught:
        parse('{"Statement": {"Effect": "hunter2"}}', kind="", name="own")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_single_value_is_a_list_of_one() -> None:
    document = parse(
        {"Version": "2012-10-17", "Statement": ALLOW}, kind="identity-based", name="own"
    )
    [statement] = document.statements
    assert statement.actions == ("s3:GetObject",)
    assert statement.resources == ("*",)
    assert (statement.allows, statement.not_actions, statement.not_resources) == (
        True,
        False,
        False,
    )
    assert statement.raw == ALLOW


def test_elements_that_say_everything_but() -> None:
    [statement] = parsed(
        {
            "Effect": "Deny",
            "NotAction": ["iam:*", "sts:*"],
            "NotResource": "arn:aws:s3:::a",
            "NotPrincipal": {"AWS": "1"},
        }
    ).statements
    assert (statement.actions, statement.not_actions) == (("iam:*", "sts:*"), True)
    assert (statement.resources, statement.not_resources) == (("arn:aws:s3:::a",), True)
    assert (statement.principals, statement.not_principals) == (("1",), True)


def test_what_is_not_written_is_none() -> None:
    [statement] = parsed({"Effect": "Allow", "Action": "s3:*"}).statements
    assert statement.resources is None
    assert statement.principals is None
    assert statement.conditions == ()


def test_services_and_federated_users_are_no_role() -> None:
    wanted = {"Service": "ec2.amazonaws.com", "Federated": "a", "AWS": ["1", "2"]}
    only = {"Service": "ec2.amazonaws.com"}
    first, second, third = parsed(
        *({**ALLOW, "Principal": principal} for principal in (wanted, only, "*"))
    ).statements
    assert first.principals == ("1", "2")
    assert second.principals == ()
    assert third.principals == ("*",)


def test_conditions_are_one_for_each_operator_and_key() -> None:
    condition = {
        "Bool": {"aws:SecureTransport": True, "aws:ViaAWSService": False},
        "NumericLessThan": {"s3:max-keys": [10, 20]},
    }
    [statement] = parsed({**ALLOW, "Condition": condition}).statements
    assert statement.conditions == (
        Condition("Bool", "aws:SecureTransport", ("true",)),
        Condition("Bool", "aws:ViaAWSService", ("false",)),
        Condition("NumericLessThan", "s3:max-keys", ("10", "20")),
    )


@pytest.mark.parametrize(
    ("version", "expected"), [("2012-10-17", True), ("2008-10-17", False), (None, False)]
)
def test_variables_came_with_the_second_version(version: str | None, expected: bool) -> None:
    [statement] = parsed(ALLOW, version=version).statements
    assert statement.has_variables is expected


def test_a_statement_is_called_by_its_id_or_its_number() -> None:
    document = parsed(ALLOW, {**ALLOW, "Sid": "Read", "Effect": "Deny"})
    labels = [document.label(statement) for statement in document.statements]
    assert labels == ["statement 1 of own", "statement Read of own"]
