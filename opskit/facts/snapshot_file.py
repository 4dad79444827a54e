"""Writes a snapshot as JSON, and reads it again, so that it can be judged without AWS.

Only what readers have read is written. The facts that analyses derive are derived again. Secrets have no
place in a snapshot; the text is redacted all the same before it leaves.

Migration: the format's number rises when a type or field of a fact is renamed, removed or gets another
meaning, and `MIGRATIONS` gets a function that changes the older document. A new field with a default
needs neither.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from opskit import __version__
from opskit.config import Target
from opskit.errors import UsageError
from opskit.facts.binding import producers
from opskit.facts.codec import CodecError, decode, encode
from opskit.facts.gather import READERS, SECRET_FACTS
from opskit.facts.given_facts import FingerprintKey, Now
from opskit.facts.interface import Fact, Known, Unknown
from opskit.facts.region import Region
from opskit.facts.snapshot import Snapshot
from opskit.facts.transport_choice import TransportChoice
from opskit.redaction import redact

SCHEMA = "opskit.snapshot"
FORMAT = 1
MIGRATIONS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""Number of a format -> function that changes its document to the next format."""
NOT_WRITTEN: frozenset[type] = SECRET_FACTS | {FingerprintKey, TransportChoice}
"""Facts that belong to the process: secrets, the key of fingerprints, and objects that run commands."""


def fact_types() -> dict[str, type]:
    """Class name -> the type of every fact that can be in a file."""
    kinds = {*producers(READERS), Target, Region, Now} - NOT_WRITTEN
    return {kind.__name__: kind for kind in kinds}


def dump(snapshot: Snapshot) -> str:
    """The snapshot's file: one JSON object, with its facts in alphabetical order.

    Raises:
        CodecError: a fact holds a secret, or an object that is no data.
    """
    facts = {
        name: _encode_fact(kind, snapshot.facts[kind])
        for name, kind in sorted(fact_types().items())
        if kind in snapshot.facts
    }
    document = {
        "schema": f"{SCHEMA}/{FORMAT}",
        "opskit": __version__,
        "calls": snapshot.calls,
        "rounds": snapshot.rounds,
        "facts": facts,
    }
    return redact(json.dumps(document, indent=1, ensure_ascii=True)) + "\n"


def load(text: str) -> Snapshot:
    """Read a file of this format or an older one.

    Raises:
        UsageError: it is no snapshot, of a newer format, or does not fit the facts' types.
    """
    try:
        document = json.loads(text)
        document = _migrate(document, _format_of(document))
        kinds = fact_types()
        unknown = document["facts"].keys() - kinds.keys()
        if unknown:
            raise CodecError(f"there is no fact {', '.join(sorted(unknown))}")
        facts = {
            kinds[name]: _decode_fact(kinds[name], raw) for name, raw in document["facts"].items()
        }
        return Snapshot(facts, decode(int, document["calls"]), decode(int, document["rounds"]))
    except (CodecError, KeyError, AttributeError, TypeError, json.JSONDecodeError) as error:
        raise UsageError(f"the snapshot cannot be read: {error}") from None


def _format_of(document: Any) -> int:
    schema, _, number = str(document.get("schema", "")).partition("/")
    if schema != SCHEMA or not number.isdecimal():
        raise CodecError(f"its schema is not {SCHEMA}")
    if int(number) > FORMAT:
        raise CodecError(f"its format {number} is newer than this opskit, which knows {FORMAT}")
    return int(number)


def _migrate(document: dict[str, Any], number: int) -> dict[str, Any]:
    for older in range(number, FORMAT):
        document = MIGRATIONS[older](document)
    return document


def _encode_fact(kind: type, fact: Fact[Any]) -> dict[str, Any]:
    if isinstance(fact, Unknown):
        return {"unknown": encode(Unknown, fact)}
    return {
        "value": encode(kind, fact.value),
        "source": fact.source,
        "read_at": fact.read_at.isoformat(),
    }


def _decode_fact(kind: type, raw: dict[str, Any]) -> Fact[Any]:
    if "unknown" in raw:
        unknown: Unknown = decode(Unknown, raw["unknown"])
        return unknown
    return Known(
        decode(kind, raw["value"]), decode(str, raw["source"]), decode(datetime, raw["read_at"])
    )
