"""Finds the places where a program reads its own sentences, for `test_house.py`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

SENTENCES = frozenset(
    {"text", "summary", "message", "reason", "decided_by", "why", "why_none", "sentence", "advice"}
    | {"unknown_reason", "selection_reason", "conflict", "next_step", "caution", "excerpt"}
)
"""The attributes that hold a sentence."""
VARIABLES = SENTENCES - {"text", "advice"}
"""The variables that hold a sentence in every module."""
CODES = frozenset({"code", "status", "state"})
"""The attributes and variables of which a part is no code of its own."""
ERRORS = frozenset({"error", "exc", "exception"})
UNCHANGED = frozenset({"lower", "upper", "strip", "lstrip", "rstrip", "casefold"})
SEARCHES = frozenset(
    {"startswith", "endswith", "split", "rsplit", "partition", "rpartition", "find", "index"}
    | {"count", "search", "match", "fullmatch", "findall", "finditer", "removeprefix"}
    | {"removesuffix", "replace", "sub"}
)
PHRASE = re.compile(r"[A-Za-z]+,? [A-Za-z]{2,}|, or | and ")


def places(tree: ast.AST, *, is_judgement: bool) -> Iterator[tuple[int, str]]:
    """The places where a sentence is compared or searched: line and name.

    Args:
        is_judgement: a module of judgement, in which a variable `text` or `words` is a sentence too.
    """
    variables = VARIABLES | {"text", "words"} if is_judgement else VARIABLES
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            found = list(_of_comparison(node, variables))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            found = list(_of_call(node, node.func, variables))
        else:
            continue
        yield from ((node.lineno, name) for name in dict.fromkeys(found))


def _of_comparison(node: ast.Compare, variables: frozenset[str]) -> Iterator[str]:
    left = node.left
    for operator, right in zip(node.ops, node.comparators, strict=True):
        sides = (left, right)
        if isinstance(operator, ast.In | ast.NotIn):
            yield from filter(None, (_name(side, variables) for side in sides))
            if isinstance(left, ast.Constant) and isinstance(left.value, str):
                yield from filter(None, (_code(right), "" if _is_list(right) else _phrase(left)))
        elif isinstance(operator, ast.Eq | ast.NotEq) and not any(map(_is_empty, sides)):
            yield from filter(None, (_name(side, variables) for side in sides))
        left = right


def _of_call(node: ast.Call, method: ast.Attribute, variables: frozenset[str]) -> Iterator[str]:
    if method.attr not in SEARCHES:
        return
    searched = (method.value, *node.args)
    yield from filter(None, (_name(part, variables) for part in searched))
    yield from filter(None, (_phrase(argument) for argument in node.args[:1]))


def _name(node: ast.expr, variables: frozenset[str]) -> str:
    """The name of the sentence that an expression is, as it is or in other letters; empty for others."""
    match node:
        case ast.Call(func=ast.Attribute(attr=method, value=value)) if method in UNCHANGED:
            return _name(value, variables)
        case ast.Call(func=ast.Name(id="str"), args=[ast.Name(id=name)]) if name in ERRORS:
            return f"str({name})"
        case ast.Call(func=ast.Name(id="str"), args=[value]):
            return _name(value, variables)
        case ast.Subscript(value=value):
            return _name(value, variables)
        case ast.Attribute(attr=name) if name in SENTENCES:
            return name
        case ast.Name(id=name) if name in variables:
            return name
    return ""


def _code(node: ast.expr) -> str:
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return name if name in CODES else ""


def _phrase(node: ast.expr) -> str:
    """A text of several words that something is searched for; empty for others."""
    text = node.value if isinstance(node, ast.Constant) else None
    return f"'{text}'" if isinstance(text, str) and PHRASE.search(text) else ""


def _is_list(node: ast.expr) -> bool:
    return isinstance(node, ast.Tuple | ast.List | ast.Set | ast.Dict)


def _is_empty(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and not node.value
