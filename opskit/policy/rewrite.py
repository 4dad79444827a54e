"""Rewrites policy documents: adds a statement, or splits a deny so that it exempts some requests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opskit.policy.actions import EXPANSIONS
from opskit.policy.difference import WantedAccess
from opskit.policy.pattern import glob

VERSION = "2012-10-17"
WILDCARD = re.compile(r"[*?]")


def document(*statements: Mapping[str, Any]) -> dict[str, Any]:
    """A policy of these statements."""
    return {"Version": VERSION, "Statement": list(statements)}


def allow(wanted: WantedAccess, conditions: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The statement that allows the wanted access and nothing else.

    Args:
        conditions: a condition block that the statement also has to carry.
    """
    block = _with_equals(conditions or {}, wanted.conditions)
    statement = {
        "Effect": "Allow",
        "Action": _one_or_more(wanted.actions),
        "Resource": _one_or_more(wanted.resources),
    }
    return {**statement, "Condition": block} if block else statement


def with_statements(raw: Mapping[str, Any], *added: Mapping[str, Any]) -> dict[str, Any]:
    """A document with statements added at its end."""
    return {**raw, "Statement": [*rows(raw["Statement"]), *added]}


def free_sid(wanted: str, raw: Mapping[str, Any]) -> str:
    """A statement id that the document does not have."""
    taken = {str(s.get("Sid", "")) for s in rows(raw["Statement"])}
    sid, number = wanted, 2
    while sid in taken:
        sid, number = f"{wanted}{number}", number + 1
    return sid


def split_deny(
    raw: Mapping[str, Any], index: int, wanted: Sequence[WantedAccess]
) -> dict[str, Any] | None:
    """A document in which one deny exempts the wanted access and nothing else; None if impossible.

    Only a deny of listed actions on exactly `*` is split: the intent of a wider action or of a resource
    pattern cannot be known.
    """
    deny = rows(raw["Statement"])[index]
    if "Action" not in deny or rows(deny.get("Resource", ())) != ["*"]:
        return None
    listed = _listed(rows(deny["Action"]), wanted)
    if listed is None:
        return None
    spared = {a.lower() for w in wanted for a in w.actions}
    rest = [a for a in listed if a.lower() not in spared]
    parts = [{**deny, "Action": _one_or_more(rest)}] if rest else []
    for access in wanted:
        meant = {a.lower() for a in access.actions}
        actions = [a for a in listed if a.lower() in meant]
        exceptions = _exceptions(deny, actions, access) if actions else []
        if exceptions is None:
            return None
        parts += exceptions
    return _with_statement_replaced(raw, index, parts)


def _with_statement_replaced(
    raw: Mapping[str, Any], index: int, parts: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """A document with a statement replaced by parts, each with its own Sid if the statement had one."""
    statements = rows(raw["Statement"])
    replaced: dict[str, Any] = {**raw, "Statement": [*statements[:index], *statements[index + 1 :]]}
    for location, part in enumerate(parts, index):
        named = {"Sid": free_sid(str(part["Sid"]), replaced)} if part.get("Sid") else {}
        replaced["Statement"].insert(location, {**part, **named})
    return replaced


def _listed(actions: Iterable[Any], wanted: Sequence[WantedAccess]) -> list[str] | None:
    """The actions, with every pattern that matches a wanted one expanded; None where one cannot be."""
    wanted_actions = [a for w in wanted for a in w.actions]
    expanded: list[str] = []
    for pattern in (str(a) for a in actions):
        if not WILDCARD.search(pattern) or not any(glob(pattern, a) for a in wanted_actions):
            expanded.append(pattern)
        elif pattern.lower() in EXPANSIONS:
            expanded += EXPANSIONS[pattern.lower()]
        else:
            return None
    return list(dict.fromkeys(expanded))


def _exceptions(
    deny: Mapping[str, Any], actions: Sequence[str], access: WantedAccess
) -> list[dict[str, Any]] | None:
    """Denies of the wanted actions on all other resources, and on these under other conditions."""
    rest = {k: v for k, v in deny.items() if k not in ("Action", "Resource")}
    named = {**rest, "Action": _one_or_more(actions)}
    parts = [{**named, "NotResource": _one_or_more(access.resources)}]
    if not access.conditions:
        return parts
    block = dict(deny.get("Condition", {}))
    present = {key.lower() for key in block.get("StringNotEquals", {})}
    if len(access.conditions) > 1 or present & {key.lower() for key in access.conditions}:
        return None
    block["StringNotEquals"] = {**block.get("StringNotEquals", {}), **access.conditions}
    parts.append({**named, "Resource": _one_or_more(access.resources), "Condition": block})
    return parts


def _with_equals(block: Mapping[str, Any], wanted: Mapping[str, str]) -> dict[str, Any]:
    """A condition block with each wanted key added that the block does not contain already."""
    present = {key.lower() for pairs in block.values() for key in pairs}
    added = {key: value for key, value in wanted.items() if key.lower() not in present}
    if not added:
        return dict(block)
    return {**block, "StringEquals": {**block.get("StringEquals", {}), **added}}


def rows(value: Any) -> list[Any]:
    """The values of a policy element as a list; the element may hold one value or a list."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _one_or_more(values: Sequence[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)
