"""The proof that a policy change does only what is wanted, and the rewriting of documents."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.facts.policies import PolicyText
from opskit.policy.difference import WantedAccess, first_deny, refused, universe, unwanted_changes
from opskit.policy.document import parse
from opskit.policy.evaluate import Policies
from opskit.policy.limits import free_name, has_room, size
from opskit.policy.request import Context, Principal, Request
from opskit.policy.rewrite import allow, document, free_sid, split_deny, with_statements
from opskit.policy.unmet_conditions import unmet_conditions
from tests.policy.cases import ACCOUNT, BASE, KEY, PASSWORD, ROLE, SESSION

READ = ("ssm:GetParameter", "ssm:GetParameters")
PAIR = "kms:EncryptionContext:PARAMETER_ARN"
VIA = {"kms:ViaService": "ssm.us-east-1.amazonaws.com"}
CALLER = Principal(ROLE, ACCOUNT, SESSION)
READ_CALLS = tuple(
    Request(
        CALLER,
        action,
        PASSWORD,
        Context({"aws:requestedregion": ("us-east-1",)}, others_unknown=True),
    )
    for action in READ
)
KMS_CONTEXT = Context(
    {
        "kms:viaservice": (VIA["kms:ViaService"],),
        "kms:encryptioncontext:parameter_arn": (PASSWORD,),
    },
    others_unknown=True,
)
READING = WantedAccess(READ, (PASSWORD,), requests=READ_CALLS)
DECRYPTING = WantedAccess(
    ("kms:Decrypt",), (KEY,), VIA, (Request(CALLER, "kms:Decrypt", KEY, KMS_CONTEXT),)
)
S3 = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}


def identity(*statements: dict[str, Any]) -> Policies:
    """One identity policy."""
    return Policies(identity=(parse(document(*statements), kind="identity-based", name="p"),))


def of_key(*statements: dict[str, Any]) -> Policies:
    """A key policy alone."""
    return Policies(key=parse(document(*statements), kind="key policy", name="k"))


READ_STATEMENT = allow(READING)
DECRYPT_STATEMENT = allow(DECRYPTING)


def test_the_wanted_statements_are_exact() -> None:
    assert {"Effect": "Allow", "Action": list(READ), "Resource": PASSWORD} == READ_STATEMENT
    assert DECRYPT_STATEMENT["Condition"] == {"StringEquals": VIA}
    after = identity(S3, READ_STATEMENT, DECRYPT_STATEMENT)
    assert unwanted_changes(identity(S3), after, [READING, DECRYPTING]) == []
    assert refused(after, [READING, DECRYPTING]) == []
    assert refused(identity(S3), [READING]) == list(READ_CALLS)


@pytest.mark.parametrize(
    "statement",
    [
        {**READ_STATEMENT, "Resource": f"{BASE}/*"},
        {**READ_STATEMENT, "Resource": [PASSWORD, f"{BASE}-prod/*"]},
        {**READ_STATEMENT, "Resource": f"{PASSWORD}*"},
        {**READ_STATEMENT, "Resource": PASSWORD.replace("us-east-1", "*")},
        {**READ_STATEMENT, "Resource": PASSWORD.replace(ACCOUNT, "*")},
        {**READ_STATEMENT, "Action": [*READ, "ssm:GetParametersByPath"]},
        {**READ_STATEMENT, "Action": [*READ, "ssm:PutParameter"]},
        {**READ_STATEMENT, "Action": "ssm:GetParameter*"},
        {**READ_STATEMENT, "Action": [*READ, "glue:*"]},
        {**READ_STATEMENT, "NotAction": "s3:*"},
    ],
)
def test_a_wider_read_is_seen(statement: dict[str, Any]) -> None:
    if "NotAction" in statement:
        statement = {k: v for k, v in statement.items() if k != "Action"}
    assert unwanted_changes(identity(S3), identity(S3, statement), [READING])


@pytest.mark.parametrize(
    "statement",
    [
        {k: v for k, v in DECRYPT_STATEMENT.items() if k != "Condition"},
        {**DECRYPT_STATEMENT, "Resource": "*"},
        {**DECRYPT_STATEMENT, "Resource": KEY[:-1] + "*"},
        {**DECRYPT_STATEMENT, "Action": "kms:*"},
        {**DECRYPT_STATEMENT, "Action": ["kms:Decrypt", "kms:Encrypt"]},
        {
            **DECRYPT_STATEMENT,
            "Condition": {"StringLike": {"kms:ViaService": "*.us-east-1.amazonaws.com"}},
        },
        {**DECRYPT_STATEMENT, "Condition": {"StringEqualsIfExists": VIA}},
    ],
)
def test_a_wider_decryption_is_seen(statement: dict[str, Any]) -> None:
    assert unwanted_changes(identity(S3), identity(S3, statement), [DECRYPTING])


def test_a_dropped_or_changed_statement_is_seen() -> None:
    deny = {"Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "*"}
    for after in (
        identity(S3),
        identity({**S3, "Resource": "arn:aws:s3:::b"}, deny),
        identity(deny),
    ):
        assert unwanted_changes(identity(S3, deny), after, [READING])


def test_a_key_policy_for_others_is_seen() -> None:
    mine = {**DECRYPT_STATEMENT, "Resource": "*", "Principal": {"AWS": ROLE}}
    root = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:Describe*", "Resource": "*"}  # fmt: skip
    assert unwanted_changes(of_key(root), of_key(root, mine), [DECRYPTING]) == []
    for principal in ("*", {"AWS": "*"}):
        wider = {**mine, "Principal": principal}
        assert unwanted_changes(of_key(root), of_key(root, wider), [DECRYPTING])
    assert unwanted_changes(of_key(root), of_key(mine), [DECRYPTING]) == []
    users = {**root, "Principal": {"AWS": ROLE}}
    assert unwanted_changes(of_key(users), of_key(mine), [DECRYPTING]), "a right is dropped"


def test_the_universe_is_small_and_has_the_neighbours() -> None:
    both = identity(S3), identity(S3, READ_STATEMENT, DECRYPT_STATEMENT)
    found = list(universe(*both, [READING, DECRYPTING]))
    assert len(found) < 1_200
    asked = {(r.action, r.resource) for r in found}
    assert {("ssm:GetParameter", BASE), ("ssm:GetParametersByPath", BASE)} <= asked
    assert ("kms:Decrypt", KEY) in asked
    assert any(r.startswith(f"{BASE}-") for _, r in asked), "a sibling prefix"
    vias = {r.context.values.get("kms:viaservice") for r in found}
    assert len(vias) > 2, "the condition key absent, as it is, and with another value"


# Splitting


def denied(deny: dict[str, Any], *wanted: WantedAccess) -> dict[str, Any] | None:
    return split_deny(document(S3, {"Effect": "Deny", **deny}), 1, wanted or (READING,))


@pytest.mark.parametrize(
    ("deny", "wanted"),
    [
        ({"Action": ["ssm:GetParameter*", "ssm:PutParameter", "ssm:Delete*"], "Resource": "*"}, [READING]),
        ({"Action": ["ssm:GetParameters*"], "Resource": ["*"]}, [READING]),
        ({"Action": ["SSM:GETPARAMETER", "kms:Decrypt"], "Resource": ["*"]}, [READING, DECRYPTING]),
        ({"Action": READ, "Resource": "*", "Condition": {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}}, [READING]),
        ({"Action": "kms:Decrypt", "Resource": "*", "Condition": {"StringEquals": {PAIR: PASSWORD}}}, [DECRYPTING]),
    ],
)  # fmt: skip
def test_a_split_denies_all_else(deny: dict[str, Any], wanted: list[WantedAccess]) -> None:
    before = identity(S3, {"Effect": "Deny", **deny})
    raw = denied(deny, *wanted)
    assert raw is not None
    after = identity(*raw["Statement"])
    assert raw["Statement"][0] == S3
    assert first_deny(before, wanted) is not None
    assert first_deny(after, wanted) is None
    assert unwanted_changes(before, after, wanted) == []
    rest = raw["Statement"][1:]
    if "Condition" in deny:
        assert all(deny["Condition"].items() <= s["Condition"].items() for s in rest)
    for index in range(1, len(raw["Statement"])):
        fewer = [s for i, s in enumerate(raw["Statement"]) if i != index]
        assert unwanted_changes(before, identity(*fewer), wanted), "every part is needed"


@pytest.mark.parametrize(
    "deny",
    [
        {"Action": READ, "Resource": f"{BASE}/*"},
        {"Action": READ, "Resource": ["*", BASE]},
        {"Action": READ, "NotResource": BASE},
        {"Action": READ},
        {"NotAction": "s3:*", "Resource": "*"},
        {"Action": "ssm:*", "Resource": "*"},
        {"Action": "ssm:Get?arameter", "Resource": "*"},
        {"Action": "*", "Resource": "*"},
    ],
)
def test_any_other_deny_is_not_split(deny: dict[str, Any]) -> None:
    assert denied(deny) is None


def test_a_deny_that_compares_the_service_already_is_not_split() -> None:
    condition = {"StringNotEquals": {"KMS:viaservice": "rds.us-east-1.amazonaws.com"}}
    assert (
        denied({"Action": "kms:Decrypt", "Resource": "*", "Condition": condition}, DECRYPTING)
        is None
    )


def test_statement_ids_stay_unique() -> None:
    raw = document(
        {**S3, "Sid": "A2"},
        {"Sid": "A", "Effect": "Deny", "Action": [*READ, "x:Y"], "Resource": "*"},
    )
    made = split_deny(raw, 1, [READING])
    assert made is not None
    assert [s["Sid"] for s in made["Statement"]] == ["A2", "A", "A3"]
    assert free_sid("A", raw) == "A3"
    assert with_statements({"Statement": S3}, READ_STATEMENT)["Statement"] == [S3, READ_STATEMENT]


# Guards


def guard(condition: dict[str, Any], call: Request) -> Any:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}
    found = unmet_conditions(call, identity(statement).identity)
    return found[0] if found else None


DECRYPT_CALL = DECRYPTING.requests[0]


@pytest.mark.parametrize(
    ("condition", "call", "is_fitted"),
    [
        ({"StringEquals": {PAIR: BASE}}, DECRYPT_CALL, True),
        ({"ArnLike": {PAIR: BASE}}, DECRYPT_CALL, True),
        ({"StringEquals": {PAIR: BASE, "aws:SourceVpce": "v"}}, DECRYPT_CALL, False),
        ({"StringNotEquals": {PAIR: PASSWORD}}, DECRYPT_CALL, False),
        ({"ForAnyValue:StringEquals": {PAIR: BASE}}, DECRYPT_CALL, False),
        ({"StringEquals": {"kms:EncryptionContext:app": "x"}}, DECRYPT_CALL, False),
        ({"StringEquals": {"kms:ViaService": "ssm.eu-west-1.amazonaws.com"}}, DECRYPT_CALL, True),
        ({"StringEquals": {"kms:ViaService": "rds.us-east-1.amazonaws.com"}}, DECRYPT_CALL, False),
        ({"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}, READ_CALLS[0], False),
        ({"StringEquals": {"aws:SourceVpce": "v"}}, READ_CALLS[0], False),
    ],
)
def test_only_the_requests_own_object_is_fitted(
    condition: dict[str, Any], call: Request, is_fitted: bool
) -> None:
    assert guard(condition, call).is_fitted is is_fitted


def test_a_statement_without_a_failing_condition_is_no_guard() -> None:
    assert guard({"StringEquals": {"aws:RequestedRegion": "us-east-1"}}, READ_CALLS[0]) is None


# Names and sizes


def inline(name: str, holder: str = "role app", arn: str = "", **document: Any) -> PolicyText:
    return PolicyText(name, arn, document, holder)


@pytest.mark.parametrize(
    ("wanted", "taken", "name"),
    [
        ("read", (), "read"),
        ("read", (inline("read"),), "read-2"),
        ("read", (inline("READ"), inline("read-2")), "read-3"),
        ("read", (inline("read", "role other"), inline("read", "", "arn:x")), "read"),
        ("Read", (inline("read"),), "Read-2"),
        ("a b/c:d$", (), "a-b-c-d-"),
        ("n" * 140, (), "n" * 128),
        ("n" * 140, (inline("n" * 128),), "n" * 126 + "-2"),
    ],
)
def test_a_free_name(wanted: str, taken: tuple[PolicyText, ...], name: str) -> None:
    assert free_name(wanted, taken, "role app") == name


def test_sizes_count_all_inline_policies_of_the_holder() -> None:
    assert size({"a": "b c"}) == len('{"a":"bc"}')
    full = inline("x", text="x" * 10_000)
    assert has_room({"a": "x" * 100}, (full,), "role app")
    assert not has_room({"a": "x" * 300}, (full,), "role app")
    assert has_room({"a": "x" * 300}, (replace(full, arn="arn:x"),), "role app")
    assert not has_room({"a": "x" * 2_100}, (), "user app")
