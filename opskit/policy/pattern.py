"""Patterns with wildcards and policy variables.

Source: IAM User Guide, Resource element (`*` as the last character of a segment matches across the
colon), Action element (case-insensitive), policy variables and their default values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from opskit.policy.request import Context, Presence

VARIABLE = re.compile(r"\$\{([^}]*)\}")
LITERALS = {"*": "*", "?": "?", "$": "$"}
"""Variables that stand for a character with a special meaning."""
ARN_PARTS = 6


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern with its variables filled in.

    Attributes:
        parts: (text, whether it is literal), in order.
        is_void: a variable has no value in this request, so the pattern matches nothing.
        depends_on: keys of variables whose value is not known.
    """

    parts: tuple[tuple[str, bool], ...]
    is_void: bool = False
    depends_on: frozenset[str] = frozenset()

    @property
    def text(self) -> str:
        """The whole pattern as text, for comparison without wildcards."""
        return "".join(text for text, _ in self.parts)


def fill(text: str, context: Context, *, has_variables: bool) -> Pattern:
    """Substitute the request's values for a pattern's variables."""
    if not has_variables or "${" not in text:
        return Pattern(((text, False),))
    parts: list[tuple[str, bool]] = []
    unknown, is_void, at = set(), False, 0
    for variable in VARIABLE.finditer(text):
        parts.append((text[at : variable.start()], False))
        at = variable.end()
        key, _, default = (part.strip() for part in variable.group(1).partition(","))
        if key in LITERALS:
            parts.append((LITERALS[key], True))
            continue
        presence = context.presence(key)
        if presence is Presence.KNOWN:
            parts.append((context.get(key)[0], True))
        elif presence is Presence.UNKNOWN:
            unknown.add(key)
        elif default:
            parts.append((default.strip("'"), True))
        else:
            is_void = True
    parts.append((text[at:], False))
    return Pattern(tuple(parts), is_void, frozenset(unknown))


def fits(pattern: Pattern, text: str) -> bool:
    """Whether a pattern matches a whole text: `*` is any number of characters, `?` exactly one."""
    return not pattern.is_void and _expression(pattern.parts, False).fullmatch(text) is not None


def glob(pattern: str, text: str) -> bool:
    """Whether a pattern without variables matches a text, ignoring case: for names of actions."""
    return _expression(((pattern, False),), True).fullmatch(text) is not None


def fits_resource(pattern: Pattern, arn: str) -> bool:
    """Whether a resource matches: `*` crosses a colon only as the last character of a segment."""
    if pattern.is_void:
        return False
    return _resource_expression(pattern.parts).fullmatch(arn) is not None


def fits_arn(pattern: Pattern, arn: str) -> bool:
    """Whether an ARN matches, each of its six parts separately: here `*` does not cross a colon."""
    if pattern.is_void:
        return False
    parts, wanted = arn.split(":", ARN_PARTS - 1), _split(pattern.parts)
    if len(parts) != ARN_PARTS or len(wanted) != ARN_PARTS:
        return pattern.text == "*"
    return all(
        _expression(part, False).fullmatch(text) is not None
        for part, text in zip(wanted, parts, strict=True)
    )


def _split(parts: tuple[tuple[str, bool], ...]) -> list[tuple[tuple[str, bool], ...]]:
    """A pattern split at its first five colons."""
    pieces: list[list[tuple[str, bool]]] = [[]]
    for text, is_literal in parts:
        rest = text
        while ":" in rest and len(pieces) < ARN_PARTS:
            head, _, rest = rest.partition(":")
            pieces[-1].append((head, is_literal))
            pieces.append([])
        pieces[-1].append((rest, is_literal))
    return [tuple(part) for part in pieces]


@lru_cache(maxsize=4096)
def _expression(parts: tuple[tuple[str, bool], ...], ignore_case: bool) -> re.Pattern[str]:
    text = "".join(re.escape(t) if literal else _translate(t) for t, literal in parts)
    return re.compile(text, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


@lru_cache(maxsize=4096)
def _resource_expression(parts: tuple[tuple[str, bool], ...]) -> re.Pattern[str]:
    pieces = []
    for number, (text, is_literal) in enumerate(parts):
        is_last = number == len(parts) - 1
        for at, sign in enumerate(text):
            ends = text[at + 1 : at + 2] == ":" or (is_last and at == len(text) - 1)
            if sign == "*" and not is_literal:
                pieces.append(".*" if ends else "[^:]*")
            else:
                pieces.append("." if sign == "?" and not is_literal else re.escape(sign))
    return re.compile("".join(pieces), re.DOTALL)


def _translate(text: str) -> str:
    return "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in text)
