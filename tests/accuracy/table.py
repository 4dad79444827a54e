"""Writes the results of the matrix as tables, and docs/accuracy.md."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from tabulate import tabulate

from tests.accuracy.interface import Kind
from tests.accuracy.score import Answer, Result, Row, misses, rows

PAGE = Path(__file__).parent.parent.parent / "docs" / "accuracy.md"
HEADERS = (
    "cases",
    "layer",
    "tried",
    "right first",
    "named later",
    "one of two",
    "symptom",
    "cannot tell",
    "missed",
    "wrong",
    "false alarm",
    "false because of",
    "fixes run",
    "healed",
    "harmed",
)
KINDS = {
    "single": "one fault",
    "healthy": "healthy, unusual",
    "pair": "two faults",
    "rights": "a right is missing",
}


def table(results: Sequence[Result], style: str = "github") -> str:
    """The counts per kind and layer."""
    counted = rows(results)
    keys = sorted(counted, key=lambda k: (list(KINDS).index(k[0]), k[1] != "all", k[1]))
    return tabulate([_line(key, counted[key]) for key in keys], HEADERS, style)


def _line(key: tuple[str, str], row: Row) -> list[str | int]:
    kind, layer = key
    answers = row.answers
    right = answers[Answer.FIRST] + answers[Answer.SILENT]
    return [
        KINDS[kind],
        layer,
        row.cases,
        f"{right} ({100 * right // row.cases} %)",
        answers[Answer.AMONG],
        answers[Answer.INCOMPLETE],
        answers[Answer.SYMPTOM],
        answers[Answer.NOT_JUDGED],
        answers[Answer.MISSED],
        answers[Answer.WRONG],
        answers[Answer.FALSE_ALARM],
        row.lost,
        row.pasted,
        row.healed,
        row.harmed,
    ]


def list_of_misses(results: Sequence[Result]) -> str:
    """A line for each result that is not right."""
    lines = []
    for result in misses(results):
        seen = result.seen
        parts = [f"expected {', '.join(result.codes) or 'nothing'}"]
        parts.append(f"named {', '.join(seen.causes) or 'nothing'} ({seen.verdict})")
        if seen.warnings:
            parts.append(f"warned {', '.join(seen.warnings)}")
        if seen.explained:
            parts.append("explained " + ", ".join(f"{a} by {b}" for a, b in seen.explained.items()))
        if result.kind == Kind.RIGHTS and not seen.names_right:
            parts.append("the missing right is not named")
        if result.repair is not None:
            parts.append(_repair(result))
        if result.error:
            parts.append(result.error.splitlines()[0])
        lines.append(f"- {result.name}: {result.answer}; {'; '.join(p for p in parts if p)}")
    return "\n".join(lines)


def _repair(result: Result) -> str:
    repair = result.repair
    if repair is None or (not repair.had_command and not result.heals):
        return ""
    if not repair.had_command:
        return "no command"
    if not repair.ran:
        return "a printed command failed"
    if repair.broke:
        return f"the fix broke {', '.join(repair.broke)}"
    return "healed" if repair.heals else "the fix did not heal"


def page(results: Sequence[Result], commit: str, day: date) -> str:
    """The text of docs/accuracy.md."""
    seconds = sum(r.seconds for r in results)
    return f"""# Accuracy

How often `opskit diagnose db` names the right cause, measured on {len(results)} cases in the sandbox on
{day.isoformat()} at commit {commit} ({seconds / 60:.0f} minutes of sandbox time). `make accuracy` measures it
again and prints this page; a run that is stopped goes on where it was.

- **one fault**: each as a person makes it, through AWS's API, SQL or a file. The first root cause has to be the
  expected code. Its printed fix is run as it is printed, and the app has to be healthy after it.
- **healthy, unusual**: a set-up that works. Any failure is a false alarm.
- **two faults**: of different layers. The first root cause has to be one of the two, and the other one has to be
  named too, unless the first leaves no fact from which it could be seen.
- **a right is missing**: the operator lacks one right, alone and with a fault beside it. Right is the true cause,
  or a verdict that says that the cause is not determined.

*symptom*: only a code that says what is broken and not why (TCP001, TCP002, APP003). *false because of*: a fault
of the case was found and reported as the consequence of something else. *harmed*: a printed command failed, or a
check that passed before the fix fails after it.

{table(results)}

## Not right

{list_of_misses(results) or "Nothing."}
"""
