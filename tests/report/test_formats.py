"""Process exit status, JSON and last line agree, in every format, for every outcome and `--fail-on`."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from types import SimpleNamespace

import jsonschema
import pytest
from click.testing import CliRunner

import opskit.aws
import opskit.diagnosis.run
from opskit import utc
from opskit.checks.catalogue import checks_of_layer, default_checks
from opskit.cli.diagnose import diagnose as command
from opskit.config import Target
from opskit.diagnosis.result import Diagnosis, Verdict
from opskit.diagnosis.run import judge
from opskit.facts.interface import Unknown
from opskit.facts.probe import InstanceProbe
from opskit.report import FORMATS, diagnosis_json
from opskit.report.interface import Style
from tests import builders as b
from tests import recorded
from tests.conftest import LIMIT_S


@cache
def judged(name: str, layer: str = "", unknown: type | None = None) -> Diagnosis:
    """The diagnosis of a recorded snapshot, by all checks or those of one layer."""
    snapshot = recorded.load(name)
    facts = dict(snapshot.facts)
    if unknown is not None:
        facts[unknown] = Unknown("you may not call x:Y", ("x:Y",))
    checks = checks_of_layer(layer) if layer else default_checks()
    return judge(replace(snapshot, facts=facts), TARGET, "us-east-1", checks)


TARGET = Target("linkbox", b.NAMES)
OUTCOMES = {
    "healthy": ((recorded.HEALTHY,), Verdict.HEALTHY, 0),
    "warning": (("nacl-second-subnet",), Verdict.HEALTHY, 0),
    "degraded": (("stale-worker",), Verdict.DEGRADED, 1),
    "broken": (("ingress-removed",), Verdict.BROKEN, 1),
    "symptom": (("ingress-removed", "tcp"), Verdict.CAUSE_NOT_DETERMINED, 1),
    "undetermined": ((recorded.HEALTHY, "", InstanceProbe), Verdict.UNDETERMINED, 3),
    "bug": ((recorded.HEALTHY,), Verdict.HEALTHY, 70),
}
"""Name -> the arguments of `judged`, the verdict, and the exit status where warnings are allowed."""


def exit_statuses(
    monkeypatch: pytest.MonkeyPatch, diagnosis: Diagnosis, output: str, fail_on: str
) -> tuple[int, str]:
    """The exit status of the process, and what it writes to standard output."""
    monkeypatch.setattr(opskit.diagnosis.run, "diagnose", lambda *_, **__: diagnosis)
    monkeypatch.setattr(opskit.aws, "Aws", lambda *_: SimpleNamespace(region="us-east-1"))
    arguments = ["db", "--prefix", "/linkbox", "--output", output, "--fail-on", fail_on]
    result = CliRunner().invoke(command, arguments, standalone_mode=False)
    assert result.exception is None, result.exception
    return int(result.return_value), result.stdout


@pytest.mark.parametrize("fail_on", ["fail", "warning"])
@pytest.mark.parametrize("output", FORMATS)
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_format_tells_the_same_exit_status(
    monkeypatch: pytest.MonkeyPatch, outcome: str, output: str, fail_on: str
) -> None:
    arguments, verdict, status = OUTCOMES[outcome]
    diagnosis = judged(*arguments)
    if outcome == "bug":
        diagnosis = replace(diagnosis, bugs=("KeyError at x.py:1",))
    warned = any(j.finding.status == "warn" for j in diagnosis.judged)
    assert warned or outcome != "warning"
    expected = 1 if status == 0 and warned and fail_on == "warning" else status
    assert diagnosis.verdict is verdict
    returned, text = exit_statuses(monkeypatch, diagnosis, output, fail_on)
    assert returned == expected
    unknown = sum(j.finding.status == "unknown" for j in diagnosis.judged)
    if output == "json":
        document = json.loads(text)
        jsonschema.validate(document, json.loads(diagnosis_json.schema()))
        assert (document["exit_code"], document["verdict"]) == (expected, verdict)
        assert len(document["not_judged"]) == unknown
        assert datetime.fromisoformat(document["judged_at"]).utcoffset() == timedelta(0)
        assert [c["code"] for c in document["root_causes"]] == [
            j.check.code for j in diagnosis.root_causes
        ]
    else:
        last = text.rstrip().splitlines()[-1]
        assert re.search(rf"\bexit {expected}\b", last), last
        assert (f"{unknown} not judged" in last) is bool(unknown)


def test_a_symptom_alone_is_listed_and_is_no_root_cause() -> None:
    document = diagnosis_json.document(judged("ingress-removed", "tcp"), {})
    assert document["root_causes"] == []
    [unexplained] = document["unexplained"]
    assert (unexplained["code"], document["checks"][0]["symptom"]) == ("TCP001", "dropped")
    assert unexplained["sentence"].startswith("traffic to 10.0.5.10:5432 is dropped; ")


def test_the_order_in_which_facts_arrive_changes_no_byte() -> None:
    snapshot, texts = recorded.load("ingress-removed"), set()
    facts = list(snapshot.facts.items())
    for seed in range(4):
        random.Random(seed).shuffle(facts)
        shuffled = replace(snapshot, facts=dict(facts))
        diagnosis = judge(shuffled, TARGET, "us-east-1", checks_of_layer("network"))
        texts.add(diagnosis_json.render(diagnosis, Style()))
    assert len(texts) == 1


SCRIPT = """
import sys
from opskit.report.diagnosis_json import render
from opskit.report.interface import Style
from tests import recorded
from tests.test_recorded import judged
for name in sys.argv[1:]:
    sys.stdout.write(render(judged(recorded.load(name)), Style()))
"""


@pytest.mark.full
def test_the_order_of_sets_changes_no_byte() -> None:
    """A set's order follows from the hash seed, which is another one in each process."""
    texts = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT, "app-group-lost"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            timeout=LIMIT_S,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1


def test_moments_are_in_utc_whatever_zone_aws_reports_them_in() -> None:
    zone = timezone(timedelta(hours=2))
    moment = datetime(2026, 1, 2, 1, 30, 5, tzinfo=zone)
    assert utc.minute(moment) == "2026-01-01 23:30 UTC"
    assert (utc.day(moment), utc.second(moment)) == ("2026-01-01", "2026-01-01 23:30:05 UTC")
    assert utc.second_of("2026-01-02T01:30:05.123456789+02:00") == "2026-01-01 23:30:05 UTC"
    assert utc.second_of("2026-01-01T23:30:05Z") == "2026-01-01 23:30:05 UTC"
    assert utc.second_of("unknown") == "unknown"
    assert utc.moment_of("2026-01-01T23:30:05") == datetime(2026, 1, 1, 23, 30, 5, tzinfo=UTC)
    document = diagnosis_json.document(
        replace(judged(recorded.HEALTHY, "tcp"), judged_at=moment), {}
    )
    assert document["judged_at"] == "2026-01-01T23:30:05+00:00"
