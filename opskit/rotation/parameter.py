"""The parameters that a rotation writes: read at least as new as written, written one by one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from opskit.errors import AwsError
from opskit.facts.interface import Ssm
from opskit.rotation.decide import Outcome, Which
from opskit.rotation.interface import Changed, Published
from opskit.rotation.journal import PAUSE_S, STALE_FOR_S


@dataclass(frozen=True, slots=True)
class Seen:
    """What the parameters hold.

    Attributes:
        versions: of each, in order.
    """

    which: Which
    versions: tuple[int, ...]


class Parameters:
    """All parameters of one rotation.

    Args:
        reading, changing: clients; nothing is repeated by the second.
    """

    def __init__(
        self,
        reading: Ssm,
        changing: Ssm,
        published: Sequence[Published],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._reading, self._changing = reading, changing
        self._published = tuple(published)
        self._least = {p.name: p.old_version for p in published}
        self._sleep = sleep

    def read(self) -> Seen:
        """What they hold now.

        Raises:
            AwsError: one could not be read.
        """
        held, versions = [], []
        for one in self._published:
            value, version = self._read(one.name)
            held.append(self._which(one, value, version))
            versions.append(version)
        return Seen(_together(held), tuple(versions))

    def publish(self, to: Which) -> Changed:
        """Write those that do not hold it yet; forward in their order, back in the reverse one."""
        ordered = self._published if to is Which.NEW else tuple(reversed(self._published))
        for one in ordered:
            text = one.new if to is Which.NEW else one.old
            try:
                value, version = self._read(one.name)
                if value != text.reveal():
                    version = self._put(one, text.reveal())
                if one.labels:
                    self._changing.label_parameter_version(
                        Name=one.name, ParameterVersion=version, Labels=list(one.labels)
                    )
            except AwsError as error:
                return Changed.by(error)
        return Changed(Outcome.APPLIED)

    def _put(self, one: Published, text: str) -> int:
        key = {"KeyId": one.key_id} if one.key_id and one.kind == "SecureString" else {}
        reply = self._changing.put_parameter(
            Name=one.name, Value=text, Type=one.kind, Tier=one.tier, Overwrite=True, **key
        )
        version = int(reply["Version"])
        self._least[one.name] = max(version, self._least[one.name])
        return version

    def _read(self, name: str) -> tuple[str, int]:
        """Value and version, at least as new as what we know of."""
        limit = time.monotonic() + STALE_FOR_S
        while True:
            reply = self._reading.get_parameter(Name=name, WithDecryption=True)["Parameter"]
            version = int(reply["Version"])
            if version >= self._least[name] or time.monotonic() > limit:
                self._least[name] = max(version, self._least[name])
                return str(reply["Value"]), version
            self._sleep(PAUSE_S)

    def _which(self, one: Published, value: str, version: int) -> Which:
        which = Which.OTHER
        if value == one.old.reveal():
            which = Which.OLD
        elif value == one.new.reveal():
            which = Which.NEW
        moved = one.labels and version != one.old_version
        if moved and which is not Which.OTHER and not self._labelled(one, version):
            return Which.MIXED
        return which

    def _labelled(self, one: Published, version: int) -> bool:
        """Whether the labels point at a version; whoever reads by label sees what they point at."""
        for label in one.labels:
            reply = self._reading.get_parameter(Name=f"{one.name}:{label}", WithDecryption=False)
            if int(reply["Parameter"]["Version"]) != version:
                return False
        return True


def _together(held: Sequence[Which]) -> Which:
    """What several parameters hold as one: where one holds something else, so do all."""
    if Which.OTHER in held:
        return Which.OTHER
    return held[0] if len(set(held)) == 1 else Which.MIXED
