"""The journal: records in Parameter Store that are created once and never altered.

Creating one is the only compare-and-set that Parameter Store has, so the first writer wins, a late
one does no harm, and every machine sees the same truth. Under `/opskit/rotation/<parameter>/<N>/`:
`open` (holds both passwords), `slot-2`, `slot-3`, ... (who else had a hand in it, or the clean
close), `decision`, `superseded` (others have replaced the password; stronger than a decision), and
`done`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from opskit.errors import AwsError, CannotProceed
from opskit.facts.interface import Ssm
from opskit.facts.unfinished_rotation import journal_of, record_of
from opskit.rotation.protocol.interface import (
    DatabaseCredential,
    ParameterUpdate,
    RotationIntent,
    outcome_of,
)
from opskit.rotation.protocol.state_machine import CallOutcome, Direction
from opskit.secret import Secret

FORMAT = 1
KEPT_ROTATIONS = 10
KEPT_FOR = timedelta(days=30)
FIRST_SLOT = 2
EXISTS = "ParameterAlreadyExists"
SUPERSEDED = "superseded"
"""The record that says so."""
STALE_FOR_S = 10.0
"""So long a read may lag behind a write that was acknowledged."""
PAUSE_S = 0.2
MOST_BYTES = 4096
"""Of a standard parameter."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One record but `open`. `at` is AWS's time."""

    name: str
    body: Mapping[str, Any]
    at: datetime

    @property
    def is_close(self) -> bool:
        """Whether it ends the rotation."""
        return self.name == "done" or self.body.get("kind") == "close"


@dataclass(frozen=True, slots=True)
class Record:
    """One rotation as the journal has it.

    Attributes:
        number: 0 when there is none.
        opened_at: None when its `open` is not there (yet).
        entries: in the order in which they were made.
        read_at: AWS's time of the reading.
    """

    number: int
    opened_at: datetime | None
    entries: tuple[JournalEntry, ...]
    read_at: datetime

    def get(self, name: str) -> JournalEntry | None:
        """The record of a name."""
        return next((e for e in self.entries if e.name == name), None)

    @property
    def close(self) -> JournalEntry | None:
        """What closed it."""
        return next((e for e in self.entries if e.is_close), None)

    @property
    def is_closed_clean(self) -> bool:
        """Closed by whoever opened it, with nothing unknown: nothing late can arrive."""
        return self.close is not None and self.close.name != "done"

    @property
    def decision(self) -> Direction | None:
        """Which way it was decided; a clean close says it as well."""
        entry = self.decided_by or self.close
        return Direction(entry.body["direction"]) if entry else None

    @property
    def decided_by(self) -> JournalEntry | None:
        """The record that decides."""
        return self.get(SUPERSEDED) or self.get("decision")

    @property
    def has_joiners(self) -> bool:
        """Whether anybody but the opener had a hand in it."""
        return any(e.body.get("kind") == "join" for e in self.entries)

    @property
    def touched_at(self) -> datetime | None:
        """When somebody last came to it."""
        slots = [e.at for e in self.entries if e.name.startswith("slot-")]
        return max([*slots, *([self.opened_at] if self.opened_at else [])], default=None)

    @property
    def free_slot(self) -> int:
        """The first slot that is not taken."""
        taken = {e.name for e in self.entries}
        return next(k for k in range(FIRST_SLOT, 1000) if f"slot-{k}" not in taken)

    def age_s(self, at: datetime) -> float:
        """Seconds from a record's time to the reading; both clocks are AWS's."""
        return (self.read_at - at).total_seconds()


@dataclass
class _Seen:
    """What was read of one rotation so far: records never go away, so a stale read hides none."""

    opened_at: datetime | None = None
    entries: dict[str, JournalEntry] = field(default_factory=dict)


class Journal:
    """The journal of one password parameter.

    Args:
        reading, changing: clients; nothing that changes is repeated by the second.
        parameter: the password parameter's name, which names the journal too.
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
        """The newest rotation; a slightly stale listing leads to a number that is refused."""
        records = self.all()
        return records[-1] if records else Record(0, None, (), self._now)

    def all(self) -> list[Record]:
        """Every rotation that is still kept, oldest first."""
        self._take(self.path)
        return [self._record(n) for n in sorted(self._seen)]

    def read(self, number: int) -> Record:
        """One rotation."""
        self._take(f"{self.path}/{number}")
        return self._record(number)

    def intent(self, number: int, *, is_listed: bool = False) -> RotationIntent:
        """What a rotation is about, with its passwords.

        Args:
            is_listed: it is there, so that a read which does not show it lags behind.

        Raises:
            AwsError: it cannot be read or decrypted.
            Incomplete: a newer opskit wrote it.
        """
        path = f"{self.path}/{number}/open"
        return parse_opening(self._value(path) if is_listed else self._value_now(path))

    def open(self, number: int, intent: RotationIntent) -> CallOutcome:
        """Begin a rotation, under the password parameter's own key: only one can."""
        text = write_opening(intent)
        if len(text.encode()) > MOST_BYTES:
            raise CannotProceed(
                f"the values of {intent.published[0].name} are too long for a journal record"
            )
        key_id = intent.published[0].key_id
        key = {"KeyId": key_id} if key_id else {}
        return self._create(number, "open", text, Type="SecureString", **key)

    def write(self, number: int, name: str, body: Mapping[str, Any]) -> CallOutcome:
        """Create a record; APPLIED also when a lost reply's record turns out to be our own."""
        return self._create(number, name, json.dumps({"format": FORMAT, **body}), Type="String")

    def prune(self) -> list[int]:
        """Delete rotations that are neither among the last ten nor young; `open` goes first."""
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
        """Whether the record that stands there is the one that we tried to write."""
        return self._value(path) == text

    def _value(self, path: str) -> str:
        """The text of a record that is there, and that a read which lags behind does not show yet."""
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
            # Undecrypted: who only wants to know how far it is needs no right on the key.
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
    """The text of an `open` record: this is where both passwords are kept."""
    row = {name: getattr(intent, name) for name in RotationIntent.__slots__}
    for which in ("old", "new"):
        login: DatabaseCredential = row[which]
        row[which] = {"user": login.user, "password": login.password.reveal()}
    row["published"] = [
        {
            **{n: getattr(p, n) for n in ParameterUpdate.__slots__},
            "old": p.old.reveal(),
            "new": p.new.reveal(),
        }
        for p in intent.published
    ]
    return json.dumps({"format": FORMAT, **row}, separators=(",", ":"))


def parse_opening(text: str) -> RotationIntent:
    """Read an `open` record.

    Raises:
        Incomplete: it has a form that this version does not know.
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
        # Without the error's own text, which may hold what could not be read.
        raise CannotProceed(
            "the unfinished rotation was written by another version of opskit, which has to go on with it"
        ) from None


def _published(row: dict[str, Any]) -> ParameterUpdate:
    is_public = row["kind"] != "SecureString"
    values = {which: Secret(row[which], is_public=is_public) for which in ("old", "new")}
    return ParameterUpdate(**{**row, **values, "labels": tuple(row["labels"])})


def _body(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        body = json.loads(raw["Value"])
    except ValueError:
        body = None
    if not _is_ours(raw["Name"].rpartition("/")[2], body):
        raise CannotProceed(f"the record {raw['Name']} was not written by this version of opskit")
    return dict(body)


def _is_ours(name: str, body: Any) -> bool:
    """Whether a record has the form that its name promises."""
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        return False
    says_direction = name in ("decision", SUPERSEDED, "done") or body.get("kind") == "close"
    return not says_direction or body.get("direction") in tuple(Direction)


def _time_of(reply: Mapping[str, Any]) -> datetime:
    """AWS's own time, from the reply's header: this machine's clock may be wrong.

    Raises:
        Incomplete: the reply carries none.
    """
    text = reply.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        raise CannotProceed("AWS's replies carry no time, so no age can be judged") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
