"""Encodes facts as JSON and decodes them, as the annotations of their types declare.

A dataclass becomes an object of its fields, without those that have their default. Where a union or a base
class is declared, the class's name stands under `$type`. An enum is its value, a time is ISO 8601, bytes
are base64, and a mapping whose keys are no texts is a list of pairs. Secrets are refused.
"""

from __future__ import annotations

import base64
import dataclasses
import sys
import types
import typing
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, Union, cast

from opskit.secret import Secret

TYPE = "$type"
PLAIN: tuple[type, ...] = (str, bool, int, float, type(None))


class CodecError(ValueError):
    """A value or its type cannot be encoded, or a text does not fit the type."""


def encode(hint: Any, value: Any) -> Any:
    """The JSON value for a value whose declared type is `hint`.

    Raises:
        CodecError: it is a secret, or an object that is no data.
    """
    if isinstance(value, Secret):
        raise CodecError("a secret is never written")
    if hint is Any:
        return _plain(value)
    arms = _arms(hint)
    if dataclasses.is_dataclass(value) and not (len(arms) == 1 and arms[0] is type(value)):
        fields = encode(type(value), value)
        return {TYPE: type(value).__name__, **fields}
    if value is None or type(value) in PLAIN:
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if dataclasses.is_dataclass(value):
        hints = _hints(cast(Any, type(value)))
        return {
            field.name: encode(hints[field.name], getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.init and not _has_default(field, getattr(value, field.name))
        }
    return _encode_collection(_arm_for(arms, value), value)


def decode(hint: Any, raw: Any) -> Any:
    """The value of declared type `hint` for a JSON value.

    Raises:
        CodecError: the JSON value does not fit the type.
    """
    if hint is Any:
        return raw
    arms = _arms(hint)
    if raw is None and type(None) in arms:
        return None
    arms = tuple(arm for arm in arms if arm is not type(None))
    if isinstance(raw, dict) and TYPE in raw:
        concrete = next((k for arm in arms for k in _family(arm) if k.__name__ == raw[TYPE]), None)
        if concrete is None:
            raise CodecError(f"{raw[TYPE]!r} is not one of {hint}")
        return _decode_one(concrete, {key: item for key, item in raw.items() if key != TYPE})
    if len(arms) == 1:
        return _decode_one(arms[0], raw)
    fitting = [arm for arm in arms if isinstance(arm, type) and type(raw) is arm]
    if len(fitting) != 1:
        raise CodecError(f"{type(raw).__name__} is not one of {hint}")
    return raw


def _encode_collection(hint: Any, value: Any) -> Any:
    arguments = typing.get_args(hint)
    if isinstance(value, Mapping):
        key_hint, of = arguments or (str, Any)
        if key_hint is str:
            return {str(key): encode(of, item) for key, item in value.items()}
        return [[encode(key_hint, key), encode(of, item)] for key, item in value.items()]
    if isinstance(value, frozenset | set):
        of = arguments[0] if arguments else Any
        return sorted((encode(of, item) for item in value), key=repr)
    if isinstance(value, tuple | list):
        return [
            encode(of, item)
            for of, item in zip(_item_hints(arguments, len(value)), value, strict=True)
        ]
    raise CodecError(f"{type(value).__name__} is no data")


def _decode_one(hint: Any, raw: Any) -> Any:
    origin, arguments = typing.get_origin(hint) or hint, typing.get_args(hint)
    if dataclasses.is_dataclass(origin):
        return _decode_dataclass(cast(type, origin), raw)
    if isinstance(origin, type) and issubclass(origin, Enum):
        return _convert(origin, raw)
    if origin is datetime:
        return _convert(datetime.fromisoformat, raw)
    if origin is bytes:
        return _convert(lambda text: base64.b64decode(text, validate=True), raw)
    if origin is float and type(raw) is int:
        return float(raw)
    if origin in PLAIN:
        if type(raw) is not origin:
            raise CodecError(f"{raw!r} is no {origin.__name__}")
        return raw
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _decode_mapping(arguments, raw)
    if isinstance(raw, list):
        hints = _item_hints(arguments, len(raw))
        items = [decode(of, item) for of, item in zip(hints, raw, strict=True)]
        return frozenset(items) if origin in (frozenset, set) else tuple(items)
    raise CodecError(f"{type(raw).__name__} is no {hint}")


def _decode_mapping(arguments: tuple[Any, ...], raw: Any) -> dict[Any, Any]:
    key_hint, of = arguments or (str, Any)
    if key_hint is str and isinstance(raw, dict):
        return {key: decode(of, item) for key, item in raw.items()}
    if key_hint is not str and isinstance(raw, list):
        if not all(isinstance(pair, list) and len(pair) == 2 for pair in raw):
            raise CodecError("a mapping's item is no pair")
        return {decode(key_hint, key): decode(of, item) for key, item in raw}
    raise CodecError(f"{type(raw).__name__} is no mapping")


def _decode_dataclass(kind: type, raw: Any) -> Any:
    if not isinstance(raw, dict):
        raise CodecError(f"{kind.__name__} is no object")
    hints = _hints(kind)
    unknown = raw.keys() - {f.name for f in dataclasses.fields(kind) if f.init}
    if unknown:
        raise CodecError(f"{kind.__name__} has no field {', '.join(sorted(unknown))}")
    try:
        return kind(**{name: decode(hints[name], item) for name, item in raw.items()})
    except TypeError as error:
        raise CodecError(f"{kind.__name__}: {error}") from None


def _convert(function: Callable[[Any], Any], raw: Any) -> Any:
    try:
        return function(raw)
    except (ValueError, TypeError) as error:
        raise CodecError(str(error)) from None


def _plain(value: Any) -> Any:
    """A value of undeclared type: JSON's own kinds only."""
    if isinstance(value, Secret):
        raise CodecError("a secret is never written")
    if value is None or type(value) in PLAIN:
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    raise CodecError(f"{type(value).__name__} is no data")


def _has_default(field: dataclasses.Field[Any], value: Any) -> bool:
    if field.default is not dataclasses.MISSING:
        return type(value) is type(field.default) and bool(value == field.default)
    if field.default_factory is not dataclasses.MISSING:
        return bool(value == field.default_factory())
    return False


def _item_hints(arguments: tuple[Any, ...], count: int) -> tuple[Any, ...]:
    """The declared types of a sequence's items."""
    if not arguments:
        return (Any,) * count
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return (arguments[0],) * count
    if len(arguments) != count and len(arguments) > 1:
        raise CodecError(f"{count} items in place of {len(arguments)}")
    return arguments if len(arguments) == count else (arguments[0],) * count


def _family(kind: Any) -> list[type]:
    """A class and all classes that are derived from it."""
    if not isinstance(kind, type):
        return []
    subclasses: list[type] = type.__subclasses__(kind)
    family = [k for derived in subclasses for k in _family(derived)]
    # dataclass(slots=True) makes a second class, and the first one stays among the subclasses.
    is_current = getattr(sys.modules[kind.__module__], kind.__name__, None) is kind
    return [kind, *family] if is_current else family


def _arms(hint: Any) -> tuple[Any, ...]:
    if typing.get_origin(hint) in (Union, types.UnionType):
        return typing.get_args(hint)
    return (hint,)


def _arm_for(arms: tuple[Any, ...], value: Any) -> Any:
    """The arm of a union that declares a collection, for the types of its items."""
    fitting = [
        arm
        for arm in arms
        if isinstance(typing.get_origin(arm) or arm, type)
        and isinstance(value, typing.get_origin(arm) or arm)
    ]
    return fitting[0] if fitting else Any


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)
