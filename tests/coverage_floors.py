"""Compares the coverage of every package with its floor, which only rises.

`make coverage` measures what `make unit` runs and calls this. `python -m tests.coverage_floors --raise` writes higher floors
into `tests/coverage_floors.toml`; a lower one is written by no command.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FLOORS = Path(__file__).with_suffix(".toml")
HEAD = """\
# The least coverage of each package in percent, lines and branches together, of what `make unit` runs.
# After `make coverage`, `python -m tests.coverage_floors --raise` raises what can be raised.
"""


@dataclass(slots=True)
class Covered:
    """Lines and branches of a package: how many there are, and how many are run."""

    lines: int = 0
    lines_run: int = 0
    branches: int = 0
    branches_run: int = 0

    @property
    def percent(self) -> float:
        """Lines and branches together, as coverage.py computes it."""
        return percent(self.lines_run + self.branches_run, self.lines + self.branches)


def percent(part: int, whole: int) -> float:
    """A share in percent; of nothing, all."""
    return 100.0 * part / whole if whole else 100.0


def packages(report: Mapping[str, Any]) -> dict[str, Covered]:
    """The coverage of every package below `opskit`, from the JSON of coverage.py.

    Modules of `opskit` itself are together under the name `opskit`.
    """
    by_package: dict[str, Covered] = {}
    for file, measured in report["files"].items():
        parts = Path(file).parts
        below = parts[parts.index("opskit") + 1 :]
        package = by_package.setdefault(below[0] if len(below) > 1 else "opskit", Covered())
        summary = measured["summary"]
        package.lines += summary["num_statements"]
        package.lines_run += summary["covered_lines"]
        package.branches += summary["num_branches"]
        package.branches_run += summary["covered_branches"]
    return dict(sorted(by_package.items()))


def table(measured: Mapping[str, Covered], floors: Mapping[str, int]) -> str:
    """One line a package: lines, branches, both together, and the floor."""
    lines = [f"{'package':20} {'lines':>8} {'branches':>9} {'together':>9} {'floor':>6}"]
    lines += [
        f"{name:20} {percent(c.lines_run, c.lines):7.1f}% {percent(c.branches_run, c.branches):8.1f}% "
        f"{c.percent:8.1f}% {floors.get(name, 0):5}%"
        for name, c in measured.items()
    ]
    return "\n".join(lines)


def problems(measured: Mapping[str, Covered], floors: Mapping[str, int]) -> list[str]:
    """Sentences about packages below their floor, without a floor, and about floors of no package."""
    below = [
        f"{name} is covered to {c.percent:.1f} %, below its floor of {floors[name]} %"
        for name, c in measured.items()
        if name in floors and c.percent < floors[name]
    ]
    without = [
        f"{name} has no floor: --raise writes one" for name in measured if name not in floors
    ]
    gone = [
        f"there is no package {name}: --raise removes its floor"
        for name in floors
        if name not in measured
    ]
    return below + without + gone


def raised(measured: Mapping[str, Covered], floors: Mapping[str, int]) -> dict[str, int]:
    """The floors of today's packages, in whole percent: the higher of the old one and the measured one."""
    return {name: max(floors.get(name, 0), int(c.percent)) for name, c in measured.items()}


def main(arguments: list[str]) -> int:
    """Print the table and the problems; the exit status."""
    measured = packages(json.loads(Path("coverage.json").read_text(encoding="utf-8")))
    floors = tomllib.loads(FLOORS.read_text(encoding="utf-8")) if FLOORS.exists() else {}
    if arguments == ["--raise"]:
        floors = raised(measured, floors)
        text = HEAD + "".join(f"{name} = {floor}\n" for name, floor in floors.items())
        FLOORS.write_text(text, encoding="utf-8")
    print(table(measured, floors))
    wrong = problems(measured, floors)
    print("\n".join(wrong), end="\n" if wrong else "")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
