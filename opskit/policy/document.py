"""A policy document as statements. Source: IAM User Guide, IAM JSON policy elements reference."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

VARIABLES_SINCE = "2012-10-17"
"""The first version of the policy language with variables; in older ones they are plain text."""


class MalformedPolicy(ValueError):
    """The document is none that IAM would accept."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition operator on one condition key; several values are alternatives."""

    operator: str
    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a policy.

    Attributes:
        actions, resources, principals: the patterns; with `not_...` set, everything but them. None
            where the element is missing.
        raw: the statement as it was written, to be printed or fixed.
    """

    sid: str
    allows: bool
    actions: tuple[str, ...]
    not_actions: bool
    resources: tuple[str, ...] | None
    not_resources: bool
    principals: tuple[str, ...] | None
    not_principals: bool
    conditions: tuple[Condition, ...]
    has_variables: bool
    raw: Mapping[str, Any] = field(compare=False, hash=False, repr=False)


@dataclass(frozen=True, slots=True)
class Document:
    """A policy.

    Attributes:
        kind: the policy type in AWS's messages, such as `identity-based` or `permissions boundary`.
        name: as the console shows it.
        arn: of a managed policy, or the id of an organization's; empty for an inline one.
    """

    kind: str
    name: str
    arn: str
    statements: tuple[Statement, ...]
    raw: Mapping[str, Any] = field(compare=False, hash=False, repr=False)

    def label(self, statement: Statement) -> str:
        """A statement's label, for a sentence."""
        number = self.statements.index(statement) + 1
        which = f"statement {statement.sid}" if statement.sid else f"statement {number}"
        return f"{which} of {self.name}"


def parse(text: str | Mapping[str, Any], *, kind: str, name: str, arn: str = "") -> Document:
    """Parse a policy document.

    Raises:
        MalformedPolicy: the text is not JSON, or lacks an element that every policy has.
    """
    try:
        raw = json.loads(text) if isinstance(text, str) else text
        version = str(raw.get("Version", "2008-10-17"))
        statements = tuple(_statement(s, version) for s in _rows(raw["Statement"]))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise MalformedPolicy(f"{name} cannot be read: {type(error).__name__}") from None
    return Document(kind, name, arn, statements, raw)


def _statement(raw: Mapping[str, Any], version: str) -> Statement:
    effect = raw["Effect"]
    if effect not in ("Allow", "Deny"):
        raise ValueError(effect)
    return Statement(
        sid=str(raw.get("Sid", "")),
        allows=effect == "Allow",
        actions=_words(raw["NotAction"] if "NotAction" in raw else raw["Action"]),
        not_actions="NotAction" in raw,
        resources=_either(raw, "Resource", "NotResource", _words),
        not_resources="NotResource" in raw,
        principals=_either(raw, "Principal", "NotPrincipal", _principals),
        not_principals="NotPrincipal" in raw,
        conditions=tuple(_conditions(raw.get("Condition", {}))),
        has_variables=version >= VARIABLES_SINCE,
        raw=raw,
    )


def _either(raw: Mapping[str, Any], plain: str, negated: str, read: Any) -> Any:
    if negated in raw:
        return read(raw[negated])
    return read(raw[plain]) if plain in raw else None


def _principals(raw: Any) -> tuple[str, ...]:
    """The AWS principals only: services and federated users are never an instance's role."""
    if isinstance(raw, str):
        return (raw,)
    return _words(raw.get("AWS", ()))


def _conditions(raw: Mapping[str, Any]) -> Iterable[Condition]:
    for operator, pairs in raw.items():
        for key, values in pairs.items():
            yield Condition(operator, key, _words(values))


def _words(raw: Any) -> tuple[str, ...]:
    return tuple(_text(value) for value in _rows(raw))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _rows(raw: Any) -> list[Any]:
    return list(raw) if isinstance(raw, (list, tuple)) else [raw]
