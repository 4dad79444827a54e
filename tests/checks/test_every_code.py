"""Every code has a row that fails, a row that passes and a fault: exceptions.toml lists what is missing."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from opskit.checks.catalogue import CODES
from opskit.checks.interface import Status
from opskit.sandbox.faults import ALL
from tests.checks.test_checks import CASES

EXCEPTIONS = tomllib.loads((Path(__file__).parent / "exceptions.toml").read_text(encoding="utf-8"))
LENGTHS = {"fails": 1, "passes": 0, "fault": 20}
"""The exceptions that are left of each kind: these numbers only fall."""


def codes_with(*statuses: Status) -> set[str]:
    """The codes with a row in the table of checks that ends in one of these statuses."""
    return {code for code, status, _ in CASES if status in statuses}


PRESENT = {
    "fails": codes_with(Status.FAIL, Status.WARN),
    "passes": codes_with(Status.PASS),
    "fault": {code for fault in ALL.values() for code in (fault.code, *fault.warnings)},
}


@pytest.mark.parametrize("kind", sorted(PRESENT))
def test_every_code_is_provoked_or_an_exception(kind: str) -> None:
    assert set(CODES) - PRESENT[kind] == set(EXCEPTIONS[kind])
    assert len(EXCEPTIONS[kind]) == LENGTHS[kind]
    assert all(len(reason) > len("no fault yet") for reason in EXCEPTIONS[kind].values())


def test_no_other_kind_of_exception() -> None:
    assert set(EXCEPTIONS) == set(PRESENT)
    assert {fault.code for fault in ALL.values()} - set(CODES) <= {""}, "a session shows it alone"
