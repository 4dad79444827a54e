"""Snapshots that were recorded from the sandbox: the healthy app, and each fault.

A fault's file holds only the facts that differ from the healthy ones. `make snapshots` records them again,
all from one sandbox.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from opskit.facts import snapshot_file
from opskit.facts.snapshot import Snapshot

DIRECTORY = Path(__file__).parent
HEALTHY = "healthy"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(\+00:00|Z)")


def path_of(name: str) -> Path:
    """The file of a recorded snapshot."""
    return DIRECTORY / f"{name}.json"


def names() -> list[str]:
    """The recorded faults, in alphabetical order."""
    return sorted(p.stem for p in DIRECTORY.glob("*.json") if p.stem != HEALTHY)


def load(name: str) -> Snapshot:
    """A recorded snapshot, whole."""
    document = json.loads(path_of(HEALTHY).read_text())
    if name != HEALTHY:
        change = json.loads(path_of(name).read_text())
        document["facts"].update(change["facts"])
        document["facts"] = {k: v for k, v in document["facts"].items() if v is not None}
    return snapshot_file.load(json.dumps(document))


def difference(healthy: dict[str, Any], faulty: dict[str, Any]) -> dict[str, Any]:
    """The facts of a document that differ from the healthy ones; None for one that is not there."""
    facts: dict[str, Any] = {}
    for name in sorted(healthy["facts"].keys() | faulty["facts"].keys()):
        before, after = healthy["facts"].get(name), faulty["facts"].get(name)
        if content_of(before) != content_of(after):
            facts[name] = after
    return {"facts": facts}


def content_of(raw: Any) -> object:
    """A fact's JSON as far as it says something: without moments, fractions and order."""
    if isinstance(raw, dict):
        return {key: content_of(item) for key, item in raw.items() if key != "read_at"}
    if isinstance(raw, list):
        return sorted((content_of(item) for item in raw), key=repr)
    if isinstance(raw, float):
        return round(raw, -2)
    return "a moment" if isinstance(raw, str) and MOMENT.fullmatch(raw) else raw
