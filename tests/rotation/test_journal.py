"""The journal's records and its calls, with a Parameter Store in memory that a test makes stale or fail."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from opskit.aws import CLOCK_CODE
from opskit.errors import AwsError, CannotProceed
from opskit.rotation.protocol.journal import Journal, JournalEntry, Record, write_opening
from opskit.rotation.protocol.state_machine import CallOutcome, Direction
from tests.fake_aws import FakeClient
from tests.rotation.memory import NOW, ParameterStoreInMemory
from tests.rotation.test_records import NAME, intent, published

ROOT = f"/opskit/rotation{NAME}"


@pytest.fixture
def store() -> ParameterStoreInMemory:
    return ParameterStoreInMemory()


@pytest.fixture
def journal(store: ParameterStoreInMemory) -> Journal:
    """A journal whose clock runs only while it sleeps."""
    slept = [0.0]

    def sleep(seconds: float) -> None:
        slept[0] += seconds

    return Journal(store, store, NAME, sleep=sleep, clock=lambda: slept[0])  # type: ignore[arg-type]


def entry(name: str, minutes: int = 0, **body: Any) -> JournalEntry:
    return JournalEntry(name, body, NOW + timedelta(minutes=minutes))


def record(*entries: JournalEntry, opened_at: datetime | None = NOW) -> Record:
    return Record(1, opened_at, entries, NOW + timedelta(hours=1))


class TestRecord:
    def test_nothing_is_decided_at_first(self) -> None:
        fresh = record()
        assert (fresh.decision, fresh.close, fresh.joins, fresh.is_closed_clean) == (
            None, None, [], False,
        )  # fmt: skip
        assert fresh.free_slot == 2

    @pytest.mark.parametrize(
        ("entries", "direction"),
        [
            ((entry("decision", direction="forward"),), Direction.FORWARD),
            ((entry("done", direction="rollback"),), Direction.ROLLBACK),
            ((entry("slot-2", kind="close", direction="forward"),), Direction.FORWARD),
            (
                (entry("decision", direction="forward"), entry("superseded", direction="rollback")),
                Direction.ROLLBACK,
            ),
            (
                (entry("decision", direction="rollback"), entry("done", direction="forward")),
                Direction.ROLLBACK,
            ),
        ],
    )
    def test_the_direction(self, entries: tuple[JournalEntry, ...], direction: Direction) -> None:
        assert record(*entries).decision is direction

    def test_only_a_close_of_the_initiator_is_clean(self) -> None:
        clean = entry("slot-2", kind="close", direction="forward")
        assert record(clean).is_closed_clean
        assert not record(entry("done", direction="forward")).is_closed_clean
        assert record(entry("slot-2", kind="join")).close is None

    def test_slots_are_given_out_without_gaps(self) -> None:
        joins = [entry(f"slot-{n}", kind="join") for n in (2, 3, 5)]
        assert record(*joins).free_slot == 4
        assert record(*joins).joins == joins

    def test_it_was_touched_when_somebody_last_joined(self) -> None:
        touched = record(entry("slot-2", 5), entry("slot-3", 3), entry("decision", 50)).touched_at
        assert touched == NOW + timedelta(minutes=5)
        assert record().touched_at == NOW
        assert record(opened_at=None).touched_at is None

    def test_ages_are_by_aws_s_clock(self) -> None:
        assert record().age_s(NOW) == 3600


class TestReading:
    def test_an_empty_journal(self, journal: Journal) -> None:
        assert (journal.latest().number, journal.unfinished(), journal.all()) == (0, None, [])
        assert journal.latest().entries == journal.read(7).entries == ()
        assert journal.read(7).number == 7

    def test_the_newest_one_is_unfinished_until_it_is_closed(self, journal: Journal) -> None:
        for number in (1, 2):
            journal.open(number, intent())
        unfinished = journal.unfinished()
        assert unfinished
        assert unfinished.number == 2
        journal.write(2, "done", {"direction": "forward"})
        assert journal.unfinished() is None

    def test_every_page_of_a_listing_is_read(self, journal: Journal) -> None:
        for number in range(1, 8):
            journal.open(number, intent())
            journal.write(number, "done", {"direction": "forward"})
        assert [r.number for r in journal.all()] == list(range(1, 8))
        assert journal.unfinished() is None

    def test_rotations_are_sorted_by_number_and_entries_by_time(
        self, journal: Journal, store: ParameterStoreInMemory
    ) -> None:
        for number in (10, 9):
            journal.open(number, intent())
        journal.write(10, "slot-3", {"kind": "join"})
        store.now -= timedelta(seconds=5)
        journal.write(10, "slot-2", {"kind": "join"})
        assert [r.number for r in journal.all()] == [9, 10]
        assert [e.name for e in journal.latest().entries] == ["slot-2", "slot-3"]

    @pytest.mark.parametrize("name", ["x/open", "7", "7/", "7/open/more", "-1/open"])
    def test_parameters_below_that_are_no_records(
        self, journal: Journal, store: ParameterStoreInMemory, name: str
    ) -> None:
        store.rows[f"{ROOT}/{name}"] = {
            "Name": f"{ROOT}/{name}", "Value": "no JSON", "LastModifiedDate": NOW,
        }  # fmt: skip
        assert journal.all() == []
        journal.open(8, intent())
        assert [r.number for r in journal.all()] == [8]

    @pytest.mark.parametrize(
        ("name", "body"),
        [
            ("slot-2", "no JSON"),
            ("slot-2", "[]"),
            ("slot-2", '{"format": 2}'),
            ("slot-2", '{"format": 1, "kind": "close"}'),
            ("decision", '{"format": 1}'),
            ("superseded", '{"format": 1, "direction": "sideways"}'),
            ("done", '{"format": 1, "direction": null}'),
        ],
    )
    def test_a_record_of_another_version_stops_it(
        self, journal: Journal, store: ParameterStoreInMemory, name: str, body: str
    ) -> None:
        path = f"{ROOT}/1/{name}"
        store.rows[path] = {"Name": path, "Value": body, "LastModifiedDate": NOW}
        with pytest.raises(CannotProceed, match=f"{path} was not written by this version"):
            journal.all()

    @pytest.mark.parametrize("date", [None, "yesterday"])
    def test_time_is_aws_s_or_none(
        self, journal: Journal, store: ParameterStoreInMemory, date: str | None
    ) -> None:
        store.date = date
        with pytest.raises(CannotProceed, match=r"^AWS's replies carry no time"):
            journal.all()

    @pytest.mark.parametrize("reply", [{}, {"ResponseMetadata": {}}])
    def test_a_reply_without_headers_has_no_time(self, reply: dict[str, Any]) -> None:
        class Bare(FakeClient):
            def get_parameters_by_path(self, **_: Any) -> dict[str, Any]:
                return {"Parameters": [], **reply}

        with pytest.raises(CannotProceed, match="carry no time"):
            Journal(Bare(), Bare(), NAME).all()

    @pytest.mark.parametrize("zone", ["03:04:05 -0000", "03:04:05 GMT", "04:04:05 +0100"])
    def test_a_time_without_zone_is_utc(
        self, journal: Journal, store: ParameterStoreInMemory, zone: str
    ) -> None:
        store.date = f"Fri, 02 Jan 2026 {zone}"
        assert journal.latest().read_at == NOW

    def test_a_stale_listing_hides_nothing_that_was_read(
        self, journal: Journal, store: ParameterStoreInMemory
    ) -> None:
        journal.open(1, intent())
        journal.write(1, "decision", {"direction": "forward"})
        assert journal.read(1).decision is Direction.FORWARD
        store.rows.clear()
        stale = journal.latest()
        assert (stale.number, stale.opened_at, stale.decision) == (1, NOW, Direction.FORWARD)


class TestIntent:
    def test_a_read_that_is_behind_is_repeated_for_a_record_that_is_listed(
        self, journal: Journal, store: ParameterStoreInMemory
    ) -> None:
        journal.open(1, intent())
        store.fails["GetParameter"] = ["ParameterNotFound"] * 3
        assert journal.intent(1, is_listed=True) == intent()
        store.fails["GetParameter"] = ["ParameterNotFound"]
        with pytest.raises(AwsError, match="ParameterNotFound"):
            journal.intent(1)

    def test_the_repetition_has_an_end(
        self, journal: Journal, store: ParameterStoreInMemory
    ) -> None:
        with pytest.raises(AwsError, match="ParameterNotFound"):
            journal.intent(1, is_listed=True)
        assert 10 < len(store.calls) < 100

    def test_an_unfinished_rotation_that_is_listed_is_read_until_it_shows(
        self, journal: Journal, store: ParameterStoreInMemory
    ) -> None:
        journal.open(1, intent(run="first"))
        journal.open(2, intent(run="second"))
        store.fails["GetParameter"] = ["ParameterNotFound"] * 2
        assert journal.intent_of(journal.latest()).run == "second"
        store.fails["GetParameter"] = ["ParameterNotFound"]
        with pytest.raises(CannotProceed, match="ParameterNotFound"):
            journal.intent_of(record(opened_at=None))

    def test_another_error_is_not_repeated(
        self, journal: Journal, store: ParameterStoreInMemory
    ) -> None:
        store.fails["GetParameter"] = ["AccessDeniedException"]
        with pytest.raises(AwsError, match="AccessDenied"):
            journal.intent(1, is_listed=True)
        assert store.calls == ["GetParameter"]

    def test_without_the_right_to_it_the_next_step_names_the_right(
        self, journal: Journal, store: ParameterStoreInMemory
    ) -> None:
        store.fails["GetParameter"] = ["AccessDeniedException"]
        with pytest.raises(CannotProceed, match="rotation 1 cannot be read") as caught:
            journal.intent_of(record())
        assert "kms:Decrypt" in caught.value.next_step


class TestWriting:
    def test_the_opening_is_under_the_key_of_the_password(
        self, journal: Journal, store: ParameterStoreInMemory
    ) -> None:
        journal.open(1, intent(published=(published(key_id="alias/linkbox"),)))
        journal.open(2, intent())
        journal.write(1, "slot-2", {"kind": "join"})
        kinds = {n.removeprefix(ROOT): (r["Type"], r.get("KeyId")) for n, r in store.rows.items()}
        assert {row["Overwrite"] for row in store.rows.values()} == {False}
        assert "KeyId" not in store.rows[f"{ROOT}/2/open"], "AWS takes no empty one"
        assert journal.intent(2) == intent()
        assert kinds == {
            "/1/open": ("SecureString", "alias/linkbox"),
            "/2/open": ("SecureString", None),
            "/1/slot-2": ("String", None),
        }
        assert json.loads(store.rows[f"{ROOT}/1/slot-2"]["Value"]) == {"format": 1, "kind": "join"}

    def test_an_opening_that_no_parameter_holds_is_not_sent(
        self, journal: Journal, store: ParameterStoreInMemory
    ) -> None:
        size = len(write_opening(intent(where="")))
        with pytest.raises(CannotProceed, match=f"{NAME} are too long for a journal record"):
            journal.open(1, intent(where="x" * (4097 - size)))
        assert store.calls == []
        assert journal.open(1, intent(where="x" * (4096 - size))) is CallOutcome.APPLIED

    def test_an_opening_takes_no_room_for_blanks(self) -> None:
        text = write_opening(intent())
        assert text == json.dumps(json.loads(text), separators=(",", ":"))

    @pytest.mark.parametrize(
        ("code", "outcome"),
        [("Timeout", CallOutcome.UNKNOWN), (CLOCK_CODE, CallOutcome.NOT_APPLIED)],
    )
    def test_a_call_whose_end_is_not_known(
        self, journal: Journal, store: ParameterStoreInMemory, code: str, outcome: CallOutcome
    ) -> None:
        store.fails["PutParameter"] = [code]
        assert journal.write(1, "decision", {"direction": "forward"}) is outcome

    def test_a_refusal_is_an_error(self, journal: Journal, store: ParameterStoreInMemory) -> None:
        store.fails["PutParameter"] = ["AccessDeniedException"]
        with pytest.raises(AwsError, match="AccessDenied"):
            journal.write(1, "decision", {"direction": "forward"})

    def test_after_a_lost_reply_the_own_text_counts_as_written(
        self, journal: Journal, store: ParameterStoreInMemory
    ) -> None:
        ours, theirs = {"direction": "forward", "run": "1"}, {"direction": "forward", "run": "2"}
        store.fails["PutParameter"] = ["Timeout"]
        assert journal.write(1, "decision", ours) is CallOutcome.UNKNOWN
        store.fails["GetParameter"] = ["ParameterNotFound"]
        assert journal.write(1, "decision", ours) is CallOutcome.APPLIED
        assert journal.write(1, "decision", theirs) is CallOutcome.EXISTS


class TestPrune:
    def filled(self, journal: Journal, store: ParameterStoreInMemory, count: int) -> None:
        for number in range(1, count + 1):
            journal.open(number, intent())
            journal.write(number, "slot-2", {"kind": "join"})
            journal.write(number, "done", {"direction": "forward"})
        store.now += timedelta(days=31)

    def test_the_last_ten_are_kept(self, journal: Journal, store: ParameterStoreInMemory) -> None:
        self.filled(journal, store, 12)
        store.now -= timedelta(days=1)
        assert journal.prune() == [1, 2], "they are 30 days old to the second"
        assert {int(name.removeprefix(ROOT).split("/")[1]) for name in store.rows} == set(
            range(3, 13)
        )

    def test_the_last_thirty_days_are_kept(
        self, journal: Journal, store: ParameterStoreInMemory
    ) -> None:
        self.filled(journal, store, 12)
        store.now -= timedelta(days=2)
        assert journal.prune() == []

    def test_an_unfinished_one_is_kept(
        self, journal: Journal, store: ParameterStoreInMemory
    ) -> None:
        self.filled(journal, store, 12)
        del store.rows[f"{ROOT}/1/done"]
        assert journal.prune() == [2]

    def test_passwords_go_first_and_the_close_last(
        self, journal: Journal, store: ParameterStoreInMemory
    ) -> None:
        self.filled(journal, store, 11)
        store.fails["DeleteParameter"] = ["", "ThrottlingException"]
        assert journal.prune() == []
        left = [n.removeprefix(f"{ROOT}/1/") for n in store.rows if n.startswith(f"{ROOT}/1/")]
        assert left == ["slot-2", "done"]
        assert journal.prune() == [1], "another process goes on, past what is gone"
