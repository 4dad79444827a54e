"""Calls by signature: a reader, an analysis or a check declares the facts that it takes and gives.

The parameters' types are the inputs, the return type is the output. No list of dependencies is kept.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Union

from opskit.facts.interface import Fact, Known, Unknown

Function = Callable[..., Any]
FactOf = Callable[[type], Fact[Any]]
"""Answers the fact of a type."""


@dataclass(frozen=True, slots=True)
class Input:
    """One parameter of a reader or a check.

    Attributes:
        tolerant: declared as `Fact[X]`, so the function takes an unknown fact too. Otherwise it is
            only called when the fact is known.
    """

    name: str
    type: type
    tolerant: bool


@cache
def inputs_of(function: Callable[..., object]) -> tuple[Input, ...]:
    """The inputs that a function's signature declares."""
    hints = typing.get_type_hints(function)
    names = inspect.signature(function).parameters
    return tuple(_input(name, hints[name]) for name in names)


@cache
def outputs_of(reader: Callable[..., object]) -> tuple[type, ...]:
    """The fact types that a reader's signature promises: one, or those of a tuple."""
    hint = typing.get_type_hints(reader)["return"]
    if typing.get_origin(hint) is tuple:
        return typing.get_args(hint)
    return (hint,)


def _input(name: str, hint: Any) -> Input:
    if typing.get_origin(hint) in (Union, types.UnionType):
        known = next(arm for arm in typing.get_args(hint) if typing.get_origin(arm) is Known)
        return Input(name, typing.get_args(known)[0], tolerant=True)
    return Input(name, hint, tolerant=False)


def producers(functions: Iterable[Function]) -> dict[type, Function]:
    """Fact type -> the function that produces it."""
    return {kind: function for function in functions for kind in outputs_of(function)}


def blocking_input(function: Function, fact_of: FactOf) -> Unknown | None:
    """The first unknown fact that keeps a function from being called; None where it can be called."""
    for item in inputs_of(function):
        if not item.tolerant:
            fact = fact_of(item.type)
            if isinstance(fact, Unknown):
                return fact
    return None


def bind(function: Function, fact_of: FactOf) -> dict[str, Any]:
    """The arguments for a function that no unknown fact blocks: values, and facts where tolerant."""
    arguments: dict[str, Any] = {}
    for item in inputs_of(function):
        fact = fact_of(item.type)
        arguments[item.name] = fact.value if isinstance(fact, Known) and not item.tolerant else fact
    return arguments


def by_type(function: Function, result: Any) -> dict[type, Any]:
    """A function's result as fact type -> value."""
    kinds = outputs_of(function)
    values = result if len(kinds) > 1 else (result,)
    return dict(zip(kinds, values, strict=True))
