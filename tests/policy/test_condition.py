"""Condition operators one by one: their limits, keys that are absent or unknown, and several values."""

from __future__ import annotations

import pytest

from opskit.policy.condition import OPERATORS, holds
from opskit.policy.document import Condition
from opskit.policy.request import Context
from opskit.policy.three_valued import Tristate, indeterminate

KEY = "aws:TheKey"


def held(operator: str, *wanted: str, given: tuple[str, ...] | None, **more: object) -> Tristate:
    """The result of one condition on one key; `given` None for a request without the key."""
    values = {} if given is None else {KEY.lower(): given}
    context = Context({**values, "aws:username": ("anna",)}, **more)  # type: ignore[arg-type]
    return holds(Condition(operator, KEY, wanted), context, has_variables=True)


TABLE = [
    ("StringEquals", "a*", "a*", True),
    ("StringEquals", "a*", "ab", False),
    ("StringEquals", "Ab", "ab", False),
    ("StringEqualsIgnoreCase", "Ab", "aB", True),
    ("StringLike", "a?c*", "abc", True),
    ("StringLike", "a?c*", "ac", False),
    ("StringLike", "a*", "A", False),
    ("ArnLike", "arn:aws:iam::1:role/*", "arn:aws:iam::1:role/a/b", True),
    ("ArnEquals", "arn:aws:iam::1:role/*", "arn:aws:iam::1:role/a/b", True),
    ("ArnLike", "arn:aws:*", "arn:aws:iam::1:role/a", False),
    ("ArnLike", "arn:aws:*:*:*:*", "arn:aws:iam::1:role/a", True),
    ("Bool", "true", "True", True),
    ("Bool", "false", "true", False),
    ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", True),
    ("IpAddress", "203.0.113.0/24", "203.0.113.255", True),
    ("IpAddress", "203.0.113.0/24", "203.0.114.0", False),
    ("IpAddress", "203.0.113.7/24", "203.0.113.9", True),
    ("IpAddress", "203.0.113.7", "203.0.113.7", True),
    ("IpAddress", "2001:db8::/32", "2001:db8::1", True),
    ("IpAddress", "::/0", "203.0.113.7", False),
    ("IpAddress", "a network", "203.0.113.7", False),
    ("IpAddress", "203.0.113.0/24", "an address", False),
    ("NumericEquals", "3600", "3600.0", True),
    ("NumericLessThan", "3600", "3600", False),
    ("NumericLessThan", "3600", "3599", True),
    ("NumericLessThanEquals", "3600", "3600", True),
    ("NumericLessThanEquals", "3600", "3601", False),
    ("NumericGreaterThan", "3600", "3600", False),
    ("NumericGreaterThan", "3600", "3601", True),
    ("NumericGreaterThanEquals", "3600", "3600", True),
    ("NumericGreaterThanEquals", "3600", "3599", False),
    ("NumericLessThan", "3600", "many", False),
    ("NumericGreaterThan", "9", "10", True),
    ("DateEquals", "2026-01-02T03:04:00Z", "1767323040", True),
    ("DateEquals", "2026-01-02T03:04:00Z", "2026-01-02T04:04:00+01:00", True),
    ("DateLessThan", "2026-01-02", "2026-01-01T23:59:59Z", True),
    ("DateLessThan", "2026-01-02", "2026-01-02T00:00:00Z", False),
    ("DateLessThanEquals", "2026-01-02", "2026-01-02T00:00:00Z", True),
    ("DateGreaterThan", "2026-01-02", "2026-01-02T00:00:00Z", False),
    ("DateGreaterThan", "2026-01-02", "2026-01-02T00:00:01Z", True),
    ("DateGreaterThanEquals", "2026-01-02", "2026-01-02T00:00:00Z", True),
    ("DateGreaterThan", "some day", "2026-01-02T00:00:00Z", False),
    ("DateLessThan", "2026-01-02", "1e300", False),
]


@pytest.mark.parametrize(("operator", "wanted", "value", "expected"), TABLE)
def test_operator(operator: str, wanted: str, value: str, expected: bool) -> None:
    assert held(operator, wanted, given=(value,)).value is expected
    assert held(operator.upper(), wanted, given=(value,)).value is expected, "in any case"
    assert held(f"{operator}IfExists", wanted, given=(value,)).value is expected


NEGATED = [
    ("StringNotEquals", "a", "a", False),
    ("StringNotEquals", "a", "b", True),
    ("StringNotEqualsIgnoreCase", "A", "a", False),
    ("StringNotLike", "a*", "ab", False),
    ("StringNotLike", "a*", "b", True),
    ("ArnNotLike", "arn:aws:iam::1:role/*", "arn:aws:iam::2:role/a", True),
    ("ArnNotEquals", "arn:aws:iam::1:role/*", "arn:aws:iam::1:role/a", False),
    ("NotIpAddress", "203.0.113.0/24", "203.0.113.1", False),
    ("NotIpAddress", "203.0.113.0/24", "198.51.100.1", True),
    ("NumericNotEquals", "1", "2", True),
    ("DateNotEquals", "2026-01-02", "2026-01-02T00:00:00Z", False),
]


@pytest.mark.parametrize(("operator", "wanted", "value", "expected"), NEGATED)
def test_negated_operator(operator: str, wanted: str, value: str, expected: bool) -> None:
    assert held(operator, wanted, given=(value,)).value is expected
    assert held(operator, wanted, given=None).value is True, "a key that is absent is none of them"


def test_every_operator_is_tried() -> None:
    tried = {row[0].lower() for row in TABLE}
    assert tried == set(OPERATORS)


@pytest.mark.parametrize("operator", ["StringEquals", "IpAddress", "DateLessThan", "Bool"])
def test_an_absent_key_matches_only_where_it_may_be_absent(operator: str) -> None:
    assert held(operator, "a", given=None).value is False
    assert held(f"{operator}IfExists", "a", given=None).value is True
    assert held(f"ForAllValues:{operator}", "a", given=None).value is True
    assert held(f"ForAnyValue:{operator}", "a", given=None).value is False
    assert held(f"ForAnyValue:{operator}IfExists", "a", given=None).value is False


@pytest.mark.parametrize(
    ("operator", "given", "expected"),
    [
        ("ForAllValues:StringEquals", ("a", "b"), True),
        ("ForAllValues:StringEquals", ("a", "c"), False),
        ("ForAnyValue:StringEquals", ("c", "b"), True),
        ("ForAnyValue:StringEquals", ("c", "d"), False),
        ("ForAllValues:StringNotEquals", ("c", "d"), True),
        ("ForAllValues:StringNotEquals", ("c", "a"), False),
        ("ForAnyValue:StringNotEquals", ("c", "a"), True),
        ("ForAnyValue:StringNotEquals", ("a", "b"), False),
        ("StringNotEquals", ("c", "a"), False),
        ("StringEquals", ("c", "a"), True),
    ],
)
def test_several_values(operator: str, given: tuple[str, ...], expected: bool) -> None:
    assert held(operator, "a", "b", given=given).value is expected


@pytest.mark.parametrize(("wants", "expected"), [("true", False), ("False", True)])
def test_null_asks_for_presence(wants: str, expected: bool) -> None:
    assert held("Null", wants, given=("a",)).value is expected
    assert held("Null", wants, given=None).value is not expected


@pytest.mark.parametrize("operator", ["StringEquals", "StringNotEquals", "Null", "NoSuchOperator"])
def test_an_unknown_key_leaves_it_open(operator: str) -> None:
    answer = held(operator, "true", given=None, unknown=frozenset({KEY.lower()}))
    assert answer == indeterminate(KEY)


@pytest.mark.parametrize("operator", ["NoSuchOperator", "StringNotNotEquals", ""])
def test_an_operator_that_does_not_exist_never_holds(operator: str) -> None:
    assert held(operator, "a", given=("a",)).value is False
    assert held(operator, "a", given=None).value is False


class TestVariables:
    def test_a_known_one_is_compared(self) -> None:
        assert held("StringEquals", "${aws:username}", given=("anna",)).value is True
        assert held("StringEquals", "${aws:username}", given=("otto",)).value is False

    def test_without_a_value_it_equals_nothing(self) -> None:
        assert held("StringEquals", "${aws:gone}", given=("",)).value is False
        assert held("StringNotEquals", "${aws:gone}", given=("",)).value is True

    def test_an_unknown_one_leaves_open_what_another_value_does_not_settle(self) -> None:
        unknown = frozenset({"aws:source"})
        both = ("a", "${aws:source}")
        assert held("StringEquals", *both, given=("a",), unknown=unknown).value is True
        assert held("StringNotEquals", *both, given=("a",), unknown=unknown).value is False
        for operator in ("StringEquals", "StringNotEquals"):
            answer = held(operator, *both, given=("b",), unknown=unknown)
            assert answer == indeterminate("aws:source")

    def test_older_documents_have_none(self) -> None:
        context = Context({KEY.lower(): ("anna",), "aws:username": ("anna",)})
        condition = Condition("StringEquals", KEY, ("${aws:username}",))
        assert holds(condition, context, has_variables=False).value is False
