"""The tags of EC2 objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def name_of(raw: Mapping[str, Any]) -> str:
    """The Name tag of an EC2 object; empty when it has none."""
    return next((str(t["Value"]) for t in raw.get("Tags", ()) if t["Key"] == "Name"), "")
