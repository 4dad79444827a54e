"""Each location's key and last writer, which a read of its value does not return."""

from __future__ import annotations

from dataclasses import dataclass

from opskit.config import Target
from opskit.credential_source import source_of
from opskit.credential_source.interface import LocationDescription
from opskit.facts.interface import SourceClient


@dataclass(frozen=True, slots=True)
class LocationDescriptions:
    """The descriptions of the locations that exist."""

    all: tuple[LocationDescription, ...]

    def key_id(self, name: str) -> str | None:
        """The key of a location; None when it has none or does not exist."""
        return next((m.key_id for m in self.all if m.name == name), None)

    def is_plain(self, name: str) -> bool:
        """Whether a location exists and is not encrypted."""
        return any(m.name == name and not m.is_encrypted for m in self.all)


def read(client: SourceClient, target: Target) -> LocationDescriptions:
    """Describe the locations by name."""
    return LocationDescriptions(source_of(target).describe(client))
