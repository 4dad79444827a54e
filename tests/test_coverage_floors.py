"""The floors of the coverage: what is compared, and that they only rise."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from tests import coverage_floors
from tests.coverage_floors import Covered, packages, problems, raised, table


def summary(lines: int, lines_run: int, branches: int, branches_run: int) -> dict[str, object]:
    return {
        "summary": {
            "num_statements": lines,
            "covered_lines": lines_run,
            "num_branches": branches,
            "covered_branches": branches_run,
        }
    }


REPORT = {
    "files": {
        "opskit/aws.py": summary(10, 10, 0, 0),
        "opskit/checks/run.py": summary(10, 8, 4, 2),
        "/elsewhere/opskit/checks/tls/name_matches.py": summary(20, 18, 6, 4),
    }
}


def test_packages_are_added_up() -> None:
    measured = packages(REPORT)
    assert measured == {"checks": Covered(30, 26, 10, 6), "opskit": Covered(10, 10, 0, 0)}
    assert measured["checks"].percent == 80.0
    assert measured["opskit"].percent == 100.0
    assert table(measured, {"checks": 70}).splitlines()[1].split() == [
        *("checks", "86.7%", "60.0%", "80.0%", "70%"),
    ]


@pytest.mark.parametrize(
    ("floors", "problem"),
    [
        ({"checks": 80, "opskit": 100}, []),
        ({"checks": 81, "opskit": 100}, ["checks is covered to 80.0 %, below its floor of 81 %"]),
        ({"checks": 80}, ["opskit has no floor: --raise writes one"]),
        (
            {"checks": 80, "opskit": 100, "old": 1},
            ["there is no package old: --raise removes its floor"],
        ),
    ],
)
def test_problems(floors: dict[str, int], problem: list[str]) -> None:
    assert problems(packages(REPORT), floors) == problem


def test_floors_only_rise() -> None:
    floors = {"checks": 90, "opskit": 50, "old": 10}
    assert raised(packages(REPORT), floors) == {"checks": 90, "opskit": 100}


def test_the_command_compares_and_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(coverage_floors, "FLOORS", tmp_path / "floors.toml")
    (tmp_path / "coverage.json").write_text(json.dumps(REPORT))
    assert coverage_floors.main([]) == 1
    assert coverage_floors.main(["--raise"]) == 0
    assert tomllib.loads((tmp_path / "floors.toml").read_text()) == {"checks": 80, "opskit": 100}
    assert coverage_floors.main([]) == 0
    (tmp_path / "floors.toml").write_text("checks = 95\nopskit = 100\n")
    assert coverage_floors.main(["--raise"]) == 1
    assert "checks is covered to 80.0 %, below its floor of 95 %" in capsys.readouterr().out
