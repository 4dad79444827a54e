"""Condition operators.

Source: IAM User Guide, IAM JSON policy elements: condition operators, and multivalued context keys.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from operator import eq, ge, gt, le, lt

from opskit.policy.document import Condition
from opskit.policy.pattern import Pattern, fill, fits, fits_arn
from opskit.policy.request import Context, Presence
from opskit.policy.three_valued import FALSE, TRUE, Tristate, indeterminate

ALL, ANY = "forallvalues", "foranyvalue"
Compare = Callable[[str, Pattern], bool]


def holds(condition: Condition, context: Context, *, has_variables: bool) -> Tristate:
    """Whether a condition holds; operators and keys may be written in any case."""
    quantifier, _, operator = condition.operator.lower().rpartition(":")
    if_exists = operator.endswith("ifexists")
    operator = operator.removesuffix("ifexists")
    presence = context.presence(condition.key)
    if presence is Presence.UNKNOWN:
        return indeterminate(condition.key)
    if operator == "null":
        wants_absence = condition.values[0].lower() == "true"
        return Tristate(wants_absence == (presence is Presence.ABSENT))
    compare, is_negated = _operator(operator)
    if compare is None:
        return FALSE
    if presence is Presence.ABSENT:
        return Tristate(quantifier == ALL or (quantifier != ANY and (if_exists or is_negated)))
    patterns = [fill(v, context, has_variables=has_variables) for v in condition.values]
    unknown = frozenset(key for p in patterns for key in p.depends_on)
    known = [p for p in patterns if not p.depends_on and not p.is_void]
    fine = [
        any(compare(value, pattern) for pattern in known) != is_negated
        for value in context.get(condition.key)
    ]
    # An unknown value could only add a match.
    settled = all(fine) if is_negated else any(fine)
    if unknown and settled == is_negated:
        return Tristate(None, unknown)
    must_all = quantifier == ALL or (is_negated and quantifier != ANY)
    return TRUE if (all(fine) if must_all else any(fine)) else FALSE


def _operator(operator: str) -> tuple[Compare | None, bool]:
    """The comparison of an operator, and whether the operator means its opposite."""
    if operator in OPERATORS:
        return OPERATORS[operator], False
    return OPERATORS.get(operator.replace("not", "", 1)), True


def _numbers(decide: Callable[[float, float], bool], value: str, pattern: Pattern) -> bool:
    try:
        return decide(float(value), float(pattern.text))
    except ValueError:
        return False


def _dates(decide: Callable[[datetime, datetime], bool], value: str, pattern: Pattern) -> bool:
    try:
        return decide(_moment(value), _moment(pattern.text))
    except (ValueError, OverflowError):
        return False


def _moment(text: str) -> datetime:
    """A W3C date, or seconds since 1970."""
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _in_range(value: str, pattern: Pattern) -> bool:
    try:
        address = ipaddress.ip_address(value)
        network = ipaddress.ip_network(pattern.text, strict=False)
    except ValueError:
        return False
    return address.version == network.version and address in network


OPERATORS: dict[str, Compare] = {
    "stringequals": lambda value, p: value == p.text,
    "stringequalsignorecase": lambda value, p: value.lower() == p.text.lower(),
    "stringlike": lambda value, p: fits(p, value),
    "arnequals": lambda value, p: fits_arn(p, value),
    "arnlike": lambda value, p: fits_arn(p, value),
    "bool": lambda value, p: value.lower() == p.text.lower(),
    "binaryequals": lambda value, p: value == p.text,
    "ipaddress": _in_range,
    "numericequals": partial(_numbers, eq),
    "numericlessthan": partial(_numbers, lt),
    "numericlessthanequals": partial(_numbers, le),
    "numericgreaterthan": partial(_numbers, gt),
    "numericgreaterthanequals": partial(_numbers, ge),
    "dateequals": partial(_dates, eq),
    "datelessthan": partial(_dates, lt),
    "datelessthanequals": partial(_dates, le),
    "dategreaterthan": partial(_dates, gt),
    "dategreaterthanequals": partial(_dates, ge),
}
"""Operator in lower case -> comparison; `Not` within a name means the opposite."""
