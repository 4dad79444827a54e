"""The rotation journal: records in Parameter Store that are created once and never altered.

PutParameter without Overwrite is Parameter Store's only compare-and-set. So the first writer wins, a
delayed write does no harm, and every machine sees the same state. The records below
`/opskit/rotation/<parameter>/<N>/` are `open` (holds both passwords), `slot-2`, `slot-3`, ... (another
process has joined, or the clean close), `decision`, `superseded` (another user has replaced the
password; overrides `decision`), and `done`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from opskit.credential_source.interface import CredentialUpdate
from opskit.credential_source.ssm_store import EXISTS, PAUSE_S, STALE_FOR_S
from opskit.errors import AwsError, CannotProceed
from opskit.facts.interface import Ssm
from opskit.facts.unfinished_rotation import journal_of, record_of
from opskit.rotation.protocol.interface import (
    DatabaseCredential,
    RotationIntent,
    outcome_of,
)
from opskit.rotation.protocol.state_machine import CallOutcome, Direction
from opskit.secret import Secret

FORMAT = 1
KEPT_ROTATIONS = 10
KEPT_FOR = timedelta(days=30)
FIRST_SLOT = 2
SUPERSEDED = "superseded"
"""Name of the record that another user has replaced the password."""
MOST_BYTES = 4096
"""Size limit of a standard parameter."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One record other than `open`. `at` is its time by AWS's clock."""

    name: str
    body: Mapping[str, Any]
    at: datetime

    @property
    def is_close(self) -> bool:
        """Whether the record closes the rotation."""
        return self.name == "done" or self.body.get("kind") == "close"


@dataclass(frozen=True, slots=True)
class Record:
    """The journal's records of one rotation.

    Attributes:
        number: 0 if there is no rotation.
        opened_at: None if its `open` record is not visible (yet).
        entries: in order of creation.
        read_at: time of the read, by AWS's clock.
    """

    number: int
    opened_at: datetime | None
    entries: tuple[JournalEntry, ...]
    read_at: datetime

    def get(self, name: str) -> JournalEntry | None:
        """Return the entry of this name."""
        return next((e for e in self.entries if e.name == name), None)

    @property
    def close(self) -> JournalEntry | None:
        """The entry that closes the rotation."""
        return next((e for e in self.entries if e.is_close), None)

    @property
    def is_closed_clean(self) -> bool:
        """Whether its initiator closed it with no outcome unknown: no delayed request can arrive."""
        return self.close is not None and self.close.name != "done"

    @property
    def decision(self) -> Direction | None:
        """The decided direction; a clean close states it as well."""
        entry = self.decided_by or self.close
        return Direction(entry.body["direction"]) if entry else None

    @property
    def decided_by(self) -> JournalEntry | None:
        """The entry that decides the direction."""
        return self.get(SUPERSEDED) or self.get("decision")

    @property
    def joins(self) -> list[JournalEntry]:
        """The entries of the processes, other than the initiator, that have joined."""
        return [e for e in self.entries if e.body.get("kind") == "join"]

    @property
    def touched_at(self) -> datetime | None:
        """When a process last started or joined the rotation."""
        slots = [e.at for e in self.entries if e.name.startswith("slot-")]
        return max([*slots, *([self.opened_at] if self.opened_at else [])], default=None)

    @property
    def free_slot(self) -> int:
        """The first slot number that is free."""
        taken = {e.name for e in self.entries}
        return next(k for k in range(FIRST_SLOT, 1000) if f"slot-{k}" not in taken)

    def age_s(self, at: datetime) -> float:
        """Return the seconds from a record's time to the read; both by AWS's clock."""
        return (self.read_at - at).total_seconds()


@dataclass
class _Seen:
    """All that was read of one rotation so far: records are never removed, so a stale read hides none."""

    opened_at: datetime | None = None
    entries: dict[str, JournalEntry] = field(default_factory=dict)


class Journal:
    """The journal of one password parameter.

    Args:
        reading: client for reads.
        changing: client for writes; it repeats no call.
        parameter: name of the password parameter, which is part of the journal's path.
    """

    def __init__(
        self,
        reading: Ssm,
        changing: Ssm,
        parameter: str,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sleep, self._clock = sleep, clock
        self._reading = reading
        self._changing = changing
        self.path = journal_of(parameter)
        self._seen: dict[int, _Seen] = {}
        self._now = datetime.min.replace(tzinfo=UTC)

    def latest(self) -> Record:
        """Read the newest rotation; after a slightly stale listing, creating the next number is refused."""
        records = self.all()
        return records[-1] if records else Record(0, None, (), self._now)

    def unfinished(self) -> Record | None:
        """Read the newest rotation, if it is not closed."""
        record = self.latest()
        return record if record.number and record.close is None else None

    def all(self) -> list[Record]:
        """Read every rotation that is still kept, oldest first."""
        self._take(self.path)
        return [self._record(n) for n in sorted(self._seen)]

    def read(self, number: int) -> Record:
        """Read one rotation."""
        self._take(f"{self.path}/{number}")
        return self._record(number)

    def intent(self, number: int, *, is_listed: bool = False) -> RotationIntent:
        """Read a rotation's intent, with its passwords.

        Args:
            is_listed: the record is known to exist, so a read that does not show it is stale and is repeated.

        Raises:
            AwsError: it cannot be read or decrypted.
            CannotProceed: another version of opskit wrote it.
        """
        path = f"{self.path}/{number}/open"
        return parse_opening(self._value(path) if is_listed else self._value_now(path))

    def intent_of(self, record: Record) -> RotationIntent:
        """Read the intent of an unfinished rotation.

        Raises:
            CannotProceed: it cannot be read.
        """
        try:
            return self.intent(record.number, is_listed=record.opened_at is not None)
        except AwsError as error:
            raise CannotProceed(
                f"the unfinished rotation {record.number} cannot be read: {error.permission}: {error.code}",
                f"it needs ssm:GetParameter on {self.path}/* and kms:Decrypt on its key",
            ) from None

    def open(self, number: int, intent: RotationIntent) -> CallOutcome:
        """Create a rotation's `open` record, under the password parameter's key: only one process can."""
        text = write_opening(intent)
        if len(text.encode()) > MOST_BYTES:
            raise CannotProceed(
                f"the values of {intent.published[0].name} are too long for a journal record"
            )
        key_id = intent.published[0].key_id
        key = {"KeyId": key_id} if key_id else {}
        return self._create(number, "open", text, Type="SecureString", **key)

    def write(self, number: int, name: str, body: Mapping[str, Any]) -> CallOutcome:
        """Create a record; APPLIED also if the record exists with our own text (our reply was lost)."""
        return self._create(number, name, json.dumps({"format": FORMAT, **body}), Type="String")

    def prune(self) -> list[int]:
        """Delete rotations that are neither among the last ten nor under 30 days old; `open` goes first."""
        gone: list[int] = []
        for record in self.all()[:-KEPT_ROTATIONS]:
            close = record.close
            if close is None or record.read_at - close.at < KEPT_FOR:
                continue
            others = [e.name for e in record.entries if e is not close]
            for name in ("open", *others, close.name):
                try:
                    self._changing.delete_parameter(Name=f"{self.path}/{record.number}/{name}")
                except AwsError as error:
                    if error.code != "ParameterNotFound":
                        return gone
            gone.append(record.number)
        return gone

    def _create(self, number: int, name: str, text: str, **kind: str) -> CallOutcome:
        path = f"{self.path}/{number}/{name}"
        try:
            self._changing.put_parameter(Name=path, Value=text, Overwrite=False, **kind)
        except AwsError as error:
            if error.code == EXISTS:
                return CallOutcome.APPLIED if self._holds(path, text) else CallOutcome.EXISTS
            if (outcome := outcome_of(error)) is CallOutcome.REFUSED:
                raise
            return outcome
        return CallOutcome.APPLIED

    def _holds(self, path: str, text: str) -> bool:
        """Whether the existing record has the text that we tried to write."""
        return self._value(path) == text

    def _value(self, path: str) -> str:
        """Read a record that is known to exist; repeated while a stale read does not show it."""
        limit = self._clock() + STALE_FOR_S
        while True:
            try:
                return self._value_now(path)
            except AwsError as error:
                if error.code != "ParameterNotFound" or self._clock() > limit:
                    raise
            self._sleep(PAUSE_S)

    def _value_now(self, path: str) -> str:
        return str(
            self._reading.get_parameter(Name=path, WithDecryption=True)["Parameter"]["Value"]
        )

    def _take(self, path: str) -> None:
        for raw in self._listed(path):
            number, name = record_of(self.path, raw["Name"])
            if not number:
                continue
            seen = self._seen.setdefault(number, _Seen())
            if name == "open":
                seen.opened_at = raw["LastModifiedDate"]
            else:
                seen.entries[name] = JournalEntry(name, _body(raw), raw["LastModifiedDate"])

    def _listed(self, path: str) -> Iterator[Mapping[str, Any]]:
        more: dict[str, str] = {}
        while True:
            # Not decrypted: reading the status needs no permission on the key.
            reply = self._reading.get_parameters_by_path(
                Path=path, Recursive=True, WithDecryption=False, **more
            )
            self._now = _time_of(reply)
            yield from reply["Parameters"]
            if not reply.get("NextToken"):
                return
            more = {"NextToken": reply["NextToken"]}

    def _record(self, number: int) -> Record:
        seen = self._seen.get(number, _Seen())
        entries = sorted(seen.entries.values(), key=lambda e: (e.at, e.name))
        return Record(number, seen.opened_at, tuple(entries), self._now)


def write_opening(intent: RotationIntent) -> str:
    """Serialize an `open` record, which holds both passwords."""
    row = {name: getattr(intent, name) for name in RotationIntent.__slots__}
    for which in ("old", "new"):
        login: DatabaseCredential = row[which]
        row[which] = {"user": login.user, "password": login.password.reveal()}
    row["published"] = [
        {
            **{n: getattr(p, n) for n in CredentialUpdate.__slots__},
            "old": p.old.reveal(),
            "new": p.new.reveal(),
        }
        for p in intent.published
    ]
    return json.dumps({"format": FORMAT, **row}, separators=(",", ":"))


def parse_opening(text: str) -> RotationIntent:
    """Parse an `open` record.

    Raises:
        CannotProceed: this version does not know the format.
    """
    try:
        row = json.loads(text)
        if row.pop("format") != FORMAT:
            raise ValueError
        for which in ("old", "new"):
            row[which] = DatabaseCredential(row[which]["user"], Secret(row[which]["password"]))
        row["published"] = tuple(_published(p) for p in row["published"])
        for name in ("restart_targets", "readers"):
            row[name] = tuple(row[name])
        return RotationIntent(**row)
    except (ValueError, KeyError, TypeError, AttributeError):
        # `from None`: the error's own text may hold a part of the record, and so a secret.
        raise CannotProceed(
            "the unfinished rotation was written by another version of opskit, which has to go on with it"
        ) from None


def _published(row: dict[str, Any]) -> CredentialUpdate:
    is_public = row["kind"] != "SecureString"
    values = {which: Secret(row[which], is_public=is_public) for which in ("old", "new")}
    return CredentialUpdate(**{**row, **values, "labels": tuple(row["labels"])})


def _body(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        body = json.loads(raw["Value"])
    except ValueError:
        body = None
    if not _is_ours(raw["Name"].rpartition("/")[2], body):
        raise CannotProceed(f"the record {raw['Name']} was not written by this version of opskit")
    return dict(body)


def _is_ours(name: str, body: Any) -> bool:
    """Whether a record has the format that its name requires."""
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        return False
    says_direction = name in ("decision", SUPERSEDED, "done") or body.get("kind") == "close"
    return not says_direction or body.get("direction") in tuple(Direction)


def _time_of(reply: Mapping[str, Any]) -> datetime:
    """Return AWS's time from the reply's Date header, since this machine's clock may be wrong.

    Raises:
        CannotProceed: the reply has none.
    """
    text = reply.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        raise CannotProceed("AWS's replies carry no time, so no age can be judged") from None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
