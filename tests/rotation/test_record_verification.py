"""Verification of a record, which anyone may have written, before the rotation is resumed."""

from __future__ import annotations

from typing import Any

import pytest

from opskit.config import Target
from opskit.facts.database import Database
from opskit.facts.interface import known_value
from opskit.rotation.protocol import record_verification
from opskit.rotation.protocol.interface import RotationIntent
from opskit.rotation.protocol.record_verification import RecordVerification
from opskit.workload.ec2_instance import Ec2InstanceWorkload
from tests import builders as b
from tests.rotation.test_records import intent, published

PASSWORD = b.NAMES["password"]
PATH = f"/opskit/rotation{PASSWORD}/1/open"
ME, HER = "arn:aws:iam::1:user/me", "arn:aws:iam::1:user/her"


class Account:
    """AWS clients that know every parameter's author and key, and the caller."""

    region = "us-east-1"

    def __init__(self, writer: str, key_id: str = "key-1") -> None:
        self.rows = {PATH: {"LastModifiedUser": writer}, PASSWORD: {"KeyId": key_id}}

    def client(self, _: str) -> Account:
        return self

    def describe_parameters(self, **named: Any) -> dict[str, Any]:
        names = named["ParameterFilters"][0]["Values"]
        common = {"Type": "SecureString"}
        rows = [{"Name": n, **common, **self.rows[n]} for n in names if n in self.rows]
        return {"Parameters": rows}

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": "1", "Arn": ME}


def honest(**values: Any) -> RotationIntent:
    """Return the record that opskit itself would have written about LinkBox."""
    snapshot = b.snapshot()
    database, app = known_value(snapshot.get(Database)), b.healthy(Ec2InstanceWorkload)
    return intent(**{
        "published": (published(PASSWORD, key_id="key-1"),),
        "host": database.host, "port": database.port, "resource": database.instance.resource_id,
        "location": f"ec2-instance:{app.identifier}", **values,
    })  # fmt: skip


def judge(
    monkeypatch: pytest.MonkeyPatch,
    record: RotationIntent,
    writer: str = ME,
    unknown: tuple[type, ...] = (),
) -> RecordVerification:
    snapshot = b.snapshot(unknown=unknown)
    monkeypatch.setattr(record_verification, "gather", lambda *_, **__: snapshot)
    target = Target("linkbox", b.NAMES, "/linkbox")
    return record_verification.verify_record(Account(writer), target, record, PATH)  # type: ignore[arg-type]


def test_ones_own_record_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = judge(monkeypatch, honest())
    assert found == RecordVerification(writer=ME, is_ours=True)
    assert not found.needs_consent


@pytest.mark.parametrize("writer", [HER, "", "N/A"])
def test_anybody_elses_needs_consent(monkeypatch: pytest.MonkeyPatch, writer: str) -> None:
    assert judge(monkeypatch, honest(), writer).needs_consent


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"published": (published("/other/password"),)}, "not about /linkbox/db-password"),
        (
            {"published": (published(PASSWORD), published("/other/secret"))},
            "writes /other/secret",
        ),
        ({"resource": "db-OTHER"}, "about the database db-OTHER"),
        ({"resource": ""}, "about the database (none)"),
        ({"host": "evil.example.org"}, "logs in at evil.example.org"),
        ({"port": 1}, "logs in at"),
    ],
)
def test_what_does_not_fit_the_target_is_not_obeyed(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], part: str
) -> None:
    found = judge(monkeypatch, honest(**values))
    assert any(part in problem for problem in found.problems), found.problems


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"published": (published(PASSWORD, key_id="key-2"),)}, "under the key key-2"),
        ({"location": "ec2-instance:i-0bad"}, "goes through ec2-instance:i-0bad"),
        ({"readers": ("evil.example.org",)}, "logs in at evil.example.org too"),
        ({"admin_parameter": "/other/secret"}, "what /other/secret holds"),
        ({"restart_targets": ("container\tweb; id\ti-1\t",)}, "neither a container nor a service"),
    ],
)
def test_what_a_person_has_to_agree_to_is_named(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], part: str
) -> None:
    found = judge(monkeypatch, honest(**values), HER)
    assert found.problems == ()
    assert any(part in doubt for doubt in found.doubts), found.doubts


def test_a_database_that_is_not_known_is_a_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_verification, "analyze_all", lambda found: found)
    found = judge(monkeypatch, honest(), unknown=(Database,))
    assert any("could not be compared" in doubt for doubt in found.doubts)
