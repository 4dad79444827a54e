"""The facts that are not read: they are given to every gathering."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from opskit.config import Target
from opskit.facts.region import Region


@dataclass(frozen=True, slots=True)
class FingerprintKey:
    """The random key of this run's fingerprints; it is never used again."""

    text: str


@dataclass(frozen=True, slots=True)
class Now:
    """The moment of the gathering, with its time zone: checks compare dates with it."""

    moment: datetime


def given_facts(target: Target, region: str) -> tuple[object, ...]:
    """The target, its Region, a new key for fingerprints, and the present moment."""
    return target, Region(region), FingerprintKey(secrets.token_hex(8)), Now(datetime.now(UTC))
