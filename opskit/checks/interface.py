"""What a check answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from opskit.checks.fix import Advice, Fix, OpskitCommand, Remedy
from opskit.errors import bug_text

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
    """How a check ends."""

    PASS = "pass"
    FAIL = "fail"
    WARN = "warn"
    SKIP = "skip"
    UNKNOWN = "unknown"


class Basis(StrEnum):
    """How a piece of evidence is known."""

    OBSERVED = "observed"
    DERIVED = "derived"
    REPORTED = "reported"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that speaks for the verdict: seen by a probe, derived from rules, or told by AWS."""

    text: str
    basis: Basis


def observed(text: str) -> Evidence:
    """Seen by a probe."""
    return Evidence(text, Basis.OBSERVED)


def derived(text: str) -> Evidence:
    """Follows from rules and settings."""
    return Evidence(text, Basis.DERIVED)


def reported(text: str) -> Evidence:
    """AWS says so."""
    return Evidence(text, Basis.REPORTED)


@dataclass(frozen=True, slots=True)
class Finding:
    """A check's verdict.

    Attributes:
        summary: one sentence that says what is, with names and ids.
        fix: commands that end it.
        missing: for `unknown`: the permissions or probes that were not there.
        advice: what to change where no fix is offered, and why none is.
        advice_commands: opskit commands that help on.
        bug: the kind and place of the check's own error; empty otherwise.
    """

    status: Status
    summary: str
    evidence: tuple[Evidence, ...] = ()
    fix: Fix | None = None
    missing: tuple[str, ...] = ()
    advice: str = ""
    advice_commands: tuple[OpskitCommand, ...] = ()
    bug: str = ""


def passed(summary: str, *evidence: Evidence) -> Finding:
    """It is as it should be."""
    return Finding(Status.PASS, summary, evidence)


def failed(summary: str, *evidence: Evidence, fix: Remedy | None = None) -> Finding:
    """It is not, and that breaks something."""
    return _with_remedy(Status.FAIL, summary, evidence, fix)


def warned(summary: str, *evidence: Evidence, fix: Remedy | None = None) -> Finding:
    """It works, but should not stay so."""
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
    """The question does not arise."""
    return Finding(Status.SKIP, why)


def undecided(why: str, *missing: str) -> Finding:
    """It could not be judged."""
    return Finding(Status.UNKNOWN, why, missing=missing)


def undecided_by_bug(error: Exception) -> Finding:
    """It could not be judged because of an error of opskit's own."""
    text = bug_text(error)
    return Finding(Status.UNKNOWN, f"a bug in opskit: {text}", bug=text)


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the catalogue.

    Attributes:
        title: the good state, from the first line of the check's page.
        page: the whole page that `opskit explain CODE` prints.
        explains: codes and layers whose failure this one's failure would explain.
        is_essential: without an answer the app's way to the database is not judged.
        is_opt_in: made only where its layer is asked for by name.
    """

    code: str
    layer: str
    title: str
    page: str
    judge: Callable[..., Finding]
    explains: tuple[str, ...]
    is_essential: bool
    is_opt_in: bool = False


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A check with its verdict, and the code of the failure that caused it, if one did."""

    check: Check
    finding: Finding
    caused_by: str | None = None
