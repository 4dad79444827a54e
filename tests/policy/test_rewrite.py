"""Rewritten documents: what is added, and denies that exempt a call and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opskit.policy.difference import WantedAccess
from opskit.policy.rewrite import allow, document, free_sid, split_deny, with_statements

ARN = "arn:aws:ssm:us-east-1:1:parameter/linkbox/*"
READ = WantedAccess(("ssm:GetParameter", "ssm:GetParameters"), (ARN,))
KEY = "arn:aws:kms:us-east-1:1:key/k"
CONTEXT = "kms:EncryptionContext:PARAMETER_ARN"
DECRYPT = WantedAccess(("kms:Decrypt",), (KEY,), {"kms:ViaService": "ssm.us-east-1.amazonaws.com"})


def deny(*actions: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": list(actions), "Resource": "*", **more}


def split(statement: dict[str, Any], *wanted: WantedAccess) -> list[dict[str, Any]] | None:
    answer = split_deny(document(statement), 0, wanted or (READ,))
    return None if answer is None else answer["Statement"]


class TestAllow:
    def test_one_value_is_written_alone_and_several_as_a_list(self) -> None:
        assert allow(READ) == {
            "Effect": "Allow",
            "Action": ["ssm:GetParameter", "ssm:GetParameters"],
            "Resource": ARN,
        }

    def test_the_call_s_own_conditions_limit_it(self) -> None:
        assert allow(DECRYPT)["Condition"] == {"StringEquals": dict(DECRYPT.conditions)}

    def test_another_s_conditions_stay_beside_them(self) -> None:
        others = {
            "StringEquals": {"aws:PrincipalTag/a": "b"},
            "Bool": {"aws:SecureTransport": "true"},
        }
        assert allow(DECRYPT, others)["Condition"] == {
            "StringEquals": {"aws:PrincipalTag/a": "b", **DECRYPT.conditions},
            "Bool": {"aws:SecureTransport": "true"},
        }

    def test_a_key_that_is_limited_already_is_not_limited_twice(self) -> None:
        others = {"StringLike": {"KMS:viaservice": "ssm.*"}}
        assert allow(DECRYPT, others)["Condition"] == others


def test_a_document_has_the_version_with_variables() -> None:
    expected = {"Version": "2012-10-17", "Statement": [deny("s3:*"), allow(READ)]}
    assert document(deny("s3:*"), allow(READ)) == expected


@pytest.mark.parametrize("statements", [deny("s3:*"), [deny("s3:*")]])
def test_statements_are_added_at_the_end(statements: Any) -> None:
    raw = {"Version": "2008-10-17", "Id": "x", "Statement": statements}
    before = json.dumps(raw)
    assert with_statements(raw, allow(READ)) == {
        "Version": "2008-10-17",
        "Id": "x",
        "Statement": [deny("s3:*"), allow(READ)],
    }
    assert json.dumps(raw) == before


@pytest.mark.parametrize(
    ("taken", "expected"),
    [((), "Read"), (("Read",), "Read2"), (("Read", "Read2"), "Read3"), (("Read2",), "Read")],
)
def test_ids_are_not_given_twice(taken: tuple[str, ...], expected: str) -> None:
    raw = document(*(deny("s3:*", Sid=sid) for sid in taken), deny("s3:*"))
    assert free_sid("Read", raw) == expected


class TestSplitDeny:
    def test_the_wanted_actions_are_denied_elsewhere_only(self) -> None:
        assert split(deny("ssm:GetParameter", "ssm:PutParameter")) == [
            deny() | {"Action": "ssm:PutParameter"},
            {"Effect": "Deny", "Action": "ssm:GetParameter", "NotResource": ARN},
        ]

    def test_without_other_actions_nothing_else_is_left(self) -> None:
        assert split(deny("SSM:getparameter")) == [
            {"Effect": "Deny", "Action": "SSM:getparameter", "NotResource": ARN}
        ]

    def test_a_pattern_whose_actions_are_known_is_written_out(self) -> None:
        statements = split(deny("ssm:GetParameter*"))
        assert statements is not None
        assert statements[0]["Action"] == ["ssm:GetParametersByPath", "ssm:GetParameterHistory"]
        assert statements[1]["Action"] == ["ssm:GetParameter", "ssm:GetParameters"]

    def test_a_pattern_that_does_not_concern_it_stays(self) -> None:
        statements = split(deny("s3:*", "ssm:GetParameter"))
        assert statements is not None
        assert statements[0]["Action"] == "s3:*"

    @pytest.mark.parametrize(
        "statement",
        [
            deny("ssm:*"),
            deny("*"),
            deny("ssm:GetParameter", Resource=ARN),
            deny("ssm:GetParameter", Resource=["*", ARN]),
            {"Effect": "Deny", "NotAction": "s3:*", "Resource": "*"},
            {"Effect": "Deny", "Action": "ssm:GetParameter", "NotResource": ARN},
            {"Effect": "Deny", "Action": "ssm:GetParameter"},
        ],
    )
    def test_what_its_author_meant_cannot_be_known(self, statement: dict[str, Any]) -> None:
        assert split(statement) is None

    def test_a_call_with_a_condition_is_still_denied_without_it(self) -> None:
        assert split(deny("kms:Decrypt", Sid="Keys"), DECRYPT) == [
            {"Effect": "Deny", "Sid": "Keys", "Action": "kms:Decrypt", "NotResource": KEY},
            {
                "Effect": "Deny",
                "Sid": "Keys2",
                "Action": "kms:Decrypt",
                "Resource": KEY,
                "Condition": {"StringNotEquals": dict(DECRYPT.conditions)},
            },
        ]

    def test_the_deny_s_own_conditions_stay_in_every_part(self) -> None:
        own = {"Bool": {"aws:SecureTransport": "false"}}
        statements = split(deny("kms:Decrypt", "kms:Encrypt", Condition=own), DECRYPT)
        assert statements is not None
        assert [s["Condition"]["Bool"] for s in statements] == [own["Bool"]] * 3
        assert own == {"Bool": {"aws:SecureTransport": "false"}}

    def test_a_comparison_of_another_key_stays_beside_the_exemption(self) -> None:
        own = {"StringNotEquals": {"aws:PrincipalTag/a": "b"}}
        statements = split(deny("kms:Decrypt", Condition=own), DECRYPT)
        assert statements is not None
        both = {"aws:PrincipalTag/a": "b", **DECRYPT.conditions}
        assert [s["Condition"] for s in statements] == [own, {"StringNotEquals": both}]

    @pytest.mark.parametrize(
        ("condition", "wanted"),
        [
            ({"StringNotEquals": {"kms:viaservice": "s3.*"}}, DECRYPT),
            ({}, WantedAccess(("kms:Decrypt",), (KEY,), {**DECRYPT.conditions, CONTEXT: ARN})),
        ],
    )
    def test_two_exemptions_of_one_statement_would_widen_each_other(
        self, condition: dict[str, Any], wanted: WantedAccess
    ) -> None:
        assert split(deny("kms:Decrypt", Condition=condition), wanted) is None

    def test_other_statements_stay_where_they_are(self) -> None:
        raw = document(allow(READ), deny("ssm:GetParameter"), deny("s3:*"))
        answer = split_deny(raw, 1, (READ,))
        assert answer is not None
        assert [s["Effect"] for s in answer["Statement"]] == ["Allow", "Deny", "Deny"]
        assert answer["Statement"][2] == deny("s3:*")
        assert raw["Statement"][1] == deny("ssm:GetParameter"), "the document itself is not changed"
