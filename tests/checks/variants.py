"""Other values of a fact, made from its type: emptied, contradicting, one place at a time or all at once."""

from __future__ import annotations

import dataclasses
import ipaddress
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Union

OTHER_TEXT = "another"
OTHER_ADDRESS, OTHER_RANGE = "192.0.2.9", "192.0.2.0/24"
AGES = timedelta(days=3650)


def hints_of(kind: Any) -> Mapping[str, Any]:
    return typing.get_type_hints(kind)


def fields_of(value: Any) -> list[tuple[str, Any]]:
    """(name, declared type) of each field that a value of the type is made with."""
    hints = hints_of(type(value))
    return [(f.name, hints[f.name]) for f in dataclasses.fields(value) if f.init]


def may_be_none(hint: Any) -> bool:
    is_union = typing.get_origin(hint) in (Union, types.UnionType)
    return is_union and type(None) in typing.get_args(hint)


def emptied(value: Any, hint: Any = None) -> Any:
    """The value with nothing in it: no text, no row, and None wherever the type allows that."""
    if may_be_none(hint):
        return None
    if isinstance(value, str) and not isinstance(value, Enum):
        return ""
    if isinstance(value, tuple | frozenset | Mapping):
        return type(value)() if not isinstance(value, types.MappingProxyType) else {}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changes = {n: emptied(getattr(value, n), h) for n, h in fields_of(value)}
        return replace(value, **changes)
    return value


def other_text(text: str) -> str:
    """Another text of the same kind: AWS reports an address or a range where it has reported one."""
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return OTHER_TEXT
    return OTHER_RANGE if "/" in text else OTHER_ADDRESS


def others(value: Any, hint: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """(description, value) of every other value of one place."""
    if value is not None and may_be_none(hint):
        yield "none", None
    if isinstance(value, bool):
        yield "opposite", not value
    elif isinstance(value, Enum):
        yield from ((f"member {m.name}", m) for m in type(value) if m is not value)
    elif isinstance(value, str):
        yield from ((repr(t), t) for t in ("", other_text(value)) if t != value)
    elif isinstance(value, int | float):
        yield from (("zero", type(value)(0)), ("more", value + 1))
    elif isinstance(value, datetime):
        yield from (("earlier", value - AGES), ("later", value + AGES))
    elif isinstance(value, tuple | frozenset | Mapping):
        if value:
            yield "empty", emptied(value)
        if depth and isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0]):
            for description, first in variants(value[0], depth - 1):
                yield f"first {description}", (first, *value[1:])
    elif depth and dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from variants(value, depth - 1)


def variants(value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """(description, value) of a dataclass with one place changed, down to a depth."""
    for name, hint in fields_of(value):
        for description, other in others(getattr(value, name), hint, depth):
            yield f"{name} {description}", replace(value, **{name: other})
