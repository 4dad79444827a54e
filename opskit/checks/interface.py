"""Types of checks, findings and evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from opskit.checks.fix import Advice, Fix, Remedy
from opskit.checks.seen import EvidenceChoice
from opskit.commands import OpskitCommand
from opskit.errors import Missing, bug_text
from opskit.symptom import ANYWHERE, Kinds, Place, Symptom, SymptomKind, symptom

LAYERS = (
    "identity",
    "parameters",
    "iam",
    "database",
    "dns",
    "network",
    "tcp",
    "tls",
    "auth",
    "app",
    "hygiene",
    "operator",
)
"""The layers in causal order: a folder here, a command under `diagnose`, a word in the JSON."""


class Status(StrEnum):
    """The status of a finding."""

    PASS = "pass"
    FAIL = "fail"
    WARN = "warn"
    SKIP = "skip"
    UNKNOWN = "unknown"


class Basis(StrEnum):
    """The source of a piece of evidence."""

    OBSERVED = "observed"
    DERIVED = "derived"
    REPORTED = "reported"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One piece of evidence: observed by a probe, derived from rules, or reported by AWS."""

    text: str
    basis: Basis


def observed(text: str) -> Evidence:
    """Evidence that a probe observed."""
    return Evidence(text, Basis.OBSERVED)


def derived(text: str) -> Evidence:
    """Evidence that follows from rules and settings."""
    return Evidence(text, Basis.DERIVED)


def reported(text: str) -> Evidence:
    """Evidence that AWS reported."""
    return Evidence(text, Basis.REPORTED)


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check.

    Attributes:
        summary: one sentence that states the result, with names and ids.
        fix: commands that end the finding.
        missing: of an unknown result: the permissions or probes that were not available; of a symptom:
            those that would have shown its cause.
        advice: the change to make where no fix is offered, and why none is.
        advice_commands: opskit commands for the next step.
        bug: the kind and place of the check's own error; empty otherwise.
        place: of a fault: where it shows.
        symptom: of a failure: the symptom that it is, None for a fault with evidence of its own. Of an
            unknown result: `NOT_REACHED`, None where a permission or an input is missing.
    """

    status: Status
    summary: str
    evidence: tuple[Evidence, ...] = ()
    fix: Fix | None = None
    missing: tuple[Missing, ...] = ()
    advice: str = ""
    advice_commands: tuple[OpskitCommand, ...] = ()
    bug: str = ""
    place: Place = ANYWHERE
    symptom: Symptom | None = None


def passed(summary: str, *evidence: Evidence) -> Finding:
    """A finding of the healthy state."""
    return Finding(Status.PASS, summary, evidence)


def failed(
    summary: str,
    *evidence: Evidence,
    fix: Remedy | None = None,
    place: Place = ANYWHERE,
    symptom: Symptom | None = None,
    missing: tuple[Missing, ...] = (),
) -> Finding:
    """A finding of a fault that breaks something, or of a symptom of one."""
    finding = _with_remedy(Status.FAIL, summary, evidence, fix)
    where = symptom.place if symptom is not None and place is ANYWHERE else place
    return replace(finding, place=where, symptom=symptom, missing=missing)


def warned(summary: str, *evidence: Evidence, fix: Remedy | None = None) -> Finding:
    """A finding of a state that works but should be changed."""
    return _with_remedy(Status.WARN, summary, evidence, fix)


def _with_remedy(
    status: Status, summary: str, evidence: tuple[Evidence, ...], remedy: Remedy | None
) -> Finding:
    if isinstance(remedy, Advice):
        return Finding(
            status, summary, evidence, advice=remedy.text, advice_commands=remedy.commands
        )
    return Finding(status, summary, evidence, remedy)


def skipped(why: str) -> Finding:
    """A finding for a question that does not apply."""
    return Finding(Status.SKIP, why)


def undecided(why: str, *missing: Missing) -> Finding:
    """A finding that could not be decided."""
    return Finding(Status.UNKNOWN, why, missing=missing)


def not_reached(why: str, waits_for: Kinds, *missing: Missing, place: Place = ANYWHERE) -> Finding:
    """A finding that could not be decided because of an earlier symptom.

    Args:
        waits_for: the symptoms of which one is the reason; empty where none is, but something is missing.
    """
    finding = undecided(why, *missing)
    if not waits_for:
        return finding
    return replace(finding, symptom=symptom(SymptomKind.NOT_REACHED, place, waits_for))


def undecided_by_bug(error: Exception) -> Finding:
    """A finding that could not be decided because of an error of opskit's own."""
    text = bug_text(error)
    return Finding(Status.UNKNOWN, f"a bug in opskit: {text}", bug=text)


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the catalogue.

    Attributes:
        title: the healthy state, from the first line of the check's page.
        page: the whole page that `opskit explain CODE` prints.
        passes_on: the evidence that it must have seen to pass.
        leads_to: the symptoms to which the mechanism of its fault leads.
        symptoms: the kinds of symptom that a failure of it can be.
        is_essential: without its result the app's path to the database is not judged.
        is_opt_in: run only when its layer is requested by name.
    """

    code: str
    layer: str
    title: str
    page: str
    judge: Callable[..., Finding]
    passes_on: EvidenceChoice
    leads_to: tuple[SymptomKind, ...]
    symptoms: tuple[SymptomKind, ...]
    is_essential: bool
    is_opt_in: bool = False


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A check with its finding, and the code of the failure that caused it, if one did."""

    check: Check
    finding: Finding
    caused_by: str | None = None

    @property
    def is_fault(self) -> bool:
        """Whether it is a failure that names what is wrong, not only how that shows."""
        symptom = self.finding.symptom
        return self.finding.status is Status.FAIL and (symptom is None or symptom.is_fault)

    @property
    def is_root_cause(self) -> bool:
        """Whether it is a fault that no other failure explains."""
        return self.is_fault and self.caused_by is None
