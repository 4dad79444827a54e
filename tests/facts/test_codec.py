"""Facts as JSON: each kind of annotation, there and back, and what is refused."""

from __future__ import annotations

import json
from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opskit.facts.codec import CodecError, decode, encode
from opskit.secret import Secret


class Colour(Enum):
    """Values of two types."""

    RED = 1
    NONE = "none"


class Word(StrEnum):
    """A text."""

    YES = "yes"


@dataclass(frozen=True)
class Leaf:
    """A member of a union."""

    name: str


@dataclass(frozen=True)
class Twig:
    """Another, with the same field."""

    name: str


class Seed(ABC):  # noqa: B024  as an interface of facts is
    """A base class without fields."""


@dataclass(frozen=True, slots=True)
class Acorn(Seed):
    """A class derived from it."""

    weight: int


@dataclass(frozen=True, slots=True)
class Oak(Acorn):
    """A class derived from a class with fields."""

    age: int = 1


@dataclass(frozen=True)
class Tree:
    """A field of every kind."""

    leaf: Leaf
    either: Leaf | Twig | str | None
    many: tuple[Leaf | Twig, ...]
    pair: tuple[str, int]
    by_name: Mapping[str, tuple[int, ...]]
    members: frozenset[str]
    colour: Colour
    word: Word
    moment: datetime
    raw: bytes
    ratio: float
    document: Any
    by_pair: Mapping[tuple[str, int | None], bool]
    seed: Seed
    acorns: tuple[Acorn, ...]
    count: int = 7
    names: tuple[str, ...] = ()
    more: Mapping[str, str] = field(default_factory=dict)


TREE = Tree(
    Leaf("a"),
    Twig("b"),
    (Leaf("c"), Twig("c")),
    ("x", 1),
    {"k": (1, 2)},
    frozenset({"m", "n"}),
    Colour.NONE,
    Word.YES,
    datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
    b"\x00\xff",
    2.0,
    {"Statement": [{"Effect": "Allow"}]},
    {("a", 1): True, ("b", None): False},
    Acorn(3),
    (Acorn(1), Oak(2, 100)),
)


def there_and_back(hint: Any, value: Any) -> Any:
    return decode(hint, json.loads(json.dumps(encode(hint, value))))


def test_a_value_of_every_kind_comes_back() -> None:
    assert there_and_back(Tree, TREE) == TREE
    assert "count" not in encode(Tree, TREE), "a default is not written"
    assert there_and_back(Tree, Tree(**{**TREE.__dict__, "either": None, "count": 0})).count == 0
    assert there_and_back(Tree, Tree(**{**TREE.__dict__, "either": "text"})).either == "text"


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (Secret, Secret("abcdefgh")),
        (Any, {"k": [Secret("abcdefgh")]}),
        (tuple[Secret, ...], (Secret("abcdefgh"),)),
        (Any, object()),
        (Leaf, object()),
    ],
)
def test_secrets_and_objects_are_refused(hint: Any, value: Any) -> None:
    with pytest.raises(CodecError):
        encode(hint, value)


@pytest.mark.parametrize(
    ("hint", "raw"),
    [
        (Leaf, {"name": 1}),
        (Leaf, {}),
        (Leaf, {"name": "a", "age": 1}),
        (Leaf, ["a"]),
        (Leaf | Twig, {"$type": "Tree", "name": "a"}),
        (Leaf | Twig, {"name": "a"}),
        (Seed, {"weight": 3}),
        (Seed, {"$type": "Leaf", "name": "a"}),
        (int, True),
        (str, None),
        (str | None, 1),
        (Colour, "blue"),
        (datetime, "yesterday"),
        (bytes, "no base64!"),
        (tuple[str, ...], "ab"),
        (tuple[str, ...], [1]),
        (tuple[str, int], ["a"]),
        (Mapping[str, int], [["a", 1]]),
        (Mapping[int, int], {"1": 1}),
        (Mapping[int, int], [[1]]),
    ],
)
def test_what_does_not_fit_its_type_is_refused(hint: Any, raw: Any) -> None:
    with pytest.raises(CodecError):
        decode(hint, raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(JSON)
def test_a_document_of_any_form_is_kept(document: Any) -> None:
    assert there_and_back(Any, document) == document


@given(JSON)
def test_no_document_breaks_the_decoder(document: Any) -> None:
    try:
        decode(Tree, document)
    except CodecError:
        return
    raise AssertionError("no document is a tree by chance")
