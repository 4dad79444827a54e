"""A snapshot in a file: it comes back whole, is judged alike, and holds no secret."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opskit.checks.catalogue import all_checks, default_checks
from opskit.config import Target
from opskit.diagnosis.run import judge
from opskit.errors import UsageError
from opskit.facts import snapshot_file
from opskit.facts.binding import inputs_of
from opskit.facts.given_facts import FingerprintKey
from opskit.facts.interface import Known
from opskit.facts.probe import InstanceProbe
from opskit.facts.region import Region
from opskit.facts.security_groups import SecurityGroups
from opskit.facts.snapshot import Snapshot
from opskit.facts.stored_credential import Credential
from opskit.secret import Secret
from tests import builders as b

CASES = {
    "healthy": b.snapshot(),
    "a rule is missing": b.snapshot(b.groups((b.rule(5432, "sg-alb"),))),
    "no probe": b.snapshot(unknown=(InstanceProbe,)),
    "no groups": b.snapshot(unknown=(SecurityGroups,)),
}
TARGET = Target("linkbox", b.NAMES, "/linkbox")


def read_only(snapshot: Snapshot) -> Snapshot:
    """The facts that are written."""
    kinds = snapshot_file.fact_types().values()
    facts = {kind: fact for kind, fact in snapshot.facts.items() if kind in kinds}
    return Snapshot(facts, 24, 4)


@pytest.mark.parametrize("name", CASES)
def test_it_comes_back_whole_and_is_judged_alike(name: str) -> None:
    snapshot = read_only(CASES[name])
    loaded = snapshot_file.load(snapshot_file.dump(snapshot))
    assert loaded == snapshot
    before = judge(snapshot, TARGET, "us-east-1", default_checks())
    after = judge(loaded, TARGET, "us-east-1", default_checks())
    assert after == before
    assert before.bugs == ()


def test_every_fact_that_a_check_reads_is_written_or_derived() -> None:
    """A type that a check declares and no file keeps would be unknown in every judgement."""
    wanted = {i.type for check in all_checks() for i in inputs_of(check.judge)}
    assert wanted.isdisjoint(snapshot_file.NOT_WRITTEN)


def test_no_secret_is_written() -> None:
    key, password = FingerprintKey("0123456789abcdef"), Secret("correct-horse-battery")
    facts = dict(read_only(b.snapshot()).facts)
    facts[FingerprintKey] = b.known(key)
    facts[Credential] = b.known(Credential(password))
    text = snapshot_file.dump(Snapshot(facts))
    assert key.text not in text
    assert password.reveal() not in text


def test_a_secret_that_slipped_into_a_fact_is_redacted() -> None:
    leaked = Secret("correct-horse-battery")
    facts = dict(read_only(b.snapshot()).facts)
    facts[Region] = Known(Region(f"x {leaked.reveal()}"), "test", b.NOW)
    text = snapshot_file.dump(Snapshot(facts))
    assert leaked.reveal() not in text
    assert snapshot_file.load(text).value(Region) is not None


def change(**changed: Any) -> str:
    document = json.loads(snapshot_file.dump(read_only(b.snapshot())))
    return json.dumps({**document, **changed})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read"),
        ("[]", "cannot be read"),
        ("{}", "its schema is not opskit.snapshot"),
        (change(schema="opskit.snapshot/2"), "newer than this opskit"),
        (change(schema="opskit.diagnosis/1"), "its schema is not"),
        (change(facts={"Weather": {}}), "there is no fact Weather"),
        (change(facts={"Region": {"value": {"name": 1}}}), "cannot be read"),
        (change(facts={"Region": []}), "cannot be read"),
        (change(calls="many"), "cannot be read"),
    ],
)
def test_what_is_no_snapshot_is_one_sentence(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        snapshot_file.load(text)


def test_an_older_format_is_migrated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Format 0 of this test called the Region "Area"."""

    def rename(document: dict[str, Any]) -> dict[str, Any]:
        facts = dict(document["facts"])
        facts["Region"] = facts.pop("Area")
        return {**document, "facts": facts}

    document = json.loads(change(schema="opskit.snapshot/0"))
    document["facts"]["Area"] = document["facts"].pop("Region")
    monkeypatch.setattr(snapshot_file, "MIGRATIONS", {0: rename})
    assert snapshot_file.load(json.dumps(document)).value(Region) == Region("us-east-1")
