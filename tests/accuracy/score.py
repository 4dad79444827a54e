"""Scores what a diagnosis said of a case, and counts scores per layer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from tests.accuracy.interface import Case, Kind

SYMPTOMS = frozenset({"TCP001", "TCP002", "APP003"})
"""Codes that say what is broken, and not why."""


class Answer(StrEnum):
    """How right the named causes are."""

    FIRST = "right first"
    AMONG = "right among those named"
    INCOMPLETE = "one of two named"
    SYMPTOM = "a symptom only"
    NOT_JUDGED = "said that it cannot tell"
    MISSED = "missed"
    WRONG = "wrong"
    SILENT = "rightly silent"
    FALSE_ALARM = "false alarm"


@dataclass(frozen=True, slots=True)
class Seen:
    """The part of a report that is scored.

    Attributes:
        causes: codes of the root causes, in the order of the report.
        explained: code of a failure -> code of the failure that is named as its cause.
        failures: codes of all failures.
        warnings: codes of the warnings that are not about habits.
        passes: codes of the checks that pass.
        unknown: codes of the checks that could not be judged.
        names_right: whether the report names the action that the operator lacks.
    """

    verdict: str
    exit_status: int
    causes: tuple[str, ...] = ()
    explained: dict[str, str] = field(default_factory=dict)
    failures: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    passes: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    names_right: bool = False


@dataclass(frozen=True, slots=True)
class Repair:
    """The end of a printed fix that was run as it is printed.

    Attributes:
        had_command: whether the first cause had a command at all.
        ran: whether all of its commands succeeded.
        heals: whether the app is healthy after it, and the diagnosis finds nothing.
        broke: codes of the checks that passed before the fix and fail after it.
    """

    had_command: bool
    ran: bool = True
    heals: bool = False
    broke: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """A case's result, as it is kept on disk."""

    name: str
    kind: str
    layer: str
    codes: tuple[str, ...]
    hidden: tuple[str, ...]
    answer: str
    seen: Seen
    repair: Repair | None
    heals: bool
    seconds: float
    error: str = ""

    def as_json(self) -> dict[str, Any]:
        """The result as plain values."""
        return asdict(self)

    @classmethod
    def of_json(cls, raw: dict[str, Any]) -> Result:
        """The result that `as_json` gave."""
        values = dict(raw)
        seen = dict(values["seen"])
        for name in ("causes", "failures", "warnings", "passes", "unknown"):
            seen[name] = tuple(seen[name])
        values["seen"] = Seen(**seen)
        for name in ("codes", "hidden"):
            values[name] = tuple(values[name])
        if values["repair"] is not None:
            repair = dict(values["repair"])
            repair["broke"] = tuple(repair["broke"])
            values["repair"] = Repair(**repair)
        return cls(**values)


def seen_of(report: dict[str, Any], exit_status: int, denied: str = "") -> Seen:
    """The scored part of a diagnosis in JSON."""
    by_status: dict[str, list[str]] = defaultdict(list)
    for check in report["checks"]:
        if check["layer"] != "hygiene" or check["status"] in ("pass", "unknown"):
            by_status[check["status"]].append(check["code"])
    return Seen(
        verdict=report["verdict"],
        exit_status=exit_status,
        causes=tuple(c["code"] for c in report["root_causes"]),
        explained={
            c["code"]: c["caused_by"]
            for c in report["checks"]
            if c["status"] == "fail" and c.get("caused_by")
        },
        failures=tuple(by_status["fail"]),
        warnings=tuple(by_status["warn"]),
        passes=tuple(by_status["pass"]),
        unknown=tuple(by_status["unknown"]),
        names_right=bool(denied) and denied in str(report),
    )


def answer_of(case: Case, seen: Seen) -> Answer:
    """How right a diagnosis of a case is."""
    named = seen.causes if case.status == "fail" else seen.warnings
    wanted = set(case.codes)
    if case.kind is Kind.RIGHTS:
        return _answer_without_right(case, seen)
    if not wanted:
        return Answer.FALSE_ALARM if seen.failures else Answer.SILENT
    if not named:
        if seen.failures or seen.verdict in ("undetermined", "cause_not_determined"):
            return Answer.NOT_JUDGED
        return Answer.MISSED
    if case.kind is Kind.PAIR:
        if named[0] not in wanted:
            return Answer.SYMPTOM if set(named) <= SYMPTOMS else Answer.WRONG
        return Answer.FIRST if wanted - case.hidden <= set(named) else Answer.INCOMPLETE
    if named[0] in wanted:
        return Answer.FIRST
    if wanted & set(named):
        return Answer.AMONG
    return Answer.SYMPTOM if set(named) <= SYMPTOMS else Answer.WRONG


def _answer_without_right(case: Case, seen: Seen) -> Answer:
    """Honest is: the right cause, or a verdict that says that it is not determined."""
    if set(seen.causes) - set(case.codes) - SYMPTOMS:
        return Answer.WRONG if case.codes else Answer.FALSE_ALARM
    if not case.codes:
        if seen.failures:
            return Answer.FALSE_ALARM
        return Answer.SILENT if seen.verdict in ("healthy", "undetermined") else Answer.WRONG
    if set(case.codes) & set(seen.causes):
        return Answer.FIRST
    if seen.causes:
        return Answer.SYMPTOM
    return Answer.NOT_JUDGED if seen.verdict != "healthy" else Answer.MISSED


def lost_causes(result: Result) -> tuple[str, ...]:
    """Codes of a case that were seen to fail, and are explained by something else."""
    return tuple(code for code in result.codes if code in result.seen.explained)


@dataclass(slots=True)
class Row:
    """The counts of a layer, or of a kind of cases."""

    cases: int = 0
    answers: dict[Answer, int] = field(default_factory=lambda: defaultdict(int))
    lost: int = 0
    pasted: int = 0
    healed: int = 0
    harmed: int = 0

    def add(self, result: Result) -> None:
        """Count one result."""
        self.cases += 1
        self.answers[Answer(result.answer)] += 1
        self.lost += bool(lost_causes(result))
        if result.repair is not None:
            self.pasted += result.repair.had_command
            self.healed += result.repair.heals
            self.harmed += bool(result.repair.broke) or not result.repair.ran


def rows(results: Iterable[Result]) -> dict[tuple[str, str], Row]:
    """The counts by kind and layer; the layer `all` sums up a kind."""
    counted: dict[tuple[str, str], Row] = defaultdict(Row)
    for result in results:
        layer = result.layer if result.kind in ("single", "healthy") else "all"
        for key in dict.fromkeys((layer, "all")):
            counted[result.kind, key].add(result)
    return counted


def misses(results: Iterable[Result]) -> Sequence[Result]:
    """The results that are not right."""
    right = {Answer.FIRST, Answer.SILENT}
    honest = right | {Answer.NOT_JUDGED}
    return [
        result
        for result in results
        if Answer(result.answer) not in (honest if result.kind == "rights" else right)
        or result.error
        or (result.repair is not None and _went_wrong(result, result.repair))
    ]


def _went_wrong(result: Result, repair: Repair) -> bool:
    if repair.broke or not repair.ran:
        return True
    return repair.had_command and result.heals and not repair.heals
