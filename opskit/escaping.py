"""Escapes the characters that a terminal would act on, reorder or hide: escapes, bidi controls, zero width.

Texts from AWS, the database, the app and the instance are data. They are exact in every fact and in JSON,
and pass through this module on their way into text for people.
"""

from __future__ import annotations

import re
from typing import Any

BLANK_LETTERS = (
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)
"""Characters that Unicode counts as letters or marks, but that are invisible."""
OWN_STYLES = "(\033\\[(?:0|1|2|32|33|35|31;1|33;1)m)"
"""The colours that opskit itself writes; none of them hides text."""


class ControlCharacter(str):
    """A control sequence of opskit itself, which the streams let pass; no external text becomes one."""

    __slots__ = ()


ERASE_LINE = ControlCharacter("\r\033[K")


def visible(text: str) -> str:
    r"""The text as one line of visible characters, others as their escape (`\x1b`)."""
    if _is_visible(text):
        return text
    return "".join(map(_shown, text))


def visible_lines(text: str) -> list[str]:
    """The lines of a multi-line text, each visible; only a line feed ends one."""
    return [visible(line) for line in text.split("\n")]


def for_terminal(text: str) -> str:
    """Opskit's whole output, with its lines, tabs and colours, and no other invisible character."""
    return "".join(
        part if index % 2 else re.sub(r"[^\n\t]+", lambda m: visible(m[0]), part)
        for index, part in enumerate(re.split(OWN_STYLES, text))
    )


def to_json(document: Any, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """JSON that parses to exactly the document, and has no character that a terminal would act on."""
    import json

    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    return re.sub(r"[^\n\x20-\x7e]", lambda m: _escaped(m[0]), text)


def _is_visible(text: str) -> bool:
    return text.isprintable() and (text.isascii() or not re.search(BLANK_LETTERS, text))


def _shown(character: str) -> str:
    if _is_visible(character):
        return character
    return character.encode("unicode_escape").decode("ascii")


def _escaped(character: str) -> str:
    if _is_visible(character):
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(
        f"\\u{high:02x}{low:02x}" for high, low in zip(units[::2], units[1::2], strict=True)
    )
