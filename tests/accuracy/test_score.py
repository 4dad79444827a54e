"""How a diagnosis of a case is scored."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from tests.accuracy import table
from tests.accuracy.interface import Case, Kind
from tests.accuracy.score import (
    Answer,
    Repair,
    Result,
    Seen,
    answer_of,
    lost_causes,
    misses,
    rows,
    seen_of,
)

SINGLE = Case("single", Kind.SINGLE, "NET", ("NET001",), ())
WARNED = replace(SINGLE, codes=("NET012",), status="warn")
HEALTHY = Case("healthy", Kind.HEALTHY, "NET", (), ())
PAIR = Case("pair", Kind.PAIR, "NET+IAM", ("NET001", "IAM002"), ())
HIDDEN = replace(PAIR, codes=("NET001", "AUT001"), hidden=frozenset({"AUT001"}))
RIGHT = Case("right", Kind.RIGHTS, "OPR", (), (), denied="ssm:GetParameter")
BESIDE = replace(RIGHT, codes=("NET001",), hidden=frozenset({"NET001"}))
BROKEN = Seen("broken", 1)


@pytest.mark.parametrize(
    ("case", "seen", "answer"),
    [
        (SINGLE, replace(BROKEN, causes=("NET001",)), Answer.FIRST),
        (SINGLE, replace(BROKEN, causes=("NET002", "NET001")), Answer.AMONG),
        (SINGLE, replace(BROKEN, causes=("NET002",)), Answer.WRONG),
        (SINGLE, replace(BROKEN, causes=("TCP001",), failures=("TCP001",)), Answer.SYMPTOM),
        (SINGLE, Seen("cause_not_determined", 1, failures=("TCP001",)), Answer.NOT_JUDGED),
        (SINGLE, Seen("undetermined", 3), Answer.NOT_JUDGED),
        (SINGLE, Seen("healthy", 0), Answer.MISSED),
        (WARNED, Seen("healthy", 0, warnings=("NET012",)), Answer.FIRST),
        (WARNED, Seen("healthy", 0), Answer.MISSED),
        (HEALTHY, Seen("healthy", 0), Answer.SILENT),
        (HEALTHY, replace(BROKEN, causes=("NET001",), failures=("NET001",)), Answer.FALSE_ALARM),
        (PAIR, replace(BROKEN, causes=("IAM002", "NET001")), Answer.FIRST),
        (PAIR, replace(BROKEN, causes=("IAM002",)), Answer.INCOMPLETE),
        (PAIR, replace(BROKEN, causes=("NET004",)), Answer.WRONG),
        (HIDDEN, replace(BROKEN, causes=("NET001",)), Answer.FIRST),
        (HIDDEN, replace(BROKEN, causes=("APP003",)), Answer.SYMPTOM),
        (RIGHT, Seen("healthy", 0), Answer.SILENT),
        (RIGHT, Seen("undetermined", 3), Answer.SILENT),
        (RIGHT, replace(BROKEN, causes=("IAM002",), failures=("IAM002",)), Answer.FALSE_ALARM),
        (BESIDE, replace(BROKEN, causes=("NET001",)), Answer.FIRST),
        (BESIDE, Seen("cause_not_determined", 1), Answer.NOT_JUDGED),
        (BESIDE, Seen("healthy", 0), Answer.MISSED),
        (BESIDE, replace(BROKEN, causes=("IAM002",)), Answer.WRONG),
    ],
)
def test_answer(case: Case, seen: Seen, answer: Answer) -> None:
    assert answer_of(case, seen) is answer


REPORT = {
    "verdict": "broken",
    "root_causes": [{"code": "NET001"}],
    "checks": [
        {"code": "IAM002", "layer": "iam", "status": "pass"},
        {"code": "NET001", "layer": "network", "status": "fail", "caused_by": None},
        {"code": "AUT001", "layer": "auth", "status": "fail", "caused_by": "NET001"},
        {"code": "NET012", "layer": "network", "status": "warn"},
        {"code": "HYG003", "layer": "hygiene", "status": "warn"},
        {"code": "TLS001", "layer": "tls", "status": "unknown"},
    ],
}


def test_what_is_taken_from_a_report() -> None:
    seen = seen_of(REPORT, 1)
    assert seen == Seen(
        verdict="broken",
        exit_status=1,
        causes=("NET001",),
        explained={"AUT001": "NET001"},
        failures=("NET001", "AUT001"),
        warnings=("NET012",),
        passes=("IAM002",),
        unknown=("TLS001",),
    )
    assert not seen_of(REPORT, 1, "ssm:GetParameter").names_right
    assert seen_of(
        REPORT | {"notices": "lacks ssm:GetParameter"}, 1, "ssm:GetParameter"
    ).names_right


def result(case: Case, seen: Seen, repair: Repair | None = None, error: str = "") -> Result:
    """A case's result."""
    return Result(
        case.name, case.kind, case.layer, case.codes, (), answer_of(case, seen), seen, repair,
        case.heals, 1.0, error,
    )  # fmt: skip


LOST = replace(BROKEN, causes=("NET001",), explained={"IAM002": "NET001"})


def test_a_fault_that_another_one_explains_is_lost() -> None:
    assert lost_causes(result(PAIR, LOST)) == ("IAM002",)
    assert lost_causes(result(SINGLE, LOST)) == ()


RIGHT_FIRST = replace(BROKEN, causes=("NET001",))
HEALED = Repair(had_command=True, heals=True)


@pytest.mark.parametrize(
    ("repair", "is_miss"),
    [
        (HEALED, False),
        (Repair(had_command=True), True),
        (Repair(had_command=True, ran=False), True),
        (Repair(had_command=True, heals=True, broke=("APP001",)), True),
        (Repair(had_command=False), False),
    ],
)
def test_a_fix_that_does_not_heal_is_a_miss(repair: Repair, is_miss: bool) -> None:
    assert bool(misses([result(SINGLE, RIGHT_FIRST, repair)])) is is_miss


def test_an_error_of_the_run_is_a_miss() -> None:
    assert misses([result(SINGLE, RIGHT_FIRST, error="RuntimeError: no")])
    assert not misses([result(BESIDE, Seen("cause_not_determined", 1))])
    assert misses([result(SINGLE, Seen("cause_not_determined", 1))])


def test_counts_and_the_page() -> None:
    results = [
        result(SINGLE, RIGHT_FIRST, HEALED),
        result(replace(SINGLE, name="other", layer="IAM"), replace(BROKEN, causes=("IAM002",))),
        result(HEALTHY, Seen("healthy", 0)),
        result(PAIR, LOST),
    ]
    counted = rows(results)
    assert counted["single", "all"].cases == 2
    assert counted["single", "NET"].answers[Answer.FIRST] == 1
    assert counted["single", "IAM"].answers[Answer.WRONG] == 1
    assert counted["single", "all"].healed == counted["single", "all"].pasted == 1
    assert counted["pair", "all"].lost == 1
    assert ("pair", "NET+IAM") not in counted
    page = table.page(results, "abc1234", date(2026, 11, 26))
    assert "2026-11-26 at commit abc1234" in page
    assert "- other: wrong; expected NET001; named IAM002 (broken)" in page
    assert "- pair: one of two named" in page
    assert "- single" not in page


def test_a_result_is_read_as_it_was_written() -> None:
    written = result(PAIR, LOST, Repair(had_command=True, broke=("APP001",)))
    assert Result.of_json(written.as_json()) == written
