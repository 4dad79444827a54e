"""The matrix holds enough of every kind, and every code that can be a root cause."""

from __future__ import annotations

from collections import Counter

from opskit.checks.catalogue import CODES
from tests.accuracy.faults import CASES
from tests.accuracy.interface import Kind
from tests.accuracy.matrix import by_name, hides, pairs, rights, singles
from tests.accuracy.score import SYMPTOMS
from tests.builders import PERMISSIONS

NO_CAUSES = SYMPTOMS | {"PAR002", "AUT005", "DNS003"}
"""Codes that are no fault of the app's path: symptoms, and what only the operator sees."""
WITHOUT_A_FAULT = {
    "IDN001",
    "PAR009",
    "IAM014",
    "NET015",
}
"""Codes for which the matrix has no fault yet; it may only become shorter."""


def test_there_are_enough_cases() -> None:
    kinds = Counter(case.kind for case in by_name().values())
    assert kinds[Kind.SINGLE] >= 120
    assert kinds[Kind.HEALTHY] >= 40
    assert kinds[Kind.PAIR] >= 340
    assert sum(case.is_pasted for case in pairs()) >= 40


def test_every_code_that_can_be_a_root_cause_has_a_fault() -> None:
    causes = {c for c in CODES if not c.startswith(("HYG", "OPR"))} - NO_CAUSES
    tried = {code for case in singles() for code in case.codes}
    assert causes - tried == WITHOUT_A_FAULT


def test_every_right_is_taken_away() -> None:
    assert {case.denied for case in rights()} == {p.action for p in PERMISSIONS}


def test_pairs_are_the_same_in_every_run_and_of_two_layers() -> None:
    first = [case.name for case in pairs()]
    pairs.cache_clear()
    assert [case.name for case in pairs()] == first
    assert all(len(set(case.layer.split("+"))) == 2 for case in pairs())


def test_a_fault_hides_only_what_is_seen_through_it() -> None:
    cases = {case.name: case for case in singles()}
    assert hides(cases["ingress-removed"], cases["password-mismatch"])
    assert not hides(cases["password-mismatch"], cases["ingress-removed"])
    assert not hides(cases["ingress-removed"], cases["role-lacks-decrypt"])
    assert not hides(cases["nacl-second-subnet"], cases["password-mismatch"])


def test_every_case_expects_codes_of_the_catalogue() -> None:
    assert {code for case in CASES for code in case.codes} <= set(CODES)
