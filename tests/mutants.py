"""Changes one thing at a time in the modules of a section, and counts the changes that its tests notice.

`make mutants S=policy`, or `python -m tests.mutants policy --sample 200 --seed 7`. The sections are in `tests/mutants.toml`, changes
without effect in `tests/equivalent_mutants.toml`. mutmut works in a copy, `build/mutants/SECTION`, which every call makes again: its
memory does not notice every change of a test.
"""

from __future__ import annotations

import argparse
import ast
import configparser
import contextlib
import json
import random
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
WANTED_PERCENT = 90.0
COPIED = ("opskit", "tests", "docs", "runbooks", ".ci", ".github")
"""What the tests read, besides the files of the root directory."""
SURVIVED = (0, 5, 33)
"""mutmut's exit codes: all tests passed; no test runs the function."""
KILLED = (1, 3)
"""A test failed, or mutmut's own error in a test."""
NOT_RUN = (None, 2, 34)
"""Not begun, interrupted, skipped."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change that a mutant makes: the lines of a function, stripped, and what they become."""

    module: str
    function: str
    lines: tuple[str, ...]
    become: tuple[str, ...]


@dataclass(slots=True)
class Score:
    """The mutants of a module: `total` of them exist, the others were chosen."""

    killed: int = 0
    survivors: tuple[str, ...] = ()
    not_run: int = 0
    equivalent: int = 0
    total: int = 0

    @property
    def percent(self) -> float:
        """The share of killed ones among those that were run and have an effect."""
        run = self.killed + len(self.survivors)
        return 100.0 * self.killed / run if run else 100.0


def settings(section: Mapping[str, list[str]], tests: Sequence[str]) -> dict[str, str]:
    """mutmut's settings for a section and tests."""
    arguments = (
        "-p",
        "no:randomly",
        "-p",
        "no:xdist",
        "-p",
        "tests.mutants_plugin",
        "-m",
        "not sandbox and not full and not speed",
    )
    return {
        "source_paths": "opskit",
        "only_mutate": lines(f"opskit/{module}" for module in section["modules"]),
        "also_copy": lines(name for name in copied() if name not in ("opskit", "tests")),
        "pytest_add_cli_args": lines(arguments),
        "pytest_add_cli_args_test_selection": lines(f"tests/{test}" for test in tests),
        # A mutant has (its tests' seconds + 3) * 8. On a busy machine a test takes many times as long as
        # when it was timed; a loop without an end fills the memory until then.
        "timeout_constant": "3",
        "timeout_multiplier": "8",
    }


def lines(values: Iterator[str] | tuple[str, ...]) -> str:
    """A list as mutmut reads it."""
    return "".join(f"\n{value}" for value in values)


def copied() -> list[str]:
    """The directories and files that the tests need."""
    files = [path.name for path in sorted(ROOT.iterdir()) if path.is_file() and path.name != ".git"]
    return [*(name for name in COPIED if (ROOT / name).exists()), *files]


def prepare(directory: Path) -> None:
    """Copy the working tree."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for name in copied():
        target = directory / name
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, target)


def configure(section: Mapping[str, list[str]], tests: Sequence[str], directory: Path) -> None:
    """Write mutmut's settings into a copy."""
    setup = configparser.ConfigParser()
    setup.read(directory / "setup.cfg", encoding="utf-8")
    setup["mutmut"] = settings(section, tests)
    with (directory / "setup.cfg").open("w", encoding="utf-8") as file:
        setup.write(file)


def mutants_of(section: Mapping[str, list[str]], directory: Path) -> dict[str, list[str]]:
    """The names of a section's mutants by module; only mutmut's environment has mutmut."""
    from mutmut.mutation.file_mutation import mutate_file_contents
    from mutmut.utils.format_utils import get_mutant_name

    by_module = {}
    with contextlib.chdir(directory):
        for path in sorted(Path("opskit").rglob("*.py")):
            if any(fnmatch(str(path), f"opskit/{module}") for module in section["modules"]):
                names = mutate_file_contents(str(path), path.read_text("utf-8")).mutant_names
                by_module[str(path)] = [get_mutant_name(path, name) for name in names]
    return by_module


def sample(by_module: Mapping[str, Sequence[str]], size: int, seed: int) -> list[str]:
    """Choose `size` mutants of a section at random; all of them if there are no more."""
    names = [name for names in by_module.values() for name in names]
    return sorted(random.Random(seed).sample(names, min(size, len(names))))


def function_name(mutant: str) -> str:
    """`Class.method` or `function`, of a mutant's name such as `opskit.secret.x_shown__mutmut_3`."""
    name = mutant.rpartition(".")[2].partition("__mutmut_")[0]
    return ".".join(name.split("ǁ")[1:]) if "ǁ" in name else name.removeprefix("x_")


def change_of(module: str, mutant: str, diff: str) -> Change:
    """The change that a unified diff shows, without lines that only their neighbours moved."""
    rows = [row for row in diff.splitlines() if row[:1] in "+-" and row[:3] not in ("+++", "---")]
    old = [row[1:].strip() for row in rows if row[0] == "-"]
    new = [row[1:].strip() for row in rows if row[0] == "+"]
    both = set(old) & set(new)
    return Change(
        module.removeprefix("opskit/"),
        function_name(mutant),
        tuple(row for row in old if row not in both),
        tuple(row for row in new if row not in both),
    )


def equivalents() -> dict[Change, str]:
    """The changes without effect, and the reason of each."""
    text = Path(__file__).with_name("equivalent_mutants.toml").read_text(encoding="utf-8")
    return {
        Change(
            module,
            entry["function"],
            tuple(entry["line"].splitlines()),
            tuple(entry["becomes"].splitlines()),
        ): entry["reason"]
        for module, entries in tomllib.loads(text).items()
        for entry in entries
    }


def source_lines(module: str, function: str) -> list[str]:
    """The lines of a function of `opskit/`, stripped; none if it does not exist."""
    source = (ROOT / "opskit" / module).read_text(encoding="utf-8")
    body: Any = ast.parse(source)
    for name in function.split("."):
        matches = [node for node in body.body if getattr(node, "name", None) == name]
        if not matches:
            return []
        body = matches[0]
    return [line.strip() for line in source.splitlines()[body.lineno - 1 : body.end_lineno]]


def without_effect(
    directory: Path, codes: Mapping[str, Mapping[str, int | None]]
) -> tuple[set[str], list[str]]:
    """The mutants that are listed as equivalent, and what the list has wrong about these modules."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    listed = equivalents()
    functions = {(change.module, change.function) for change in listed}
    names, changes, problems = set(), set(), []
    with contextlib.chdir(directory):
        for module, by_name in codes.items():
            for name, code in by_name.items():
                if (module.removeprefix("opskit/"), function_name(name)) in functions:
                    diff = get_diff_for_mutant(name, path=module)
                    change = change_of(module, name, diff)
                    if change in listed:
                        names.add(name)
                        changes.add(change)
                        if code in KILLED:
                            problems.append(f"a test fails on {change}")
    modules = {module.removeprefix("opskit/") for module in codes}
    missing = [c for c in listed if c.module in modules and c not in changes]
    return names, [*problems, *(f"no mutant is {change}" for change in missing)]


def exit_codes(directory: Path) -> dict[str, dict[str, int | None]]:
    """mutmut's exit codes by module and mutant."""
    codes = {}
    for path in sorted(directory.glob("mutants/opskit/**/*.meta")):
        module = str(path.relative_to(directory / "mutants")).removesuffix(".meta")
        codes[module] = json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
    return codes


def scores(
    codes: Mapping[str, Mapping[str, int | None]],
    chosen: Collection[str] | None = None,
    equivalent: Collection[str] = (),
) -> dict[str, Score]:
    """The score of every module that has mutants; of the chosen ones only."""
    by_module = {}
    for module, by_name in codes.items():
        of_interest = {n: code for n, code in by_name.items() if chosen is None or n in chosen}
        if of_interest:
            not_killed = [n for n, code in of_interest.items() if code in SURVIVED]
            survivors = tuple(n for n in not_killed if n not in equivalent)
            not_run = sum(code in NOT_RUN for code in of_interest.values())
            killed = len(of_interest) - len(not_killed) - not_run
            by_module[module] = Score(
                killed, survivors, not_run, len(not_killed) - len(survivors), len(by_name)
            )
    return by_module


def run(directory: Path, names: Sequence[str]) -> bool:
    """Run mutants of a prepared directory, all if none is named; whether mutmut came to its end."""
    command = [sys.executable, "-m", "mutmut", "run", *names]
    return subprocess.run(command, cwd=directory, check=False).returncode == 0


def report(by_module: Mapping[str, Score]) -> str:
    """One line a module, then the names of the survivors."""
    rows = []
    for name, score in by_module.items():
        run = score.killed + len(score.survivors) + score.equivalent + score.not_run
        rows.append(
            f"{name:45} {score.killed:5} killed {len(score.survivors):5} survived {score.percent:6.1f}%"
            + (f"  {score.equivalent} equivalent" if score.equivalent else "")
            + (f"  {score.not_run} not run" if score.not_run else "")
            + (f"  {run} of {score.total} sampled" if run < score.total else "")
        )
    survivors = [f"  {name}" for score in by_module.values() for name in score.survivors]
    return "\n".join([*(["survivors:", *survivors, ""] if survivors else []), *rows])


def main(arguments: list[str]) -> int:
    """Run one section; the exit status is 1 if a module is below what is wanted."""
    sections = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("section", choices=sections)
    parser.add_argument("--sample", type=int, metavar="N", help="run N mutants, chosen at random")
    parser.add_argument("--seed", type=int, default=1, help="of the choice")
    options = parser.parse_args(arguments)
    section = sections[options.section]
    directory = ROOT / "build" / "mutants" / options.section
    prepare(directory)
    configure(section, section["tests"], directory)
    chosen = None
    if options.sample is not None:
        chosen = sample(mutants_of(section, directory), options.sample, options.seed)
    is_whole = run(directory, chosen or ())
    codes = exit_codes(directory)
    equivalent, problems = without_effect(directory, codes)
    left = [n for s in scores(codes, chosen, equivalent).values() for n in s.survivors]
    if left and "slower_tests" in section:
        configure(section, [*section["tests"], *section["slower_tests"]], directory)
        is_whole = run(directory, left) and is_whole
        for module, by_name in exit_codes(directory).items():
            codes[module].update({name: by_name[name] for name in left if name in by_name})
    by_module = scores(codes, chosen, equivalent)
    print(report(by_module))
    for problem in problems:
        print(f"tests/equivalent_mutants.toml: {problem}")
    print(f"a survivor: cd {directory.relative_to(ROOT)} && {sys.executable} -m mutmut show NAME")
    is_enough = all(
        score.percent >= WANTED_PERCENT and not score.not_run for score in by_module.values()
    )
    return 0 if is_whole and by_module and is_enough and not problems else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
