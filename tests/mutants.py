"""Changes one thing at a time in the modules of a section, and counts the changes that its tests notice.

`make mutants S=policy`, or `python -m tests.mutants policy`. The sections are in `tests/mutants.toml`. mutmut works in a copy,
`build/mutants/SECTION`, which every call makes again: its memory does not notice every change of a test.
"""

from __future__ import annotations

import configparser
import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
WANTED_PERCENT = 90.0
COPIED = ("opskit", "tests", "docs", "runbooks", ".ci", ".github")
"""What the tests read, besides the files of the root directory."""
SURVIVED = (0, 5, 33)
"""mutmut's exit codes: all tests passed; no test runs the function."""
NOT_RUN = (None, 2, 34)
"""Not begun, interrupted, skipped."""


@dataclass(slots=True)
class Score:
    """The mutants of a module."""

    killed: int = 0
    survivors: tuple[str, ...] = ()
    not_run: int = 0

    @property
    def percent(self) -> float:
        """The share of killed ones among those that were run."""
        run = self.killed + len(self.survivors)
        return 100.0 * self.killed / run if run else 0.0


def settings(section: Mapping[str, list[str]]) -> dict[str, str]:
    """mutmut's settings for a section."""
    arguments = (
        "-p",
        "no:randomly",
        "-p",
        "no:xdist",
        "-m",
        "not sandbox and not full and not speed",
    )
    return {
        "source_paths": "opskit",
        "only_mutate": lines(f"opskit/{module}" for module in section["modules"]),
        "also_copy": lines(name for name in copied() if name not in ("opskit", "tests")),
        "pytest_add_cli_args": lines(arguments),
        "pytest_add_cli_args_test_selection": lines(f"tests/{test}" for test in section["tests"]),
        # On a busy machine a test takes many times as long as when it was timed.
        "timeout_constant": "30",
    }


def lines(values: Iterator[str] | tuple[str, ...]) -> str:
    """A list as mutmut reads it."""
    return "".join(f"\n{value}" for value in values)


def copied() -> list[str]:
    """The directories and files that the tests need."""
    files = [path.name for path in sorted(ROOT.iterdir()) if path.is_file() and path.name != ".git"]
    return [*(name for name in COPIED if (ROOT / name).exists()), *files]


def prepare(section: Mapping[str, list[str]], directory: Path) -> None:
    """Copy the working tree, and write mutmut's settings into the copy."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for name in copied():
        target = directory / name
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, target)
    setup = configparser.ConfigParser()
    setup.read(directory / "setup.cfg", encoding="utf-8")
    setup["mutmut"] = settings(section)
    with (directory / "setup.cfg").open("w", encoding="utf-8") as file:
        setup.write(file)


def scores(directory: Path) -> dict[str, Score]:
    """The score of every module that has mutants, from mutmut's files."""
    by_module = {}
    for path in sorted(directory.glob("mutants/opskit/**/*.meta")):
        codes = json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
        if codes:
            survivors = tuple(name for name, code in codes.items() if code in SURVIVED)
            not_run = sum(code in NOT_RUN for code in codes.values())
            killed = len(codes) - len(survivors) - not_run
            name = str(path.relative_to(directory / "mutants")).removesuffix(".meta")
            by_module[name] = Score(killed, survivors, not_run)
    return by_module


def report(by_module: Mapping[str, Score]) -> str:
    """One line a module, then the names of the survivors."""
    rows = [
        f"{name:45} {score.killed:5} killed {len(score.survivors):5} survived {score.percent:6.1f}%"
        + (f"  {score.not_run} not run" if score.not_run else "")
        for name, score in by_module.items()
    ]
    survivors = [f"  {name}" for score in by_module.values() for name in score.survivors]
    return "\n".join([*(["survivors:", *survivors, ""] if survivors else []), *rows])


def main(arguments: list[str]) -> int:
    """Run one section; the exit status is 1 if a module is below what is wanted."""
    sections = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    if len(arguments) != 1 or arguments[0] not in sections:
        print(f"one section of: {', '.join(sections)}", file=sys.stderr)
        return 2
    directory = ROOT / "build" / "mutants" / arguments[0]
    prepare(sections[arguments[0]], directory)
    done = subprocess.run([sys.executable, "-m", "mutmut", "run"], cwd=directory, check=False)
    by_module = scores(directory)
    print(report(by_module))
    print(f"a survivor: cd {directory.relative_to(ROOT)} && {sys.executable} -m mutmut show NAME")
    is_enough = all(
        score.percent >= WANTED_PERCENT and not score.not_run for score in by_module.values()
    )
    return 0 if done.returncode == 0 and by_module and is_enough else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
