"""Reads and writes all locations of a rotation's credential, and combines their states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from opskit.credential_source.interface import (
    CredentialStore,
    CredentialUpdate,
    LocationOvertaken,
    StoredValue,
    Version,
)
from opskit.errors import AwsError
from opskit.rotation.protocol.interface import ChangeOutcome
from opskit.rotation.protocol.state_machine import CallOutcome, CredentialState, PasswordVersion
from opskit.secret import Secret


@dataclass(frozen=True, slots=True)
class CredentialSnapshot:
    """The state of the credential's locations.

    Attributes:
        versions: of each, in order; 0 if it does not exist.
        values: their exact values.
        written_at: when each was last written, by AWS's clock.
    """

    state: CredentialState
    versions: tuple[Version, ...]
    values: tuple[Secret, ...] = ()
    written_at: tuple[datetime | None, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Versions and times of the values; a recreated location restarts at version 1."""
        at = self.written_at or (None,) * len(self.versions)
        return " ".join(f"{v}@{w}" for v, w in zip(self.versions, at, strict=True))


class CredentialWriter:
    """Reads and writes all locations of one rotation.

    Args:
        published: the locations, in the order in which they are written going forward.
    """

    def __init__(self, store: CredentialStore, published: Sequence[CredentialUpdate]) -> None:
        self._store = store
        self._published = tuple(published)

    def read(self) -> CredentialSnapshot:
        """Read the locations' current state.

        Raises:
            AwsError: one could not be read.
        """
        stored = [self._store.read(update) for update in self._published]
        states = [
            self._state(update, value)
            for update, value in zip(self._published, stored, strict=True)
        ]
        return CredentialSnapshot(
            _combined(states),
            tuple(value.version if value else 0 for value in stored),
            tuple(value.text if value else Secret("") for value in stored),
            tuple(value.modified_at if value else None for value in stored),
        )

    def publish(self, to: PasswordVersion) -> ChangeOutcome:
        """Write the locations that do not hold the value yet; a rollback uses the reverse order."""
        ordered = self._published if to is PasswordVersion.NEW else tuple(reversed(self._published))
        for update in ordered:
            try:
                self._store.publish(update, update.new if to is PasswordVersion.NEW else update.old)
            except LocationOvertaken:
                return ChangeOutcome(
                    CallOutcome.NOT_APPLIED, f"another user has just created {update.name}"
                )
            except AwsError as error:
                return ChangeOutcome.by(error)
        return ChangeOutcome(CallOutcome.APPLIED)

    def _state(self, update: CredentialUpdate, stored: StoredValue | None) -> CredentialState:
        if stored is None:
            return CredentialState.ABSENT
        if stored.text not in (update.old, update.new):
            return CredentialState.OTHER
        if not self._store.is_complete(update, stored):
            return CredentialState.MIXED
        return CredentialState.OLD if stored.text == update.old else CredentialState.NEW


def _combined(states: Sequence[CredentialState]) -> CredentialState:
    """Combine several locations' states: OTHER or ABSENT if one is, MIXED if they differ."""
    for state in (CredentialState.OTHER, CredentialState.ABSENT):
        if state in states:
            return state
    return states[0] if len(set(states)) == 1 else CredentialState.MIXED
