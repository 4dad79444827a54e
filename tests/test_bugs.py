"""A bug of opskit's own is called one, also by the exit status; it is no missing right."""

from __future__ import annotations

from typing import Any

import pytest

from opskit import analysis, discovery, tunnel
from opskit.checks.catalogue import check_of, default_checks
from opskit.checks.interface import Check, passed
from opskit.checks.seen import Seen, one_of
from opskit.cli import main
from opskit.config import Target
from opskit.diagnosis import run
from opskit.diagnosis.result import Diagnosis
from opskit.errors import AwsError, Bug, ExitStatus
from opskit.facts.interface import Known, Unknown
from opskit.facts.region import Region
from opskit.report.diagnosis_json import document
from tests import builders as b
from tests.test_diagnosis import Clients

SECRET = "Correct-Horse_Battery~42"


def answers(service: str, operation: str, _: Any) -> Any:
    """An AWS that answers one reader with nonsense, and refuses all others."""
    if operation == "get_parameters":
        return {"Parameters": [{"Value": SECRET}]}
    if operation == "describe_db_instances":
        return {"DBInstances": [{"MasterUsername": SECRET}]}
    raise AwsError(f"{service}:{operation}", "AccessDenied", "no")


TARGET = Target("linkbox", b.NAMES, "/linkbox")


def diagnose(*checks: Check) -> Diagnosis:
    return run.diagnose(TARGET, Clients(answers), "us-east-1", checks, timeout_s=20)


def test_a_bug_in_a_reader_is_none_of_the_operators_rights() -> None:
    found = diagnose(*default_checks())
    # Both readers run at once, and either may be first.
    assert sorted(bug.split(":")[0] for bug in found.bugs) == [
        "KeyError at rds.py",
        "KeyError at ssm_reading.py",
    ]
    assert found.exit_status is ExitStatus.BUG
    [judged] = [j for j in found.judged if j.check.code == "PAR001"]
    assert judged.finding.missing == ()
    assert "a bug in opskit" in judged.finding.summary
    assert document(found, {})["exit_code"] == 70
    assert SECRET not in repr(found)


def test_a_missing_right_alone_is_no_bug() -> None:
    def denied(service: str, operation: str, _: Any) -> Any:
        raise AwsError(f"{service}:{operation}", "AccessDenied", "no")

    found = run.diagnose(TARGET, Clients(denied), "us-east-1", [check_of("RDS001")])
    assert (found.bugs, found.exit_status) == ((), ExitStatus.NOT_JUDGED)


def broken_check(*, is_essential: bool) -> Check:
    def judge() -> Any:
        raise KeyError(SECRET)

    seen = one_of(Seen(Target))
    return Check("XXX001", "parameters", "t", "p", judge, seen, (), (), is_essential)


@pytest.mark.parametrize("is_essential", [True, False])
def test_a_bug_in_a_check_counts_even_where_all_else_is_well(is_essential: bool) -> None:
    seen = one_of(Seen(Target))
    fine = Check("XXX002", "parameters", "t", "p", lambda: passed("well"), seen, (), (), True)
    found = diagnose(broken_check(is_essential=is_essential), fine)
    assert found.exit_status is ExitStatus.BUG
    assert "KeyError at" in found.bugs[0]
    assert SECRET not in found.bugs[0]


def test_a_bug_in_what_is_derived_is_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(region: Region) -> int:
        raise IndexError

    monkeypatch.setattr(analysis, "ANALYSES", (work,))
    snapshot = analysis.analyze_all(b.snapshot())
    assert isinstance(snapshot.get(int), Unknown)
    assert [bug.split()[0] for bug in snapshot.bugs] == ["IndexError"]


@pytest.mark.parametrize(
    "function",
    [discovery.connect_to_workload, discovery.discover, tunnel.find],
    ids=lambda f: f.__name__,
)
def test_what_needs_the_fact_ends_with_the_bug(function: Any) -> None:
    with pytest.raises(Bug, match=r"KeyError at (rds|ssm_reading)\.py"):
        function(TARGET, Clients(answers), "us-east-1")


def test_a_bug_anywhere_else_has_the_status_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(discovery, "connect_to_workload", lambda *_: 1 / 0)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "A")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    words = ["run", "--prefix", "/linkbox", "--region", "us-east-1", "--", "true"]
    assert main.run(words) == ExitStatus.BUG
    assert "a bug in opskit itself (ZeroDivisionError" in capsys.readouterr().err


def test_facts_are_not_bugs_by_default() -> None:
    assert b.snapshot().bugs == ()
    assert all(isinstance(fact, Known) for fact in b.linkbox().values())
