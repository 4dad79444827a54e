"""The unfinished rotation of the password, by the names and plain records of its journal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from opskit.aws_protocols import paginate
from opskit.config import Target
from opskit.credential_source import source_of
from opskit.facts.interface import Ssm

ROOT = "/opskit/rotation"
"""The path of the journals of all password parameters."""


@dataclass(frozen=True, slots=True)
class UnfinishedRotation:
    """The newest rotation, if it was not closed; `number` is 0 when none is unfinished."""

    number: int
    opened_at: datetime | None = None


def journal_of(parameter: str) -> str:
    """The path of a password parameter's journal."""
    return f"{ROOT}/{parameter.lstrip('/')}"


def record_of(path: str, name: str) -> tuple[int, str]:
    """Rotation number and record name of a journal parameter; 0 when it is no record of this journal.

    The journal of a password parameter below this one is below this journal's path too.
    """
    number, _, record = name.removeprefix(path + "/").partition("/")
    if not number.isdigit() or not record or "/" in record:
        return 0, ""
    return int(number), record


def read(ssm: Ssm, target: Target) -> UnfinishedRotation:
    """List the records without decryption."""
    path = journal_of(source_of(target).location("password").name)
    listed = paginate(
        ssm.get_parameters_by_path, "Parameters", Path=path, Recursive=True, WithDecryption=False
    )
    opened: dict[int, datetime | None] = {}
    closed: set[int] = set()
    for raw in listed:
        number, name = record_of(path, raw["Name"])
        if not number:
            continue
        opened.setdefault(number, None)
        if name == "open":
            opened[number] = raw.get("LastModifiedDate")
        elif _closes(name, raw):
            closed.add(number)
    newest = max(opened, default=0)
    return UnfinishedRotation(0 if newest in closed else newest, opened.get(newest))


def _closes(name: str, raw: Mapping[str, Any]) -> bool:
    """Whether a record ends its rotation."""
    if name == "done":
        return True
    try:
        return bool(json.loads(raw["Value"])["kind"] == "close")
    except (ValueError, KeyError, TypeError):
        return False
