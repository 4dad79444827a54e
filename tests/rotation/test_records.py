"""The journal and the parameters against an emulated Parameter Store, call by call."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opskit import redaction
from opskit.aws import CLOCK_CODE, Aws, translate
from opskit.config import Target
from opskit.credential_source.interface import CredentialUpdate
from opskit.credential_source.ssm_store import ParameterStore, last_write
from opskit.errors import AwsError, CannotProceed, TargetError
from opskit.facts import unfinished_rotation
from opskit.rotation.credential_history import CredentialHistory
from opskit.rotation.protocol import journal as journals
from opskit.rotation.protocol.fence import Fence, StaleObservation
from opskit.rotation.protocol.interface import DatabaseCredential, RotationIntent
from opskit.rotation.protocol.journal import Journal, parse_opening, write_opening
from opskit.rotation.protocol.state_machine import (
    CallOutcome,
    CredentialState,
    Direction,
    PasswordVersion,
)
from opskit.rotation.steps.credential_writer import CredentialWriter
from opskit.secret import Secret
from tests.fake_aws import FakeClient, client_of

NAME = "/linkbox/db-password"
OLD, NEW = Secret("Old-password-1234"), Secret("New-password-5678")


@pytest.fixture
def aws(aws_in_memory: None) -> Aws:
    return Aws(Target("linkbox", {"password": NAME}))


@pytest.fixture
def fence() -> Fence:
    found = Fence(1200)
    found.mark_observed()
    return found


@pytest.fixture
def journal(aws: Aws, fence: Fence) -> Journal:
    return Journal(
        client_of(aws, "ssm"), aws.write_client("ssm", fence.check), NAME, sleep=lambda _: None
    )


def published(name: str = NAME, **values: Any) -> CredentialUpdate:
    fields = {"kind": "SecureString", "key_id": None, "tier": "Standard", "old": OLD, "new": NEW}
    return CredentialUpdate(name, **{**fields, "old_version": 1, **values})


def intent(**values: Any) -> RotationIntent:
    fields = {
        "run": "r1", "by": "arn:a", "where": "laptop", "tool": "0", "strategy": "master",
        "old": DatabaseCredential("linkbox", OLD), "new": DatabaseCredential("linkbox", NEW), "published": (published(),),
        "engine": "postgres", "host": "h", "port": 5432, "database": "d", "db_instance": "db",
        "cluster": None, "resource": "db-X", "location": "ec2-instance:i-1", "restart_targets": ("container\tweb\ti-1\thttp://127.0.0.1:3000/health",),
        "was_healthy": True,
    }  # fmt: skip
    return RotationIntent(**{**fields, **values})


def test_an_opening_comes_back_as_it_was_and_shows_no_password() -> None:
    before = intent(admin_parameter="/x")
    assert parse_opening(write_opening(before)) == before
    assert "password-" not in repr(before)


def test_a_user_name_of_an_opening_may_be_shown_and_a_password_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user = published("/u", kind="String", old=Secret("opening_app"), new=Secret("opening_two"))
    text = write_opening(intent(published=(published(), user)))
    for name, nothing in (("_forms", ()), ("_passwords", ()), ("_names", frozenset())):
        monkeypatch.setattr(redaction, name, nothing)
    parse_opening(text)
    shown = f"opening_app, opening_two, {OLD.reveal()}"
    assert redaction.redact(shown) == f"opening_app, opening_two, {redaction.PLACEHOLDER}"


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"format": 2}', '{"format": 1, "old": "Old-password"}']
)
def test_a_foreign_opening_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(
        CannotProceed, match=r"^the unfinished rotation was written by another"
    ) as caught:
        parse_opening(text)
    assert "Old-password" not in str(caught.value) + caught.value.next_step


def test_records_are_created_once(journal: Journal) -> None:
    assert journal.latest().number == 0
    assert journal.open(1, intent()) is CallOutcome.APPLIED
    assert journal.open(1, intent(run="r2")) is CallOutcome.EXISTS
    forward = {"direction": Direction.FORWARD, "run": "r1"}
    back = {"direction": Direction.ROLLBACK, "run": "r2"}
    assert journal.write(1, "decision", forward) is CallOutcome.APPLIED
    assert journal.write(1, "decision", back) is CallOutcome.EXISTS
    record = journal.latest()
    assert (record.number, record.decision, record.close) == (1, Direction.FORWARD, None)
    assert journal.intent(1).new.password == NEW


def test_the_journal_of_a_parameter_below_is_another(
    aws: Aws, journal: Journal, fence: Fence
) -> None:
    below = Journal(client_of(aws, "ssm"), aws.write_client("ssm", fence.check), f"{NAME}/7")
    below.open(1, intent())
    assert journal.latest().number == 0
    target = Target("linkbox", {"password": NAME})
    assert unfinished_rotation.read(client_of(aws, "ssm"), target).number == 0
    journal.open(1, intent())
    assert unfinished_rotation.read(client_of(aws, "ssm"), target).number == 1
    journal.write(1, "slot-2", {"kind": "join"})
    assert unfinished_rotation.read(client_of(aws, "ssm"), target).number == 1
    journal.write(1, "done", {"direction": "forward"})
    assert unfinished_rotation.read(client_of(aws, "ssm"), target).number == 0


def test_ones_own_record_after_a_lost_reply_is_ones_own(journal: Journal) -> None:
    body = {"direction": Direction.ROLLBACK, "run": "r1"}
    journal.open(1, intent())
    assert journal.write(1, "decision", body) is CallOutcome.APPLIED
    assert journal.write(1, "decision", body) is CallOutcome.APPLIED
    assert journal.open(1, intent()) is CallOutcome.APPLIED


def test_slots_are_taken_in_order_and_a_clean_close_needs_the_first(journal: Journal) -> None:
    journal.open(1, intent())
    assert journal.read(1).free_slot == 2
    journal.write(1, "slot-2", {"kind": "join", "run": "r2"})
    record = journal.read(1)
    assert record.free_slot == 3
    assert record.joins
    close = {"kind": "close", "direction": "forward", "run": "r1"}
    assert journal.write(1, "slot-2", close) is CallOutcome.EXISTS
    assert journal.read(1).close is None
    journal.write(1, "done", {"direction": "forward", "run": "r1"})
    record = journal.read(1)
    assert record.close is not None
    assert not record.is_closed_clean


def test_a_clean_close_says_the_direction_too(journal: Journal) -> None:
    journal.open(1, intent())
    journal.write(1, "slot-2", {"kind": "close", "direction": "rollback", "run": "r1"})
    record = journal.latest()
    assert record.is_closed_clean
    assert record.decision is Direction.ROLLBACK
    assert not record.joins


def test_what_was_seen_is_not_forgotten(journal: Journal, aws: Aws) -> None:
    """A stale read hides no record that was read before."""
    journal.open(1, intent())
    journal.write(1, "decision", {"direction": "rollback", "run": "r1"})
    assert journal.read(1).decision is Direction.ROLLBACK
    client_of(aws, "ssm").delete_parameter(Name=f"{journal.path}/1/decision")
    assert journal.read(1).decision is Direction.ROLLBACK


def test_old_rotations_go_secret_first(
    journal: Journal, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 14):
        journal.open(number, intent())
        journal.write(number, "decision", {"direction": "forward"})
        journal.write(number, "done", {"direction": "forward"})
    assert journal.prune() == [], "they are young"
    monkeypatch.setattr(journals, "KEPT_FOR", timedelta(seconds=-1))
    deleted: list[str] = []
    client = journal._changing
    delete_parameter = client.delete_parameter

    def recorded(**arguments: Any) -> None:
        deleted.append(arguments["Name"])
        delete_parameter(**arguments)

    monkeypatch.setattr(client, "delete_parameter", recorded, raising=False)
    assert journal.prune() == [1, 2, 3]
    assert [name.rsplit("/", 1)[1] for name in deleted[:3]] == ["open", "decision", "done"]
    fresh = Journal(client_of(aws, "ssm"), client_of(aws, "ssm"), NAME)
    assert [r.number for r in fresh.all()] == list(range(4, 14))


def test_nothing_is_sent_on_an_old_look(aws: Aws) -> None:
    """The laptop slept for an hour between observation and request."""
    now = [0.0]
    fence = Fence(1200, clock=lambda: now[0])
    changing = aws.write_client("ssm", fence.check)
    with pytest.raises(StaleObservation):
        changing.put_parameter(Name="/a", Value="b", Type="String")
    fence.mark_observed()
    changing.put_parameter(Name="/a", Value="b", Type="String")
    now[0] = 3600.0
    with pytest.raises(StaleObservation):
        changing.put_parameter(Name="/a", Value="c", Type="String", Overwrite=True)
    reply = client_of(aws, "ssm").get_parameter(Name="/a")
    assert reply["Parameter"]["Value"] == "b"


@pytest.mark.parametrize("seconds", [1, 2, 60, 1200, 86400])
def test_the_fence_is_longer_than_everything_that_it_waits_for(seconds: float) -> None:
    fence = Fence(seconds)
    assert fence.max_observation_age_s <= 30
    assert fence.max_observation_age_s + 0.75 * seconds < seconds
    assert fence.hold_down_s <= seconds


@pytest.mark.parametrize("word", ["Signature expired: ...", "Signature not yet current: ..."])
def test_an_old_signature_is_a_definite_answer(word: str) -> None:
    from botocore.exceptions import ClientError

    error = ClientError({"Error": {"Code": "InvalidSignatureException", "Message": word}}, "Put")
    found = translate("ssm:PutParameter", error, is_write=True)
    assert isinstance(found, AwsError)
    assert found.code == CLOCK_CODE
    assert not found.may_have_been_applied
    read = translate("ssm:GetParameter", error)
    assert isinstance(read, TargetError)
    assert "clock is wrong" in read.sentence


@pytest.mark.parametrize(
    ("code", "is_open"),
    [
        ("ThrottlingException", True),
        ("Throttling", True),
        ("RequestLimitExceeded", True),
        ("InternalFailure", True),
        ("InternalServerError", True),
        ("ServiceUnavailable", True),
        ("Timeout", True),
        ("Unreachable", True),
        ("503", True),
        ("AccessDenied", False),
        ("ValidationException", False),
        ("ParameterAlreadyExists", False),
        ("InvalidParameterValue", False),
    ],
)
def test_what_is_the_last_word(code: str, is_open: bool) -> None:
    assert AwsError("a:B", code, "").may_have_been_applied is is_open


class TestParameters:
    """One parameter or two, with labels or without."""

    def make(self, aws: Aws, fence: Fence, *all_published: CredentialUpdate) -> CredentialWriter:
        store = ParameterStore(
            client_of(aws, "ssm"),
            aws.write_client("ssm", fence.check),
            lambda _: None,
            time.monotonic,
        )
        return CredentialWriter(store, all_published)

    def put(self, aws: Aws, name: str, value: str) -> None:
        client_of(aws, "ssm").put_parameter(
            Name=name, Value=value, Type="SecureString", Overwrite=True
        )

    def test_forward_and_back(self, aws: Aws, fence: Fence) -> None:
        self.put(aws, NAME, OLD.reveal())
        found = self.make(aws, fence, published())
        assert found.read().state is CredentialState.OLD
        assert found.publish(PasswordVersion.NEW).outcome is CallOutcome.APPLIED
        assert (found.read().state, found.read().versions) == (CredentialState.NEW, (2,))
        assert found.publish(PasswordVersion.NEW).outcome is CallOutcome.APPLIED
        assert found.read().versions == (2,), "what is there already is not written again"
        assert found.publish(PasswordVersion.OLD).outcome is CallOutcome.APPLIED
        assert (found.read().state, found.read().versions) == (CredentialState.OLD, (3,))
        self.put(aws, NAME, "foreign")
        assert found.read().state is CredentialState.OTHER

    def test_a_deleted_one_is_created_again(self, aws: Aws, fence: Fence) -> None:
        """Its versions restart at 1, so a read that expects the earlier version waits once."""
        ssm: Any = client_of(aws, "ssm")
        self.put(aws, NAME, OLD.reveal())
        self.put(aws, NAME, NEW.reveal())
        slept: list[float] = []
        changing = aws.write_client("ssm", fence.check)
        store = ParameterStore(ssm, changing, slept.append, lambda: sum(slept))
        found = CredentialWriter(store, [published(old_version=2)])
        ssm.delete_parameter(Name=NAME)
        assert found.read().state is CredentialState.ABSENT
        assert 0 < sum(slept) < 11
        slept.clear()
        assert found.publish(PasswordVersion.NEW).outcome is CallOutcome.APPLIED
        assert (found.read().state, found.read().versions) == (CredentialState.NEW, (1,))
        assert slept == []

    def test_somebody_who_creates_it_first_is_not_written_over(
        self, aws: Aws, fence: Fence
    ) -> None:
        found = self.make(aws, fence, published(old_version=0))
        assert found.read().state is CredentialState.ABSENT
        store: Any = found._store
        reading = store._reading
        missing = AwsError("ssm:GetParameter", "ParameterNotFound", "")

        class Late:
            def get_parameter(self, **_: Any) -> None:
                raise missing

        store._reading = Late()
        self.put(aws, NAME, "by-hand")
        assert found.publish(PasswordVersion.NEW).outcome is CallOutcome.NOT_APPLIED
        store._reading = reading
        assert found.read().state is CredentialState.OTHER

    def test_labels_move_along(self, aws: Aws, fence: Fence) -> None:
        ssm: Any = client_of(aws, "ssm")
        self.put(aws, NAME, OLD.reveal())
        ssm.label_parameter_version(Name=NAME, ParameterVersion=1, Labels=["live"])
        found = self.make(aws, fence, published(labels=("live",)))
        self.put(aws, NAME, NEW.reveal())
        assert found.read().state is CredentialState.MIXED, (
            "whoever reads by label still gets the old one"
        )
        assert found.publish(PasswordVersion.NEW).outcome is CallOutcome.APPLIED
        assert found.read().state is CredentialState.NEW
        reply = ssm.get_parameter(Name=f"{NAME}:live", WithDecryption=True)
        assert reply["Parameter"]["Value"] == NEW.reveal()

    def test_two_that_disagree_are_mixed(self, aws: Aws, fence: Fence) -> None:
        user = published("/linkbox/db-username", kind="String", old=Secret("a"), new=Secret("b"))
        self.put(aws, NAME, NEW.reveal())
        self.put(aws, "/linkbox/db-username", "a")
        found = self.make(aws, fence, published(), user)
        assert found.read().state is CredentialState.MIXED
        assert found.publish(PasswordVersion.NEW).outcome is CallOutcome.APPLIED
        assert found.read().state is CredentialState.NEW

    @pytest.mark.parametrize(
        ("code", "outcome"),
        [
            ("AccessDeniedException", CallOutcome.REFUSED),
            ("ParameterPatternMismatchException", CallOutcome.REFUSED),
            ("Timeout", CallOutcome.UNKNOWN),
            ("ThrottlingException", CallOutcome.UNKNOWN),
        ],
    )
    def test_how_a_write_ends(self, aws: Aws, code: str, outcome: CallOutcome) -> None:
        class Refuses:
            def put_parameter(self, **_: object) -> None:
                raise AwsError("ssm:PutParameter", code, "no")

        self.put(aws, NAME, OLD.reveal())
        refuses: Any = Refuses()
        store = ParameterStore(client_of(aws, "ssm"), refuses, lambda _: None, time.monotonic)
        found = CredentialWriter(store, [published()])
        done = found.publish(PasswordVersion.NEW)
        assert done.outcome is outcome
        assert code in done.why


def test_a_listing_has_no_end_before_the_last_record(aws: Aws) -> None:
    """Earlier it ended silently at 1,000 records."""

    class Pages(FakeClient):
        asked = 0

        def get_parameters_by_path(self, **_: Any) -> dict[str, Any]:
            self.asked += 1
            more = {"NextToken": "more"} if self.asked < 150 else {}
            at = {"HTTPHeaders": {"date": "Thu, 01 Jan 2026 00:00:00 GMT"}}
            return {"Parameters": [], "ResponseMetadata": at, **more}

    pages = Pages()
    Journal(pages, pages, NAME).latest()
    assert pages.asked == 150


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"format": 1}',
        '{"format": 1, "direction": "sideways"}',
        '{"direction": "rollback"}',
    ],
)
def test_a_record_of_another_form_is_refused(journal: Journal, aws: Aws, text: str) -> None:
    journal.open(1, intent())
    client_of(aws, "ssm").put_parameter(
        Name=f"{journal.path}/1/decision", Value=text or "x", Type="String"
    )
    with pytest.raises(CannotProceed, match="not written by this version"):
        journal.read(1)


def test_a_record_that_is_superseded_is_more_than_decided(journal: Journal) -> None:
    journal.open(1, intent())
    journal.write(1, "decision", {"direction": "forward"})
    journal.write(1, "superseded", {"direction": "superseded"})
    record = journal.read(1)
    assert record.decision is Direction.SUPERSEDED
    assert record.close is None


def test_bodies_of_records_hold_no_secret(journal: Journal, aws: Aws) -> None:
    journal.open(1, intent())
    journal.write(1, "decision", {"direction": "rollback", "why": "asked"})
    reply = client_of(aws, "ssm").get_parameters_by_path(
        Path=journal.path, Recursive=True, WithDecryption=False
    )
    plain = [p for p in reply["Parameters"] if p["Type"] == "String"]
    assert len(plain) == 1
    assert json.loads(plain[0]["Value"]) == {"format": 1, "direction": "rollback", "why": "asked"}


def test_the_password_before_the_last_rotation(journal: Journal, aws: Aws) -> None:
    known = CredentialHistory(Target("linkbox", {"password": NAME}), aws, journal)
    with pytest.raises(CannotProceed, match="no rotation has written down"):
        known.previous("linkbox")
    older = DatabaseCredential("linkbox", Secret("Older-password-0000"))
    journal.open(1, intent(old=older, new=DatabaseCredential("linkbox", OLD)))
    journal.write(1, "done", {"direction": "forward"})
    journal.open(2, intent())
    assert known.previous("linkbox") == OLD
    with pytest.raises(CannotProceed):
        known.previous("somebody")


def test_who_wrote_a_parameter_is_told_with_version_and_time() -> None:
    row = {
        "Version": 7,
        "LastModifiedDate": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "LastModifiedUser": "arn:her",
    }

    class Reading(FakeClient):
        def describe_parameters(self, **_: Any) -> dict[str, Any]:
            return {"Parameters": [row]}

    class Denied(FakeClient):
        def describe_parameters(self, **_: Any) -> None:
            raise AwsError("ssm:DescribeParameters", "AccessDenied", "")

    told = last_write(Reading(), NAME)
    assert told == f"{NAME}: version 7 was written at 2026-01-02 03:04:05 UTC by arn:her"
    assert last_write(Denied(), NAME) == ""
