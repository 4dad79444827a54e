"""The nearest miss, as a colleague would say it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.policy.evaluate import decide
from opskit.policy.explanation import DenialExplanation, DenialReason, explain
from tests.policy.cases import (
    BASE,
    DECRYPT,
    KEY,
    PASSWORD,
    ROLE,
    ROOT,
    Case,
    allow,
    deny,
    key_case,
    policy,
    statement,
)
from tests.policy.test_evaluate import policies_of, request_of

KEY_POLICY = policy(
    {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "kms:*", "Resource": "*"}
)


def miss_of(case: Case) -> DenialExplanation | None:
    request, policies = request_of(case), policies_of(case)
    return explain(request, policies, decide(request, policies))


def reading(*documents: Any, **more: Any) -> Case:
    return Case("x", "", "", identity=documents, **more)


@pytest.mark.parametrize(
    ("case", "denial", "words"),
    [
        (reading(), DenialReason.NO_STATEMENT, "no statement allows ssm:GetParameter"),
        (reading(allow(Action="s3:*")), DenialReason.NO_STATEMENT, "no statement"),
        (reading(allow(Resource=f"{BASE}/*".replace("parameter/", "parameter//"))), DenialReason.DOUBLE_SLASH, "double slash"),
        (reading(allow(Resource=BASE)), DenialReason.PATH, "`/*` is missing at its end"),
        (reading(allow(Resource=BASE + "/")), DenialReason.PATH, "`/*` is missing at its end"),
        (reading(allow(Resource=BASE.replace("linkbox", "prod/linkbox/*"))), DenialReason.PATH,
         "which is not parameter/linkbox/db-password"),
        (reading(allow(Resource=f"{BASE}/*".replace("us-east-1", "eu-west-1"))), DenialReason.REGION_OR_ACCOUNT,
         "it names Region eu-west-1, not us-east-1"),
        (reading(allow(Resource=f"{BASE}/*".replace("123456789012", "210987654321"))), DenialReason.REGION_OR_ACCOUNT,
         "it names account 210987654321, not 123456789012"),
        (reading(allow(Resource="arn:aws:ssm:::parameter/linkbox/*")), DenialReason.REGION_OR_ACCOUNT,
         "Region (none) and account (none), not us-east-1 and 123456789012"),
        (reading(allow(Resource=f"{BASE}/*".replace("arn:aws:", "arn:aws-cn:"))), DenialReason.REGION_OR_ACCOUNT, "partition aws-cn"),
        (reading(allow(Action="ssm:GetParameters")), DenialReason.ACTION,
         "allows ssm:GetParameters, the app calls ssm:GetParameter"),
        (reading(allow(Action="ssm:GetParametersByPath")), DenialReason.ACTION, "the app calls ssm:GetParameter"),
        (reading(allow(Condition={"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}),
                 context={"aws:RequestedRegion": "us-east-1"}), DenialReason.CONDITION,
         "only where aws:RequestedRegion StringEquals eu-west-1; the call carries us-east-1"),
        (reading(allow(Condition={"StringEquals": {"aws:SourceVpce": "vpce-1"}})), DenialReason.CONDITION,
         "the call does not carry it"),
        (reading(allow(), deny(Sid="NoSecrets")), DenialReason.EXPLICIT, "statement NoSecrets of identity-based denies it"),
        (reading(allow(), boundary=allow(Action="s3:*")), DenialReason.BOUNDARY,
         "the permissions boundary boundary does not allow ssm:GetParameter"),
        (reading(allow(), boundary=deny()), DenialReason.BOUNDARY, "which is the permissions boundary"),
        (reading(allow(), scps=((allow(Action="s3:*"),),)), DenialReason.ORGANIZATION, "no service control policy allows"),
        (reading(allow(), scps=((deny(Sid="Guard"),),)), DenialReason.ORGANIZATION, "statement Guard of scp denies it"),
        (key_case("x", "", "", (), KEY_POLICY), DenialReason.NO_STATEMENT, "no statement allows kms:Decrypt"),
        (key_case("x", "", "", allow(Action=DECRYPT, Resource=KEY),
                  policy({"Effect": "Allow", "Principal": {"AWS": ROLE + "x"}, "Action": "kms:*", "Resource": "*"})),
         DenialReason.KEY_POLICY, "the key policy neither names app nor leaves it to the account's policies"),
        (key_case("x", "", "", (), policy({"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "kms:*",
                  "Resource": "*", "Condition": {"StringEquals": {"kms:EncryptionContext:PARAMETER_ARN": "other"}}})),
         DenialReason.KEY_POLICY, "kms:EncryptionContext:PARAMETER_ARN StringEquals other"),
        (key_case("x", "", "", allow(Action=DECRYPT, Resource=KEY, Condition={
                  "StringEquals": {"kms:EncryptionContext:PARAMETER_ARN": f"{BASE}/db-secret"}}), KEY_POLICY),
         DenialReason.CONDITION, f"{BASE}/db-secret; the call carries {PASSWORD}"),
    ],
)  # fmt: skip
def test_reason(case: Case, denial: DenialReason, words: str) -> None:
    miss = miss_of(case)
    assert miss is not None
    assert miss.denial is denial, miss
    assert words in miss.description


def test_the_nearest_of_several_is_named() -> None:
    far = statement(Sid="Far", Action="ssm:GetParameters")
    near = statement(Sid="Near", Resource=f"{BASE}/*".replace("parameter/", "parameter//"))
    miss = miss_of(reading(policy(far, near)))
    assert miss is not None
    assert "statement Near of identity-based" in miss.description


def test_what_is_allowed_or_depends_has_no_reason() -> None:
    assert miss_of(reading(allow())) is None
    unsure = reading(allow(Condition={"StringEquals": {"aws:SourceVpce": "v"}}))
    assert miss_of(replace(unsure, unknown=("aws:SourceVpce",))) is None
