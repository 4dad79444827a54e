"""The nearest miss, as a colleague would say it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.policy.evaluate import decide
from opskit.policy.explanation import DenialExplanation, DenialReason, explain
from tests.policy.cases import (
    ACCOUNT,
    BASE,
    DECRYPT,
    KEY,
    PASSWORD,
    READ,
    ROLE,
    ROOT,
    SESSION,
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


MINE, OF_KEY = "statement 1 of identity-based", "statement 1 of key"
SLASHED = f"{BASE}/*".replace("parameter/", "parameter//")
ELSEWHERE = f"{BASE}/*".replace("us-east-1", "eu-west-1")
OTHERS = f"{BASE}/*".replace(ACCOUNT, "210987654321")
PROD = BASE.replace("linkbox", "prod/linkbox/*")
FOR_OTHERS = {
    "Effect": "Allow",
    "Principal": {"AWS": ROLE + "x"},
    "Action": "kms:*",
    "Resource": "*",
}
OTHER_PAIR = {"StringEquals": {"kms:EncryptionContext:PARAMETER_ARN": "other"}}
FOR_ROLE = {**FOR_OTHERS, "Principal": {"AWS": ROLE}}
FOR_NO_ONE_HERE = {
    "Effect": "Allow",
    "NotPrincipal": {"AWS": [ROLE, SESSION, ROOT]},
    "Action": "kms:*",
    "Resource": "*",
}
NEITHER = "the key policy neither names app nor leaves it to the account's policies"
WITH_KEY = allow(Action=DECRYPT, Resource=KEY)
NO_SSM_AT_ALL = "the permissions boundary boundary does not allow ssm:GetParameter"


@pytest.mark.parametrize(
    ("case", "denial", "label", "clause"),
    [
        (reading(), DenialReason.NO_STATEMENT, None, "no statement allows ssm:GetParameter"),
        (reading(allow(Action="s3:*")), DenialReason.NO_STATEMENT, None, "no statement allows ssm:GetParameter"),
        (reading(allow(Action="ssm:GetParameters*")), DenialReason.NO_STATEMENT, None, "no statement allows ssm:GetParameter"),
        (reading(allow(NotAction=READ)), DenialReason.NO_STATEMENT, None, "no statement allows ssm:GetParameter"),
        (reading(allow(NotResource=PASSWORD)), DenialReason.NO_STATEMENT, None, "no statement allows ssm:GetParameter"),
        (reading(allow(Resource="linkbox")), DenialReason.NO_STATEMENT, None, "no statement allows ssm:GetParameter"),
        (reading(allow(Resource="arn:aws:s3:us-east-1:123456789012:parameter/linkbox/*")), DenialReason.NO_STATEMENT, None,
         "no statement allows ssm:GetParameter"),
        (reading(allow(Resource=SLASHED)), DenialReason.DOUBLE_SLASH, MINE, f"allows {SLASHED}: a double slash, there is one after `parameter`"),
        (reading(allow(Resource=[PROD, BASE, SLASHED])), DenialReason.DOUBLE_SLASH, MINE, f"allows {SLASHED}: a double slash, there is one after `parameter`"),
        (reading(allow(Resource=BASE)), DenialReason.PATH, MINE, f"allows {BASE}: `/*` is missing at its end"),
        (reading(allow(Resource=BASE + "/")), DenialReason.PATH, MINE, f"allows {BASE}/: `/*` is missing at its end"),
        (reading(allow(Resource=PROD)), DenialReason.PATH, MINE, f"allows {PROD}, which is not parameter/linkbox/db-password"),
        (reading(allow(Resource=PROD.replace("us-east-1", "eu-west-1"))), DenialReason.PATH, MINE,
         f"allows {PROD.replace('us-east-1', 'eu-west-1')}, which is not parameter/linkbox/db-password"),
        (reading(allow(Resource=f"{PROD}:3")), DenialReason.PATH, MINE, f"allows {PROD}:3, which is not parameter/linkbox/db-password"),
        (reading(allow(Resource=PROD), resource=f"{PASSWORD}:3"), DenialReason.PATH, MINE,
         f"allows {PROD}, which is not parameter/linkbox/db-password:3"),
        (reading(allow(Resource=ELSEWHERE)), DenialReason.REGION_OR_ACCOUNT, MINE,
         f"allows {ELSEWHERE}: it names Region eu-west-1, not us-east-1"),
        (reading(allow(Resource=OTHERS.replace("us-east-1", "*"))), DenialReason.REGION_OR_ACCOUNT, MINE,
         f"allows {OTHERS.replace('us-east-1', '*')}: it names account 210987654321, not 123456789012"),
        (reading(allow(Resource="arn:aws:ssm:::parameter/linkbox/*")), DenialReason.REGION_OR_ACCOUNT, MINE,
         "allows arn:aws:ssm:::parameter/linkbox/*: it names Region (none) and account (none), not us-east-1 and 123456789012"),
        (reading(allow(Resource=f"{BASE}/*".replace("arn:aws:", "arn:aws-cn:"))), DenialReason.REGION_OR_ACCOUNT, MINE,
         f"allows {BASE.replace('arn:aws:', 'arn:aws-cn:')}/*: it names partition aws-cn, not aws"),
        (reading(allow(Action="ssm:GetParameters")), DenialReason.ACTION, MINE, "allows ssm:GetParameters, the app calls ssm:GetParameter"),
        (reading(allow(Action=["ssm:PutParameter", "SSM:getparametersbypath"])), DenialReason.ACTION, MINE,
         "allows SSM:getparametersbypath, the app calls ssm:GetParameter"),
        (reading(allow(Condition={"StringEquals": {"aws:RequestedRegion": ["eu-west-1", "eu-west-2"]}}),
                 context={"aws:RequestedRegion": ["us-east-1", "us-east-2"]}), DenialReason.CONDITION, MINE,
         "allows it only where aws:RequestedRegion StringEquals eu-west-1, eu-west-2; the call carries us-east-1, us-east-2"),
        (reading(allow(Condition={"StringEquals": {"aws:PrincipalAccount": ACCOUNT, "aws:SourceVpce": "vpce-1"}})), DenialReason.CONDITION, MINE,
         "allows it only where aws:SourceVpce StringEquals vpce-1; the call does not carry it"),
        (reading(allow(Condition={"StringEquals": {"aws:PrincipalTag/a": "${aws:PrincipalAccount}"}}), context={"aws:PrincipalTag/a": "1"}),
         DenialReason.CONDITION, MINE, "allows it only where aws:PrincipalTag/a StringEquals ${aws:PrincipalAccount}; the call carries 1"),
        (reading(allow(), deny(Sid="NoSecrets")), DenialReason.EXPLICIT, "statement NoSecrets of identity-based", "denies it"),
        (reading(allow(), boundary=allow(Action="s3:*")), DenialReason.BOUNDARY, None, NO_SSM_AT_ALL),
        (reading(allow(), boundary=allow(Sid="Top", Resource=BASE)), DenialReason.BOUNDARY, "statement Top of boundary", NO_SSM_AT_ALL),
        (reading(allow(), boundary=deny()), DenialReason.BOUNDARY, "statement 1 of boundary", "denies it, which is the permissions boundary"),
        (reading(allow(), scps=((allow(Action="s3:*"),),)), DenialReason.ORGANIZATION, None, "no service control policy allows ssm:GetParameter"),
        (reading(allow(), scps=((allow(Action="s3:*"),),), boundary=allow()), DenialReason.ORGANIZATION, None,
         "no service control policy allows ssm:GetParameter"),
        (reading(allow(), scps=((deny(Sid="Guard"),),)), DenialReason.ORGANIZATION, "statement Guard of scp", "denies it, a service control policy"),
        (key_case("x", "", "", (), KEY_POLICY), DenialReason.NO_STATEMENT, None, "no statement allows kms:Decrypt"),
        (key_case("x", "", "", WITH_KEY, policy({**FOR_ROLE, "Effect": "Deny"})), DenialReason.KEY_POLICY, OF_KEY, "denies it"),
        (key_case("x", "", "", WITH_KEY, policy(FOR_OTHERS)), DenialReason.KEY_POLICY, None, NEITHER),
        (key_case("x", "", "", WITH_KEY, policy({**FOR_OTHERS, "Condition": OTHER_PAIR})), DenialReason.KEY_POLICY, None, NEITHER),
        (key_case("x", "", "", WITH_KEY, policy({**FOR_ROLE, "Effect": "Deny", "Condition": OTHER_PAIR})), DenialReason.KEY_POLICY, None, NEITHER),
        (key_case("x", "", "", WITH_KEY, policy(FOR_NO_ONE_HERE)), DenialReason.KEY_POLICY, None, NEITHER),
        (key_case("x", "", "", WITH_KEY, policy({**FOR_ROLE, "Action": "kms:Encrypt"})), DenialReason.KEY_POLICY, None, NEITHER),
        (key_case("x", "", "", (), policy({**FOR_ROLE, "Condition": OTHER_PAIR})), DenialReason.KEY_POLICY, OF_KEY,
         f"allows it only where kms:EncryptionContext:PARAMETER_ARN StringEquals other; the call carries {PASSWORD}"),
        (key_case("x", "", "", (), policy({**FOR_ROLE, "Principal": {"AWS": ROOT}, "Condition": OTHER_PAIR})), DenialReason.KEY_POLICY, OF_KEY,
         f"allows it only where kms:EncryptionContext:PARAMETER_ARN StringEquals other; the call carries {PASSWORD}"),
        (key_case("x", "", "", allow(Action=DECRYPT, Resource=KEY, Condition={
                  "StringEquals": {"kms:EncryptionContext:PARAMETER_ARN": f"{BASE}/db-secret"}}), KEY_POLICY),
         DenialReason.CONDITION, MINE, f"allows it only where kms:EncryptionContext:PARAMETER_ARN StringEquals {BASE}/db-secret; the call carries {PASSWORD}"),
    ],
)  # fmt: skip
def test_reason(case: Case, denial: DenialReason, label: str | None, clause: str) -> None:
    miss = miss_of(case)
    assert miss is not None
    assert miss.denial is denial, miss
    assert (miss.matched.label if miss.matched else None) == label
    is_about_the_limit = miss.description == clause
    assert is_about_the_limit or miss.description == f"{label} {clause}"


def test_the_nearest_of_several_is_named() -> None:
    far = statement(Sid="Far", Action="ssm:GetParameters")
    near = statement(Sid="Near", Resource=SLASHED)
    for documents in ((policy(far, near),), (allow(Sid="Far", Resource=PROD), policy(near, far))):
        miss = miss_of(reading(*documents))
        assert miss is not None
        assert miss.description.startswith("statement Near of identity-based")


def test_what_is_allowed_or_depends_has_no_reason() -> None:
    assert miss_of(reading(allow())) is None
    unsure = reading(allow(Condition={"StringEquals": {"aws:SourceVpce": "v"}}))
    assert miss_of(replace(unsure, unknown=("aws:SourceVpce",))) is None
