"""The runbooks that come with opskit, by name and by the codes they treat."""

from __future__ import annotations

import difflib
import importlib.resources
from dataclasses import dataclass
from functools import lru_cache

from opskit.errors import UsageError

FENCE = "---"


@dataclass(frozen=True, slots=True)
class Runbook:
    """One runbook.

    Attributes:
        symptoms: texts by which a user recognises the problem.
        codes: the findings it treats.
        text: Markdown without the front matter.
    """

    name: str
    title: str
    symptoms: tuple[str, ...]
    codes: tuple[str, ...]
    text: str


@lru_cache(maxsize=1)
def all_runbooks() -> tuple[Runbook, ...]:
    """Return every runbook of the package, by name."""
    folder = importlib.resources.files("opskit") / "runbooks"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".md")), key=lambda f: f.name)
    return tuple(parse_front(f.read_text(encoding="utf-8")) for f in files if f.name != "README.md")


def find(name: str) -> Runbook:
    """Return the runbook of a name.

    Raises:
        UsageError: there is none.
    """
    names = {r.name: r for r in all_runbooks()}
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"Did you mean '{near[0]}'?" if near else "opskit runbook list   shows them"
        raise UsageError(f"there is no runbook '{name}'", hint)
    return names[name]


def for_code(code: str) -> Runbook | None:
    """Return the runbook that treats a finding."""
    return next((r for r in all_runbooks() if code in r.codes), None)


def parse_front(text: str) -> Runbook:
    """Read the front matter: `key: value` lines, and `- item` lines below a key without a value."""
    _, front_matter, body = text.split(f"{FENCE}\n", 2)
    values: dict[str, list[str]] = {}
    key = ""
    for line in front_matter.splitlines():
        if line.startswith("- "):
            values[key].append(line[2:].strip().strip('"'))
        elif ":" in line:
            key, _, value = line.partition(":")
            values[key] = [part.strip().strip('"') for part in value.split(",") if part.strip()]
    return Runbook(
        name=", ".join(values["name"]),
        title=", ".join(values["title"]),
        symptoms=tuple(values.get("symptoms", ())),
        codes=tuple(values.get("codes", ())),
        text=body.lstrip("\n"),
    )
