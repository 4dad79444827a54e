"""Reads and writes the parameters of a rotation, one by one; a read is never older than our writes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from opskit.errors import AwsError
from opskit.facts.interface import Ssm
from opskit.rotation.protocol.interface import ChangeOutcome, ParameterUpdate
from opskit.rotation.protocol.journal import EXISTS, PAUSE_S, STALE_FOR_S
from opskit.rotation.protocol.state_machine import CallOutcome, ParameterState
from opskit.secret import Secret

MISSING = "ParameterNotFound"


@dataclass(frozen=True, slots=True)
class ParameterSnapshot:
    """The state of the parameters.

    Attributes:
        versions: of each, in order; 0 if it does not exist.
        values: their exact values.
        written_at: when each was last written, by AWS's clock.
    """

    which: ParameterState
    versions: tuple[int, ...]
    values: tuple[Secret, ...] = ()
    written_at: tuple[datetime | None, ...] = ()

    @property
    def mark(self) -> str:
        """Fingerprint of the values; it has times, since a recreated parameter restarts at version 1."""
        at = self.written_at or (None,) * len(self.versions)
        return " ".join(f"{v}@{w}" for v, w in zip(self.versions, at, strict=True))


@dataclass(frozen=True, slots=True)
class _Held:
    """One parameter's value, version and time; version 0 if it does not exist."""

    value: str
    version: int
    at: datetime | None = None


ABSENT = _Held("", 0)


class ParameterWriter:
    """Reads and writes all parameters of one rotation.

    Args:
        reading: client for reads.
        changing: client for writes; it repeats no call.
        published: the parameters, in the order in which they are written going forward.
    """

    def __init__(
        self,
        reading: Ssm,
        changing: Ssm,
        published: Sequence[ParameterUpdate],
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reading, self._changing = reading, changing
        self._published = tuple(published)
        self._least = {p.name: p.old_version for p in published}
        self._sleep, self._clock = sleep, clock

    def read(self) -> ParameterSnapshot:
        """Read the parameters' current state.

        Raises:
            AwsError: one could not be read.
        """
        held = [self._read(one.name) for one in self._published]
        which = [self._which(o, h) for o, h in zip(self._published, held, strict=True)]
        return ParameterSnapshot(
            _together(which),
            tuple(h.version for h in held),
            tuple(
                Secret(h.value, is_public=one.kind != "SecureString")
                for one, h in zip(self._published, held, strict=True)
            ),
            tuple(h.at for h in held),
        )

    def publish(self, to: ParameterState) -> ChangeOutcome:
        """Write the parameters that do not hold the value yet; a rollback uses the reverse order."""
        ordered = self._published if to is ParameterState.NEW else tuple(reversed(self._published))
        for one in ordered:
            text = one.new if to is ParameterState.NEW else one.old
            try:
                held = self._read(one.name)
                version = held.version
                if held == ABSENT or held.value != text.reveal():
                    version = self._put(one, text.reveal(), is_new=held == ABSENT)
                if one.labels:
                    self._changing.label_parameter_version(
                        Name=one.name, ParameterVersion=version, Labels=list(one.labels)
                    )
            except AwsError as error:
                if error.code == EXISTS:
                    return ChangeOutcome(
                        CallOutcome.NOT_APPLIED, f"another user has just created {one.name}"
                    )
                return ChangeOutcome.by(error)
        return ChangeOutcome(CallOutcome.APPLIED)

    def _put(self, one: ParameterUpdate, text: str, *, is_new: bool) -> int:
        """Write one parameter; a deleted one is created without overwriting another user's."""
        key = {"KeyId": one.key_id} if one.key_id and one.kind == "SecureString" else {}
        reply = self._changing.put_parameter(
            Name=one.name, Value=text, Type=one.kind, Tier=one.tier, Overwrite=not is_new, **key
        )
        self._least[one.name] = version = int(reply["Version"])
        return version

    def _read(self, name: str) -> _Held:
        """Read one parameter, at least as new as the newest version known.

        A lower version that persists is no stale read: the parameter was deleted, and perhaps created again.
        """
        limit = self._clock() + STALE_FOR_S
        while True:
            held = self._read_once(name)
            if held.version >= self._least[name] or self._clock() > limit:
                self._least[name] = held.version
                return held
            self._sleep(PAUSE_S)

    def _read_once(self, name: str) -> _Held:
        try:
            reply = self._reading.get_parameter(Name=name, WithDecryption=True)["Parameter"]
        except AwsError as error:
            if error.code == MISSING:
                return ABSENT
            raise
        return _Held(str(reply["Value"]), int(reply["Version"]), reply.get("LastModifiedDate"))

    def _which(self, one: ParameterUpdate, held: _Held) -> ParameterState:
        if held == ABSENT:
            return ParameterState.ABSENT
        which = ParameterState.OTHER
        if held.value == one.old.reveal():
            which = ParameterState.OLD
        elif held.value == one.new.reveal():
            which = ParameterState.NEW
        moved = one.labels and held.version != one.old_version
        if moved and which is not ParameterState.OTHER and not self._labelled(one, held.version):
            return ParameterState.MIXED
        return which

    def _labelled(self, one: ParameterUpdate, version: int) -> bool:
        """Whether the labels point at a version; an app that reads by label gets that version."""
        for label in one.labels:
            try:
                labelled = f"{one.name}:{label}"
                reply = self._reading.get_parameter(Name=labelled, WithDecryption=False)
            except AwsError as error:
                if error.code in (MISSING, "ParameterVersionNotFound"):
                    return False
                raise
            if int(reply["Parameter"]["Version"]) != version:
                return False
        return True


def _together(held: Sequence[ParameterState]) -> ParameterState:
    """Combine several parameters' states: OTHER or ABSENT if one is, MIXED if they differ."""
    for which in (ParameterState.OTHER, ParameterState.ABSENT):
        if which in held:
            return which
    return held[0] if len(set(held)) == 1 else ParameterState.MIXED


def describe(reading: Ssm, name: str) -> Mapping[str, Any]:
    """Read a parameter's description; empty if there is none, or it cannot be read."""
    filters = [{"Key": "Name", "Option": "Equals", "Values": [name]}]
    with contextlib.suppress(AwsError):
        for row in reading.describe_parameters(ParameterFilters=filters)["Parameters"]:
            return dict(row)
    return {}


def describe_writer(reading: Ssm, name: str) -> str:
    """Return which version of a parameter was written when, and by whom; empty if that cannot be read."""
    row = describe(reading, name)
    if not row:
        return ""
    at = row.get("LastModifiedDate")
    when = f" at {at:%Y-%m-%d %H:%M:%S %Z}".rstrip() if at else ""
    who = row.get("LastModifiedUser") or "an unknown user"
    return f"{name}: version {row.get('Version', '?')} was written{when} by {who}"
