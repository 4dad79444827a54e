"""The proposed repair, how it is made, and the next steps if there is none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from opskit.aws import Aws
from opskit.config import Target
from opskit.credential_source import source_of
from opskit.credential_source.interface import LocationProperties
from opskit.engine.interface import LoginFailure, LoginResult
from opskit.errors import AwsError, CannotProceed
from opskit.facts.policies import PolicyText
from opskit.facts.rds import DbCluster, DbInstances
from opskit.facts.value_form import readings
from opskit.probe.response import Resolution
from opskit.rotation.credential_history import CredentialHistory
from opskit.rotation.planning.context import RotationContext, load_context
from opskit.rotation.protocol.fence import Fence
from opskit.rotation.protocol.interface import ChangeOutcome, ControlPlaneState, DatabaseCredential
from opskit.rotation.protocol.journal import Journal
from opskit.rotation.protocol.state_machine import CallOutcome, Direction
from opskit.rotation.repair.changes import Changes, apply_repair, changes_of
from opskit.rotation.repair.proposals import (
    MOST_TRIES,
    Repair,
    new_login,
    propose,
    propose_supplied,
)
from opskit.rotation.steps.parameter_key import keys_allowed, select_key
from opskit.secret import Secret
from opskit.transport.database_connector import DatabaseConnector
from tests import builders as b
from tests.fake_aws import client_of
from tests.rotation.test_preflight import context as context
from tests.rotation.test_records import intent, published

SOURCE = source_of(Target("linkbox", b.NAMES))
NAME = "/linkbox/db-password"
RIGHT = "Lk'9 \"mid q7_T2xy"
"""Public case p44: only the newline behind it may be removed."""


class FakeConnector(DatabaseConnector):
    """Connector to a database that accepts one password of one user; it opens no connection."""

    description = "through linkbox-backend-1"

    def __init__(self, accepted: str = "", user: str = "linkbox", message: str = "") -> None:
        self.accepted, self.user, self.tried = accepted, user, list[str]()
        self.message = message or "password authentication failed"
        self.failure = LoginFailure.PASSWORD

    def try_login(self, user: str, password: Secret) -> LoginResult:
        self.tried.append(password.reveal())
        if (user, password.reveal()) == (self.user, self.accepted):
            return LoginResult(True, None, "", 1.0)
        return LoginResult(False, self.failure, self.message, 1.0)


def holding(text: str, **changes: Any) -> RotationContext:
    return context(text=Secret(text), password=Secret(text), **changes)


def missing(**changes: Any) -> RotationContext:
    return holding("", properties=SOURCE.absent, **changes)


def known(around: RotationContext, *earlier: str) -> list[tuple[str, DatabaseCredential]]:
    """Return credentials as `CredentialHistory.candidates` does, without AWS."""
    user = around.user
    found = (
        []
        if around.is_missing
        else [("the present value", DatabaseCredential(user, around.password))]
    )
    found += [
        (r.how, DatabaseCredential(user, r.password)) for r in readings(around.password, user)
    ]
    return found + [
        (f"version {n}", DatabaseCredential(user, Secret(t))) for n, t in enumerate(earlier)
    ]


def proposed(
    around: RotationContext,
    connector: FakeConnector,
    *earlier: str,
    new: DatabaseCredential | None = None,
) -> Repair:
    return propose(around, connector, known(around, *earlier), "us-east-1", new)


class TestPropose:
    """The smallest change is proposed."""

    def test_only_the_newline_goes(self) -> None:
        connector = FakeConnector(RIGHT)
        found = proposed(holding(RIGHT + "\n"), connector)
        assert found.login.password.reveal() == RIGHT
        assert found.writes_parameter
        assert not found.sets_master
        assert connector.tried == [RIGHT + "\n", RIGHT]

    def test_what_logs_in_stays_whatever_its_form(self) -> None:
        assert proposed(holding(RIGHT), FakeConnector(RIGHT)).is_sound
        assert proposed(holding("changeme"), FakeConnector("changeme")).is_sound

    def test_the_password_of_a_json_secret_is_written_alone(self) -> None:
        """Public case p13."""
        text = json.dumps({"username": "linkbox", "password": RIGHT})
        found = proposed(holding(text), FakeConnector(RIGHT))
        assert found.login.password.reveal() == RIGHT
        assert "hold the password alone" in found.proposal
        assert RIGHT not in repr(found)

    def test_a_json_secret_of_another_user_is_not_tried(self) -> None:
        text = json.dumps({"username": "other", "password": RIGHT})
        connector = FakeConnector()
        found = proposed(holding(text), connector)
        assert RIGHT not in connector.tried
        assert found.proposal == ""
        assert "is a JSON object" in found.sentence

    @pytest.mark.parametrize(
        "text",
        ["changeme-please", "p%40ss-word12", "AQICAH" + "x" * 120, '{"password": "x"}', "a b c d e f",
         "sla/sh-12345", " blank-12345", "short", "newline-12345\n", "<password>"],
    )  # fmt: skip
    def test_nothing_odd_becomes_the_master_password(self, text: str) -> None:
        """Public case p45 and similar ones."""
        found = proposed(holding(text), FakeConnector())
        assert (found.proposal, found.sets_master) == ("", False)
        assert "not made a password" in found.sentence
        assert "--new-password" in found.advice
        assert text.strip() not in found.sentence + found.advice

    def test_a_sound_value_becomes_the_masters(self) -> None:
        found = proposed(holding("drifted-away-long-ago-1A"), FakeConnector())
        assert found.sets_master
        assert not found.writes_parameter
        assert "every other client of linkbox" in found.proposal

    def test_a_cluster_takes_fewer_characters(self) -> None:
        cluster = DbCluster("c", "cr", "available", (), None, None, None, (), 5432, "linkbox-db")
        text = "Xy-1" * 11
        assert proposed(holding(text), FakeConnector()).sets_master
        assert not proposed(holding(text, cluster=cluster), FakeConnector()).sets_master
        assert proposed(holding(text[:40], cluster=cluster), FakeConnector()).sets_master

    def test_a_role_is_never_made_the_masters_matter(self) -> None:
        """Public case p06: a role that has expired. The advice leads back neither to `diagnose` nor here."""
        found = proposed(
            holding("good-Password_1", user="reports"), FakeConnector(), "Older-Password_1"
        )
        assert found.proposal == ""
        assert '\\du "reports"' in found.advice
        assert "--new-password" not in found.advice
        assert found.advice.splitlines()[-1].endswith("afterwards")

    def test_a_generated_one_is_not_for_a_role(self) -> None:
        around = holding("good-Password_1", user="reports")
        found = proposed(
            around, FakeConnector(), new=DatabaseCredential("reports", Secret("Generated-1234"))
        )
        assert found.proposal == ""

    def test_a_name_in_another_case_is_named(self) -> None:
        """Public case p34."""
        found = proposed(holding("good-Password_1", user="LinkBox"), FakeConnector())
        assert found.proposal == ""
        assert "upper and lower case only" in found.advice
        assert "--name /linkbox/db-username" in found.advice
        assert "--value linkbox " in found.advice

    def test_a_managed_password_is_not_set(self) -> None:
        managed = replace(b.db_instance(), managed_secret_arn="arn:secret")
        found = proposed(holding("good-Password_1", database=managed), FakeConnector())
        assert found.proposal == ""
        assert "secretsmanager:GetSecretValue on arn:secret" in found.advice

    def test_failed_logins_are_limited(self) -> None:
        connector = FakeConnector("version-99-Pw")
        found = proposed(
            holding("good-Password_1"), connector, *(f"version-{n}-Pw" for n in range(99))
        )
        assert len(connector.tried) == MOST_TRIES
        assert "80 more, which are older, were not tried" in found.tried

    def test_a_closed_port_is_no_wrong_password(self) -> None:
        connector = FakeConnector(message="timeout expired")
        connector.failure = LoginFailure.NO_ANSWER
        with pytest.raises(CannotProceed, match="could be judged"):
            proposed(holding("good-Password_1"), connector)

    def test_tokens_of_iam_are_no_passwords(self) -> None:
        connector = FakeConnector()
        connector.failure = LoginFailure.IAM_AUTH
        with pytest.raises(CannotProceed, match="rds_iam"):
            proposed(holding("good-Password_1"), connector)

    def test_a_missing_parameter_is_created_with_what_logs_in(self) -> None:
        found = proposed(missing(), FakeConnector("Older-Password_1"), "Older-Password_1")
        assert found.proposal.startswith(f"create {NAME} with version 0")

    def test_a_missing_parameter_sets_no_empty_password(self) -> None:
        found = proposed(missing(), FakeConnector())
        assert (found.proposal, found.sets_master) == ("", False)
        assert "--password-stdin" in found.advice

    def test_a_supplied_password_is_tried_and_nothing_else_done(self) -> None:
        around, connector = holding("good-Password_1"), FakeConnector()
        login = DatabaseCredential("linkbox", Secret("Supplied-12345"))
        found = propose_supplied(around, connector, login, "us-east-1")
        assert found.proposal == ""
        assert "nothing was changed" in found.sentence
        assert connector.tried == ["good-Password_1", "Supplied-12345"]
        connector.accepted = "Supplied-12345"
        assert propose_supplied(around, connector, login, "us-east-1").writes_parameter


class Master:
    """RDS, which applies a password after some observations, or never."""

    needs_no_login, is_synchronous = True, False

    def __init__(self, connector: FakeConnector, *, after: int = 0, helps: bool = True) -> None:
        self._connector, self._after, self._helps = connector, after, helps
        self.asked: list[str] = []

    def change(
        self,
        to: DatabaseCredential,
        direction: Direction = Direction.FORWARD,
        works: DatabaseCredential | None = None,
    ) -> ChangeOutcome:
        self.asked.append(to.password.reveal())
        return ChangeOutcome(CallOutcome.APPLIED)

    def control(self) -> ControlPlaneState:
        self._after -= 1
        if self._after <= 0 and self._helps:
            self._connector.accepted = self.asked[-1]
        return ControlPlaneState(self._after > 0, "linkbox-db is resetting-master-credentials")


def apply(
    repair: Repair,
    around: RotationContext,
    connector: FakeConnector,
    master: Master,
    order: list[str],
) -> None:
    clock = iter(range(10_000))

    def write(one: Any) -> ChangeOutcome:
        order.append("write")
        assert not master.asked, "the parameter holds the password before RDS is asked"
        return ChangeOutcome(CallOutcome.APPLIED)

    changes = Changes(write, write, master, lambda: order.append("look"), quiet_s=20.0)
    apply_repair(
        repair, around, changes, connector, 600.0, lambda _: None, lambda: float(next(clock))
    )  # fmt: skip


def test_a_generated_password_is_in_the_parameter_before_rds_is_asked() -> None:
    around, connector, order = holding("changeme1"), FakeConnector(), list[str]()
    found = proposed(around, connector, new=new_login(around))
    assert found.writes_parameter
    assert found.sets_master
    master = Master(connector, after=4)
    apply(found, around, connector, master, order)
    assert order == ["look", "write", "look"]
    assert master.asked == [found.login.password.reveal()]


def test_a_password_that_does_not_help_ends_with_the_reason() -> None:
    """Public case p06: RDS accepts the password, and the role has expired."""
    around, connector = holding("good-Password_1"), FakeConnector()
    with pytest.raises(CannotProceed, match="still cannot log in") as caught:
        apply(proposed(around, connector), around, connector, Master(connector, helps=False), [])
    assert "valid until" in caught.value.next_step
    assert len(connector.tried) < 30
    assert "good-Password_1" not in caught.value.sentence + caught.value.next_step


def test_a_pattern_that_nothing_fits_is_said() -> None:
    with pytest.raises(CannotProceed, match="AllowedPattern"):
        new_login(
            holding("changeme1", properties=replace(context().properties, pattern="[0-9]{8}"))
        )


@pytest.fixture
def aws(aws_in_memory: None) -> Aws:
    return Aws(Target("linkbox", b.NAMES, "/linkbox"))


def put(aws: Aws, text: str, name: str = NAME, **more: Any) -> None:
    ssm: Any = client_of(aws, "ssm")
    ssm.put_parameter(Name=name, Value=text, **{"Type": "SecureString", "Overwrite": True, **more})


class TestKnown:
    """The places where passwords are stored."""

    def make(self, aws: Aws) -> CredentialHistory:
        fence = Fence(1200)
        fence.mark_observed()
        self.journal = Journal(client_of(aws, "ssm"), aws.write_client("ssm", fence.check), NAME)
        return CredentialHistory(Target("linkbox", b.NAMES, "/linkbox"), aws, self.journal)

    def texts(self, found: Sequence[tuple[str, DatabaseCredential]]) -> list[str]:
        return [login.password.reveal() for _, login in found]

    def test_the_order_is_the_value_its_readings_versions_and_the_journal(self, aws: Aws) -> None:
        for text in ("First-Password_1", ' "Second-Password_1"', RIGHT + "\n"):
            put(aws, text)
        made = self.make(aws)
        self.journal.open(1, intent())
        found = made.candidates(holding(RIGHT + "\n"))
        assert self.texts(found) == [
            RIGHT + "\n", RIGHT, ' "Second-Password_1"', "First-Password_1",
            "New-password-5678", "Old-password-1234",
        ]  # fmt: skip
        assert RIGHT not in " ".join(where for where, _ in found)

    def test_a_missing_parameter_leaves_the_journal(self, aws: Aws) -> None:
        made = self.make(aws)
        assert made.candidates(missing()) == []
        self.journal.open(1, intent(published=(published(key_id="alias/aws/ssm"),)))
        assert self.texts(made.candidates(missing())) == ["New-password-5678", "Old-password-1234"]
        assert made.keys() == {"alias/aws/ssm"}


class TestKey:
    """The key with which a missing parameter is created."""

    def test_the_first_source_that_names_one_counts(self) -> None:
        assert (
            select_key([("a", set()), ("b", {"k1"}), ("c", {"k2"})], SOURCE.default_key).key_id
            == "k1"
        )
        assert select_key([("a", {"k1", "k2"}), ("b", {"k2"})], SOURCE.default_key).because == "b"
        assert select_key([("a", set())], SOURCE.default_key).key_id == SOURCE.default_key
        with pytest.raises(CannotProceed, match="k1, k2") as caught:
            select_key([("a", {"k1", "k2"}), ("b", set())], SOURCE.default_key)
        assert "--key-id" in caught.value.next_step

    def test_parameters_beside_it_tell(self, aws: Aws) -> None:
        kms: Any = client_of(aws, "kms")
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        put(aws, "x", "/linkbox/api-token", KeyId=key)
        put(aws, "x", "/linkbox/db-username", Type="String")
        put(aws, "x", "/elsewhere/token")
        assert SOURCE.keys_beside(client_of(aws, "ssm"), "password") == {key}

    def test_the_roles_policies_tell(self) -> None:
        other = {**b.DECRYPTS, "Resource": "*"}
        policies = b.role_policies(b.READS, b.DECRYPTS, other)
        assert keys_allowed(policies) == {b.KEY_ARN}
        broken = replace(policies, identity=(PolicyText("p", "", {"Statement": "no"}),))
        assert keys_allowed(broken) == set()


def test_a_parameter_is_written_with_its_key_tier_and_labels(aws: Aws) -> None:
    ssm: Any = client_of(aws, "ssm")
    kms: Any = client_of(aws, "kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    put(aws, RIGHT + "\n", KeyId=key, Tier="Advanced")
    ssm.label_parameter_version(Name=NAME, ParameterVersion=1, Labels=["live"])
    properties = LocationProperties("SecureString", 1, key, "Advanced", ("live",))
    around, connector = holding(RIGHT + "\n", properties=properties), FakeConnector(RIGHT)
    fence = Fence(1200)
    changes = changes_of(around, aws, fence)
    apply_repair(proposed(around, connector), around, changes, connector, 1.0)
    held = ssm.get_parameter(Name=f"{NAME}:live", WithDecryption=True)["Parameter"]
    assert (held["Value"], held["Version"]) == (RIGHT, 2)
    [described] = ssm.describe_parameters()["Parameters"]
    assert (described["KeyId"], described["Tier"], described["Type"]) == (
        key, "Advanced", "SecureString",
    )  # fmt: skip


def test_a_missing_parameter_is_created_under_the_chosen_key(aws: Aws) -> None:
    ssm: Any = client_of(aws, "ssm")
    kms: Any = client_of(aws, "kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    around, connector = missing(), FakeConnector(RIGHT)
    around = replace(around, properties=replace(around.properties, key_id=key))
    found = proposed(around, connector, RIGHT)
    apply_repair(found, around, changes_of(around, aws, Fence(1200)), connector, 1.0)
    assert ssm.get_parameter(Name=NAME, WithDecryption=True)["Parameter"]["Value"] == RIGHT
    assert ssm.describe_parameters()["Parameters"][0]["KeyId"] == key
    with pytest.raises(CannotProceed, match="refused") as caught:
        apply_repair(found, around, changes_of(around, aws, Fence(1200)), connector, 1.0)
    assert RIGHT not in str(caught.value)


def test_a_lost_reply_is_not_called_a_refusal() -> None:
    around, connector = holding(RIGHT + "\n"), FakeConnector(RIGHT)
    lost = AwsError("ssm:PutParameter", "Timeout", "")
    changes = Changes(
        lambda _: ChangeOutcome.by(lost), lambda _: ChangeOutcome.by(lost), Master(connector)
    )
    with pytest.raises(CannotProceed, match="may not have been made"):
        apply_repair(proposed(around, connector), around, changes, connector, 1.0)


def test_a_doubted_database_is_not_touched(monkeypatch: pytest.MonkeyPatch, aws: Aws) -> None:
    doubted = replace(
        b.database(), doubt="linkbox-db only shares its names with the app's database"
    )
    monkeypatch.setattr(
        "opskit.rotation.planning.context.gather", lambda *_, **__: b.snapshot(doubted)
    )
    target = Target("linkbox", b.NAMES, "/linkbox")
    with pytest.raises(CannotProceed, match="only shares its names") as caught:
        load_context(target, aws, "us-east-1", may_be_missing=True)
    assert "--db-instance linkbox-db" in caught.value.next_step


def test_a_database_to_which_the_apps_name_does_not_lead_is_not_touched(
    monkeypatch: pytest.MonkeyPatch, aws: Aws
) -> None:
    """Its password would be published to an app that uses another database."""
    other = b.db_instance(identifier="orders-db", host=f"orders-{b.HOST}")
    here = [Resolution(name, ("10.0.5.99",), "") for name in ("db.internal", f"orders-{b.HOST}")]
    facts = (
        b.parameters(endpoint=b.parameter("endpoint", value="db.internal")),
        DbInstances((b.db_instance(), other)),
        b.probe(resolutions=(*here, Resolution(b.HOST, ("10.0.5.10",), ""))),
    )
    monkeypatch.setattr(
        "opskit.rotation.planning.context.gather", lambda *_, **__: b.snapshot(*facts)
    )
    target = Target("linkbox", b.NAMES, "/linkbox")
    with pytest.raises(CannotProceed, match="leads to orders-db and not to linkbox-db") as caught:
        load_context(target, aws, "us-east-1", may_be_missing=True)
    assert "--db-instance linkbox-db" in caught.value.next_step


def test_nothing_of_the_password_is_in_a_repr() -> None:
    around = holding(RIGHT)
    assert RIGHT not in repr(proposed(around, FakeConnector())) + repr(around)
