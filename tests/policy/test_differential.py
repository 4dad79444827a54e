"""Random policies: opskit's engine against the sandbox's evaluator, which was written apart from it.

With a key that nobody knows the engine may answer `depends`; whatever else it answers has to be so
for every value that the key could have.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opskit.policy.evaluate import EvaluationResult, decide
from tests.policy.cases import ACCOUNT, KEY, PASSWORD, ROLE, ROOT, SESSION, Case
from tests.policy.test_evaluate import policies_of, request_of
from tests.sandbox.test_iam_evaluator import decided

ACTIONS = (
    "ssm:GetParameter",
    "ssm:GetParameters",
    "ssm:Get*",
    "SSM:*",
    "*",
    "kms:Decrypt",
    "kms:*",
    "s3:*",
)
RESOURCES = (
    "*", PASSWORD, PASSWORD.replace("db-password", "*"), PASSWORD.replace("parameter/", "parameter//"),
    PASSWORD.replace("us-east-1", "*"), PASSWORD.replace("us-east-1", "eu-west-1"), KEY,
    "arn:aws:ssm:us-east-1:123456789012:parameter/${aws:PrincipalTag/team}/*",
)  # fmt: skip
VALUES = {
    "aws:RequestedRegion": ("us-east-1", "us-*", "eu-west-1", "US-EAST-1"),
    "aws:SourceVpce": ("vpce-1", "vpce-2", "vpce-*"),
    "aws:PrincipalTag/team": ("linkbox", "other", "${aws:PrincipalTag/team}"),
    "aws:TagKeys": ("a", "b", "c"),
}
WORDS = (
    "StringEquals",
    "StringNotEquals",
    "StringLike",
    "StringNotLike",
    "StringEqualsIgnoreCase",
    "Null",
)
PRINCIPALS = (ROLE, SESSION, ROOT, ACCOUNT, "*", f"arn:aws:iam::{ACCOUNT}:role/other")


def one_or_more(values: tuple[str, ...]) -> st.SearchStrategy[Any]:
    """A value, or a list of them."""
    return st.one_of(
        st.sampled_from(values), st.lists(st.sampled_from(values), min_size=1, max_size=3)
    )


@st.composite
def conditions(draw: Any) -> dict[str, Any]:
    """A condition block, most often empty."""
    found: dict[str, Any] = {}
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 1, 2)))):
        word, key = draw(st.sampled_from(WORDS)), draw(st.sampled_from(tuple(VALUES)))
        wanted = draw(one_or_more(VALUES[key]))
        if word == "Null":
            wanted = draw(st.sampled_from(("true", "false")))
        else:
            word = draw(st.sampled_from(("", "", "ForAllValues:", "ForAnyValue:"))) + word
            word += draw(st.sampled_from(("", "", "IfExists"))) if ":" not in word else ""
        found.setdefault(word, {})[key] = wanted
    return found


@st.composite
def statements(draw: Any, of_key: bool = False) -> dict[str, Any]:
    """One statement."""
    made: dict[str, Any] = {"Effect": draw(st.sampled_from(("Allow", "Allow", "Allow", "Deny")))}
    made[draw(st.sampled_from(("Action", "Action", "Action", "NotAction")))] = draw(
        one_or_more(ACTIONS)
    )
    if of_key:
        made["Resource"] = "*"
        made["Principal"] = {"AWS": draw(one_or_more(PRINCIPALS))}
    else:
        name = draw(st.sampled_from(("Resource", "Resource", "Resource", "NotResource")))
        made[name] = draw(one_or_more(RESOURCES))
    block = draw(conditions())
    return made | ({"Condition": block} if block else {})


def documents(of_key: bool = False) -> st.SearchStrategy[Any]:
    """A policy document."""
    rows = st.lists(statements(of_key), min_size=1, max_size=3)
    return rows.map(lambda found: {"Version": "2012-10-17", "Statement": found})


@st.composite
def cases(draw: Any) -> Case:
    """Policies of every kind, and a request; each key is given, absent, or not known."""
    of_kms = draw(st.booleans())
    context: dict[str, Any] = {}
    unknown = []
    for key, value in (
        ("aws:RequestedRegion", "us-east-1"), ("aws:SourceVpce", "vpce-1"),
        ("aws:PrincipalTag/team", "linkbox"), ("aws:TagKeys", ["a", "b"]),
    ):  # fmt: skip
        fate = draw(st.sampled_from(("given", "given", "absent", "unknown")))
        if fate == "given":
            context[key] = value
        elif fate == "unknown" and key != "aws:TagKeys":
            unknown.append(key)
    return Case(
        "random", "", "",
        identity=tuple(draw(st.lists(documents(), max_size=3))),
        action="kms:Decrypt" if of_kms else "ssm:GetParameter",
        resource=KEY if of_kms else PASSWORD,
        boundary=draw(st.one_of(st.none(), st.none(), documents())),
        scps=tuple((d,) for d in draw(st.lists(documents(), max_size=2))) if draw(st.booleans()) else (),
        key_policy=draw(documents(of_key=True)) if of_kms else None,
        context=context,
        unknown=tuple(unknown),
    )  # fmt: skip


@pytest.mark.parametrize("examples", [100, pytest.param(500, marks=pytest.mark.full)])
def test_both_say_the_same(examples: int) -> None:
    settings(max_examples=examples)(given(cases())(say_the_same))()


def say_the_same(case: Case) -> None:
    told = replace(case, unknown=())
    assert str(decide(request_of(told), policies_of(told)).result) == decided(told, {})


@pytest.mark.parametrize("examples", [60, pytest.param(300, marks=pytest.mark.full)])
def test_what_is_said_holds_for_every_value_of_what_is_not_known(examples: int) -> None:
    some = cases().filter(lambda case: bool(case.unknown))
    settings(max_examples=examples)(given(some)(holds_for_every_value))()


def holds_for_every_value(case: Case) -> None:
    message = decide(request_of(case), policies_of(case))
    tried = {
        "aws:RequestedRegion": ("us-east-1", "eu-west-1", None),
        "aws:SourceVpce": ("vpce-1", "vpce-9", None),
        "aws:PrincipalTag/team": ("linkbox", "else", None),
    }
    worlds: list[dict[str, Any]] = [{}]
    for key in case.unknown:
        worlds = [world | {key: value} for world in worlds for value in tried[key]]
    words = {decided(case, world) for world in worlds}
    if message.result is EvaluationResult.ALLOWED:
        assert words == {"allowed"}
    elif message.result in (EvaluationResult.EXPLICIT_DENY, EvaluationResult.IMPLICIT_DENY):
        assert "allowed" not in words
    else:
        assert message.depends_on
