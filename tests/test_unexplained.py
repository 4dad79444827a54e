"""The sentence about a symptom without a cause: what is seen, and why its cause is not determined."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.checks.catalogue import check_of
from opskit.checks.interface import CheckResult, Finding, Status
from opskit.diagnosis.unexplained import UnexplainedSymptom
from opskit.symptom import Place, Symptom, SymptomKind

HERE = Place(hosts=frozenset({"db.example"}), addresses=frozenset({"10.0.5.10"}), ports=frozenset({5432}))  # fmt: skip
ALL_JUDGED = "every check of its causes was judged, and none failed"


def shown(symptom: Symptom | None, summary: str = "it is so") -> str:
    result = CheckResult(check_of("TCP001"), Finding(Status.FAIL, summary, symptom=symptom))
    return UnexplainedSymptom(result, (), ()).sentence(None)


@pytest.mark.parametrize(
    ("kind", "clause"),
    [
        (SymptomKind.DROPPED, "traffic to 10.0.5.10:5432 is dropped"),
        (SymptomKind.UNREACHABLE, "db.example cannot be reached"),
        (SymptomKind.REFUSED, "connections to 10.0.5.10:5432 are refused"),
        (SymptomKind.NOT_RESOLVED, "db.example does not resolve"),
        (SymptomKind.OTHER_SERVER, "another server than the database answers on 10.0.5.10:5432"),
        (SymptomKind.UNHEALTHY, "the app says that it is unhealthy"),
        (SymptomKind.TARGET_UNHEALTHY, "the load balancer finds the app unhealthy"),
    ],
)
def test_the_symptom_is_told_with_its_place(kind: SymptomKind, clause: str) -> None:
    assert shown(Symptom(kind, HERE)) == f"{clause}; {ALL_JUDGED}"


@pytest.mark.parametrize(
    ("place", "dropped", "unreachable"),
    [
        (Place(), "traffic to the database's port is dropped", "the database cannot be reached"),
        (replace(HERE, addresses=frozenset()), "traffic to 5432 is dropped", "db.example cannot be reached"),
        (replace(HERE, hosts=frozenset({"b", "a"})), "traffic to 10.0.5.10:5432 is dropped", "a, b cannot be reached"),
    ],
)  # fmt: skip
def test_a_place_may_be_known_in_part(place: Place, dropped: str, unreachable: str) -> None:
    assert shown(Symptom(SymptomKind.DROPPED, place)) == f"{dropped}; {ALL_JUDGED}"
    assert shown(Symptom(SymptomKind.UNREACHABLE, place)) == f"{unreachable}; {ALL_JUDGED}"


def test_without_a_symptom_the_finding_s_summary_is_told() -> None:
    assert shown(None, "no answer") == f"no answer; {ALL_JUDGED}"


def unknown(code: str, summary: str, *missing: str) -> CheckResult:
    finding = Finding(Status.UNKNOWN, summary, missing=missing)
    return CheckResult(check_of(code), finding)


@pytest.mark.parametrize(
    ("missing", "not_judged", "not_run", "why"),
    [
        ((), (unknown("NET001", "x", "ec2:DescribeA", "a probe"), unknown("IAM002", "y", "iam:GetB")), (),
         "its causes (network, iam) could not be judged: arn:me lacks ec2:DescribeA, iam:GetB"),
        (("ec2:DescribeA",), (), (), "rules could not be read: arn:me lacks ec2:DescribeA"),
        ((), (unknown("NET001", "the rules are unknown", "a probe"),), (),
         "its causes (network) could not be judged: the rules are unknown"),
        (("a probe", "a later try"), (), (), "its causes could not be judged without a probe, a later try"),
        ((), (), ("NET001", "NET002", "RDS001"), "its causes (network, database) were not part of this diagnosis"),
    ],
)  # fmt: skip
def test_why_its_cause_is_not_determined(
    missing: tuple[str, ...], not_judged: Any, not_run: tuple[str, ...], why: str
) -> None:
    finding = Finding(Status.FAIL, "no answer", missing=missing)
    found = UnexplainedSymptom(
        CheckResult(check_of("TCP001"), finding), not_judged, tuple(map(check_of, not_run))
    )
    assert found.sentence("arn:me") == f"no answer; {why}"
