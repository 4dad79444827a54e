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
MISSING = "\0"
"""In place of a field or an item that is not there."""
IDS = (
    *("group_id", "subnet_id", "acl_id", "table_id", "rule_id", "peering_id", "identifier"),
    *("destination", "number", "is_egress", "name", "who", "host", "port", "purpose"),
)
"""Fields that tell the items of a list apart."""
ID = re.compile(
    r"\b((?:[a-z]+-)?)(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{17})\b"
    r"|(opskit-sandbox-)\w{8}\b|\b(db-)[A-Z0-9]{26}\b"
)
"""The ids of EC2 with their prefix, UUIDs, a sandbox's directory, and the ids of RDS."""
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


def combine(first: str, second: str) -> Snapshot:
    """Two recorded faults at once: what either of them changed.

    Where both changed one value, the first counts: it is the fault of the earlier step, which hides what
    the later step would show.
    """
    healthy, one, other = (_document(name)["facts"] for name in (HEALTHY, first, second))
    facts = _merge(healthy, one, other)
    document = {**_document(HEALTHY), "facts": {k: v for k, v in facts.items() if v is not None}}
    return snapshot_file.load(json.dumps(document))


def _document(name: str) -> dict[str, Any]:
    """A recorded snapshot's document, with fingerprints that can be compared between recordings.

    Every recording has a key of its own; a fingerprint is only compared with those of the same one.
    """
    document: dict[str, Any] = json.loads(path_of(HEALTHY).read_text())
    if name != HEALTHY:
        document["facts"].update(json.loads(path_of(name).read_text())["facts"])
    labels: dict[str, str] = {}
    parameters = (document["facts"]["StoredCredential"] or {}).get("value", {}).get("existing", [])
    for parameter in parameters:
        labels[parameter["fingerprint"]] = f"fingerprint of the {parameter['purpose']}"
    probe = (document["facts"]["InstanceProbe"] or {}).get("value", {}).get("result", {})
    for container in probe.get("containers", []):
        for setting in container.get("settings", []):
            if setting["name"] == "password":
                is_known = any(label.endswith("password") for label in labels.values())
                label = (
                    "fingerprint of another password" if is_known else "fingerprint of the password"
                )
                labels.setdefault(setting["value"], label)
    text = json.dumps(document)
    for fingerprint, label in labels.items():
        text = text.replace(json.dumps(fingerprint), json.dumps(label))
    renamed: dict[str, Any] = json.loads(text)
    return renamed


def _merge(before: Any, one: Any, other: Any) -> Any:
    """A value after two changes of it, by the fields and items that each of them changed."""
    if content_of(other) == content_of(before):
        return one
    if content_of(one) == content_of(before):
        return other
    if isinstance(one, dict) and isinstance(other, dict):
        if "unknown" in one or "unknown" in other:
            return one if "unknown" in one else other
        return _merge_fields(before if isinstance(before, dict) else {}, one, other)
    if isinstance(one, list) and isinstance(other, list):
        return _merge_items(before if isinstance(before, list) else [], one, other)
    return one


def _merge_fields(
    before: dict[str, Any], one: dict[str, Any], other: dict[str, Any]
) -> dict[str, Any]:
    merged = {}
    for key in {**one, **other}:
        present = [document.get(key, MISSING) for document in (before, one, other)]
        value = _merge(*present)
        if value is not MISSING:
            merged[key] = value
    return merged


def _merge_items(before: list[Any], one: list[Any], other: list[Any]) -> list[Any]:
    """Items by their first field, which is the id or the name of most facts; others by all of it."""
    by_id = [{_id(item): item for item in items} for items in (before, one, other)]
    if any(
        len(named) < len(items) for named, items in zip(by_id, (before, one, other), strict=True)
    ):
        return one
    merged = _merge_fields(*by_id)
    return list(merged.values())


def _id(item: Any) -> str:
    if isinstance(item, dict):
        item = [item[key] for key in IDS if key in item] or item
    return json.dumps(item)


def difference(healthy: dict[str, Any], faulty: dict[str, Any]) -> dict[str, Any]:
    """The facts of a document that differ from the healthy ones; None for one that is not there."""
    facts: dict[str, Any] = {}
    for name in sorted(healthy["facts"].keys() | faulty["facts"].keys()):
        before, after = healthy["facts"].get(name), faulty["facts"].get(name)
        if content_of(before) != content_of(after):
            facts[name] = after
    return {"facts": facts}


def renaming(new: Any, old: Any) -> dict[str, str]:
    """The ids by which two documents of the same structure differ: those of the new one, and of the old.

    Each sandbox has other ids. With this, a fault that is recorded from a new one speaks of the resources of
    the files that were recorded earlier.
    """
    if isinstance(new, dict) and isinstance(old, dict):
        pairs = [(new[key], old[key]) for key in new if key in old]
    elif isinstance(new, list) and isinstance(old, list):
        pairs = list(zip(new, old, strict=False))
    elif isinstance(new, str) and isinstance(old, str):
        ids = zip(ID.finditer(new), ID.finditer(old), strict=False)
        return {a[0]: b[0] for a, b in ids if a.groups() == b.groups()}
    else:
        pairs = []
    names: dict[str, str] = {}
    for pair in pairs:
        names = {**renaming(*pair), **names}
    return names


def renamed(text: str, names: dict[str, str]) -> str:
    """A text with its ids renamed."""
    return ID.sub(lambda match: names.get(match[0], match[0]), text)


def content_of(raw: Any) -> object:
    """A fact's JSON as far as it says something: without moments, fractions and order."""
    if isinstance(raw, dict):
        return {key: content_of(item) for key, item in raw.items() if key != "read_at"}
    if isinstance(raw, list):
        return sorted((content_of(item) for item in raw), key=repr)
    if isinstance(raw, float):
        return round(raw, -2)
    return "a moment" if isinstance(raw, str) and MOMENT.fullmatch(raw) else raw
