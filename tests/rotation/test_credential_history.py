"""All stored credentials of a user, from stores in memory: order, owners, and what cannot be read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from opskit.config import Target
from opskit.errors import AwsError, CannotProceed
from opskit.rotation.credential_history import MOST_HISTORY, CredentialHistory, without_repeats
from opskit.rotation.planning.context import RotationContext
from opskit.rotation.protocol.interface import DatabaseCredential
from opskit.rotation.protocol.journal import Journal
from opskit.secret import Secret
from tests.rotation.memory import ParameterStoreInMemory
from tests.rotation.test_records import NAME, NEW, OLD, intent, published

USER = "linkbox"


class Ssm(ParameterStoreInMemory):
    """Parameters, and the earlier versions of the password."""

    versions: Sequence[str] = ()

    def get_parameter_history(self, **asked: Any) -> Mapping[str, Any]:
        assert asked["WithDecryption"] is True
        self._answer("GetParameterHistory")
        rows = [{"Version": n, "Value": text} for n, text in enumerate(self.versions, 1)]
        return {"Parameters": rows}


class Secrets:
    """A Secrets Manager with one secret, or an error in its place."""

    def __init__(self, text: str, code: str = "") -> None:
        self.text, self.code = text, code

    def get_secret_value(self, **asked: Any) -> Mapping[str, str]:
        if self.code:
            raise AwsError("secretsmanager:GetSecretValue", self.code, "no")
        return {"SecretString": self.text, "VersionId": "v1"}


@pytest.fixture
def ssm() -> Ssm:
    return Ssm()


@pytest.fixture
def journal(ssm: Ssm) -> Journal:
    return Journal(ssm, ssm, NAME)  # type: ignore[arg-type]


def history(ssm: Ssm, journal: Journal, secrets: Any = None, **names: str) -> CredentialHistory:
    clients = {"ssm": ssm, "secretsmanager": secrets}
    aws: Any = SimpleNamespace(client=clients.__getitem__)
    return CredentialHistory(Target("linkbox", {"password": NAME, **names}), aws, journal)


def context(text: str = "present-Password-1", **changes: Any) -> RotationContext:
    made: Any = SimpleNamespace(
        user=USER,
        password=Secret(text),
        is_missing=False,
        is_master=True,
        managed_secret_arn=None,
    )
    vars(made).update(changes)
    return made  # type: ignore[no-any-return]


def credential(password: str | Secret, user: str = USER) -> DatabaseCredential:
    return DatabaseCredential(user, password if isinstance(password, Secret) else Secret(password))


def texts(known: Sequence[tuple[str, DatabaseCredential]]) -> list[str]:
    return [login.password.reveal() for _, login in known]


class TestCandidates:
    def test_every_place_in_the_order_of_likelihood(self, ssm: Ssm, journal: Journal) -> None:
        journal.open(1, intent())
        ssm.versions = ("first-Password-1", "second-Password-1")
        managed = Secrets(json.dumps({"username": USER, "password": "managed-Password-1"}))
        asked = context("present-Password-1\n", managed_secret_arn="arn:s")
        known = history(ssm, journal, managed).candidates(asked)
        assert [where for where, _ in known] == [
            f"the present value of {NAME}",
            f"the value of {NAME}, without the newline at its end",
            "the secret arn:s",
            f"{NAME}, version 2",
            f"{NAME}, version 1",
            f"the journal {journal.path}",
            f"the journal {journal.path}",
        ]
        assert texts(known)[2:] == [
            "managed-Password-1", "second-Password-1", "first-Password-1", NEW.reveal(), OLD.reveal(),
        ]  # fmt: skip

    def test_each_password_is_tried_once_and_an_empty_one_never(
        self, ssm: Ssm, journal: Journal
    ) -> None:
        ssm.versions = ("present-Password-1", "", "first-Password-1", "present-Password-1")
        known = history(ssm, journal).candidates(context())
        assert texts(known) == ["present-Password-1", "first-Password-1"]
        assert known[0][0] == f"the present value of {NAME}"

    def test_a_parameter_that_is_missing_has_no_present_value(
        self, ssm: Ssm, journal: Journal
    ) -> None:
        ssm.fails["GetParameterHistory"] = ["ParameterNotFound"]
        assert history(ssm, journal).candidates(context("", is_missing=True)) == []

    def test_only_the_newest_versions_are_tried(self, ssm: Ssm, journal: Journal) -> None:
        ssm.versions = [f"Password-{n}" for n in range(1, 41)]
        known = texts(history(ssm, journal).from_parameter(USER))
        assert known == [f"Password-{n}" for n in range(40, 40 - MOST_HISTORY, -1)]

    def test_versions_of_a_combined_parameter_belong_to_their_user(
        self, ssm: Ssm, journal: Journal
    ) -> None:
        def stored(user: str, password: str) -> str:
            return json.dumps({"username": user, "password": password})

        ssm.versions = (
            stored(USER, "ours-1"), stored("other", "theirs-1"), "no JSON", stored(USER, ""),
        )  # fmt: skip
        combined = history(ssm, journal, username=NAME)
        assert texts(combined.from_parameter(USER)) == ["ours-1"]


class TestJournal:
    def test_newest_first_and_only_those_of_the_user(self, ssm: Ssm, journal: Journal) -> None:
        journal.open(1, intent(old=credential("a"), new=credential("b")))
        journal.open(2, intent(old=credential("b"), new=credential("c", "linkbox_2")))
        known = history(ssm, journal)
        assert [c.password.reveal() for c in known.from_journal(USER)] == ["b", "b", "a"]
        assert [c.password.reveal() for c in known.from_journal("linkbox_2")] == ["c"]

    def test_a_record_that_was_pruned_meanwhile(self, ssm: Ssm, journal: Journal) -> None:
        journal.open(1, intent(old=credential("a"), new=credential("b")))
        journal.open(2, intent())
        ssm.fails["GetParameter"] = ["ParameterNotFound"]
        known = history(ssm, journal).from_journal(USER)
        assert [c.password.reveal() for c in known] == ["b", "a"]

    def test_a_record_that_may_not_be_read_is_no_empty_one(
        self, ssm: Ssm, journal: Journal
    ) -> None:
        journal.open(1, intent())
        ssm.fails["GetParameter"] = ["AccessDeniedException"]
        with pytest.raises(AwsError, match="AccessDenied"):
            history(ssm, journal).from_journal(USER)

    def test_the_previous_password_is_of_a_rotation_of_that_user_alone(
        self, ssm: Ssm, journal: Journal
    ) -> None:
        journal.open(1, intent(old=credential("a"), new=credential("b")))
        journal.open(2, intent(old=credential("b"), new=credential("c", "linkbox_2")))
        assert history(ssm, journal).previous(USER) == Secret("a")
        with pytest.raises(CannotProceed, match="an earlier password of linkbox_2") as caught:
            history(ssm, journal).previous("linkbox_2")
        assert "--password-stdin" in caught.value.next_step

    def test_the_key_is_that_of_the_newest_rotation(self, ssm: Ssm, journal: Journal) -> None:
        assert history(ssm, journal).keys() == set()
        for number, key in ((1, "k1"), (2, "k2")):
            others = published("/linkbox/other", key_id="k9")
            journal.open(number, intent(published=(published(key_id=key), others)))
        assert history(ssm, journal).keys() == {"k2"}

    def test_an_initiator_whose_record_cannot_be_read_is_left_out(
        self, ssm: Ssm, journal: Journal
    ) -> None:
        journal.open(1, intent(by="arn:a"))
        journal.open(2, intent(by="arn:b", strategy="two-users"))
        journal.open(3, intent())
        ssm.rows[f"{journal.path}/3/open"]["Value"] = '{"format": 99}'
        ssm.fails["GetParameter"] = ["AccessDeniedException"]
        assert history(ssm, journal).initiators() == {2: ("arn:b", "two-users")}

    def test_others_are_neither_of_the_rotation_s_own_two(self, ssm: Ssm, journal: Journal) -> None:
        ours = intent()
        journal.open(1, ours)
        ssm.versions = (OLD.reveal(), "typed-Password-1", NEW.reveal())
        others = history(ssm, journal).others(ours)
        assert texts(others()) == ["typed-Password-1"]
        ssm.versions = ("later-Password-1",)
        assert texts(others()) == ["later-Password-1"], "read each time"


class TestAdministrator:
    def put(self, ssm: Ssm, text: str) -> None:
        ssm.put_parameter(Name="/admin", Value=text)

    def test_none_is_named(self, ssm: Ssm, journal: Journal) -> None:
        journal.open(1, intent())
        known = history(ssm, journal)
        assert known.administrator("") == []
        assert known.credentials_that_can_change("", USER) == [credential(NEW), credential(OLD)]

    def test_one_that_is_named_comes_in_place_of_the_user_s_own(
        self, ssm: Ssm, journal: Journal
    ) -> None:
        journal.open(1, intent())
        self.put(ssm, '{"username": "postgres", "password": "admin-Password-1"}')
        known = history(ssm, journal).credentials_that_can_change("/admin", USER)
        assert known == [credential("admin-Password-1", "postgres")]

    @pytest.mark.parametrize("text", ["admin-Password-1", '{"password": "admin-Password-1"}', "[]"])
    def test_a_value_of_another_form_is_not_shown(
        self, ssm: Ssm, journal: Journal, text: str
    ) -> None:
        self.put(ssm, text)
        with pytest.raises(CannotProceed, match="/admin does not hold") as caught:
            history(ssm, journal).credentials_that_can_change("/admin", USER)
        assert "admin-Password-1" not in str(caught.value) + caught.value.next_step

    def test_one_that_cannot_be_read(self, ssm: Ssm, journal: Journal) -> None:
        with pytest.raises(CannotProceed, match="/admin cannot be read") as caught:
            history(ssm, journal).credentials_that_can_change("/admin", USER)
        assert "--admin-parameter" in caught.value.next_step


class TestManaged:
    TEXT = json.dumps({"username": USER, "password": "managed-Password-1"})

    @pytest.mark.parametrize(
        "changes",
        [{"managed_secret_arn": None}, {"is_master": False, "managed_secret_arn": "arn:s"}],
    )
    def test_only_the_master_s(self, ssm: Ssm, journal: Journal, changes: dict[str, Any]) -> None:
        assert history(ssm, journal, Secrets(self.TEXT)).managed(context(**changes)) == []

    @pytest.mark.parametrize(
        "secrets", [Secrets("no JSON"), Secrets(TEXT, "AccessDeniedException")]
    )
    def test_one_that_cannot_be_read_is_left_out(
        self, ssm: Ssm, journal: Journal, secrets: Secrets
    ) -> None:
        asked = context(managed_secret_arn="arn:s")
        assert history(ssm, journal, secrets).managed(asked) == []

    def test_without_an_answer_it_is_not_left_out(self, ssm: Ssm, journal: Journal) -> None:
        asked = context(managed_secret_arn="arn:s")
        with pytest.raises(AwsError):
            history(ssm, journal, Secrets(self.TEXT, "Timeout")).managed(asked)


def test_of_equal_passwords_the_first_place_counts() -> None:
    places = [("a", credential("x")), ("b", credential("y")), ("c", credential("x"))]
    assert [where for where, _ in without_repeats(places)] == ["a", "b"]


def test_no_password_is_in_a_repr(ssm: Ssm, journal: Journal) -> None:
    ssm.versions = ("first-Password-1",)
    assert "Password-1" not in repr(history(ssm, journal).candidates(context()))
