"""Parses a runbook into steps and blocks, and checks its format."""

from __future__ import annotations

import re
from dataclasses import dataclass

from opskit.engine import ENGINES
from opskit.runbook.catalogue import Runbook

KINDS = ("sh read", "sh change", "text output")
"""Kinds of fenced blocks: a command that only reads, one that changes something, output to compare."""
SAFEGUARDS = ("0.0.0.0/0", *dict.fromkeys(engine.tls.parameter for engine in ENGINES.values()))
"""Texts of commands that open a database to everyone or switch forced TLS off."""
NEEDED = ("Decide first", "Fix", "Verify", "What is not the fix", "Afterwards")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block, with the heading above it."""

    heading: str
    kind: str
    text: str


def blocks(text: str) -> tuple[Block, ...]:
    """Return all fenced blocks in order."""
    parsed: list[Block] = []
    heading, kind, lines = "", "", list[str]()
    for line in text.splitlines():
        if line.startswith("```") and not kind:
            kind, lines = line.removeprefix("```").strip() or "none", []
        elif line == "```":
            parsed.append(Block(heading, kind, "\n".join(lines)))
            kind = ""
        elif kind:
            lines.append(line)
        elif line.startswith("## "):
            heading = line.removeprefix("## ")
    return tuple(parsed)


def headings(text: str) -> tuple[str, ...]:
    """Return all second-level headings in order."""
    return tuple(re.findall(r"^## (.+)$", text, re.MULTILINE))


def anchor(heading: str) -> str:
    """Return the anchor of a heading, as web hosts generate it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def lint(runbook: Runbook) -> list[str]:
    """Return the problems that keep a person or a program from following the runbook."""
    wrong = [f"no heading '{name}'" for name in NEEDED if name not in headings(runbook.text)]
    for block in blocks(runbook.text):
        if block.kind not in KINDS:
            wrong.append(f"block under '{block.heading}' is marked '{block.kind}'")
        if block.kind == "sh change" and any(text in block.text for text in SAFEGUARDS):
            wrong.append(f"block under '{block.heading}' turns a safety off")
    anchors = {anchor(h) for h in headings(runbook.text)}
    for link in re.findall(r"\]\(#([^)]+)\)", runbook.text):
        if link not in anchors:
            wrong.append(f"link to #{link}, which does not exist")
    for heading in headings(runbook.text):
        if heading.startswith("Step ") and not _section(runbook.text, heading).count("\nExpect: "):
            wrong.append(f"'{heading}' does not say what to expect")
    return wrong


def _section(text: str, heading: str) -> str:
    return text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
