"""Finds which failures are root causes, which failures explain the others, and the verdict.

A failure explains another one only if the mechanism of its fault leads to the other's symptom, at the same
place. A fault with evidence of its own is never explained away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from opskit.checks.interface import Check, CheckResult, Finding, Status
from opskit.commands import AwsCall
from opskit.diagnosis.result import Verdict
from opskit.symptom import Symptom, SymptomKind


def find_root_causes(judged: Iterable[CheckResult]) -> tuple[CheckResult, ...]:
    """Add to every symptom and every result that was not reached the failure that explains it.

    Of several, the one that no other explains counts, faults before symptoms, the first in causal order.
    """
    results = list(judged)
    fails = [r for r in results if r.finding.status is Status.FAIL]
    causes = ((r.check.code, _cause(r, fails)) for r in results)
    direct = {code: cause.check.code if cause else None for code, cause in causes}
    return tuple(replace(r, caused_by=_root(r.check.code, direct)) for r in results)


def verdict_of(judged: Sequence[CheckResult]) -> Verdict:
    """The verdict: broken if a fault stops the app, degraded if the app works nevertheless."""
    fails = [j for j in judged if j.finding.status is Status.FAIL]
    if fails and not any(j.is_root_cause for j in fails):
        return Verdict.CAUSE_NOT_DETERMINED
    if fails:
        works = any(j.check.code == "APP003" and j.finding.status is Status.PASS for j in judged)
        return Verdict.DEGRADED if works else Verdict.BROKEN
    if any(j.finding.status is Status.UNKNOWN and j.check.is_essential for j in judged):
        return Verdict.UNDETERMINED
    if (
        judged
        and all(j.finding.status in (Status.UNKNOWN, Status.SKIP) for j in judged)
        and any(j.finding.status is Status.UNKNOWN for j in judged)
    ):
        return Verdict.UNDETERMINED
    return Verdict.HEALTHY


def leads_to(cause: CheckResult, symptom: Symptom) -> bool:
    """Whether a failure's mechanism leads to a symptom at its place."""
    own = cause.finding.symptom
    kinds = {*cause.check.leads_to, *([own.kind] if own else ())}
    is_led = symptom.kind in cause.check.leads_to or bool(symptom.through & kinds)
    return is_led and cause.finding.place.covers(symptom.place)


def of_other_database(check: Check, finding: Finding, doubted: str) -> Finding:
    """A fault of a database that may not be the app's, as a symptom of the parameter that names it.

    Args:
        doubted: the identifier of the database.
    """
    is_its_fault = (
        finding.status is Status.FAIL
        and doubted in finding.place.databases
        and SymptomKind.OTHER_DATABASE not in check.leads_to
        and (finding.symptom is None or finding.symptom.is_fault)
    )
    if not is_its_fault:
        return finding
    kind = SymptomKind.OTHER_DATABASE
    return replace(finding, symptom=Symptom(kind, finding.place, is_fault=True))


def _cause(result: CheckResult, fails: Sequence[CheckResult]) -> CheckResult | None:
    """The failure that explains a result directly; None for a root cause and where none is known."""
    symptom = result.finding.symptom
    if result.finding.status not in (Status.FAIL, Status.UNKNOWN):
        return None
    if symptom is None:
        return _same_fault(result, fails)
    causes = [f for f in fails if f is not result and leads_to(f, symptom)]
    return min(causes, key=lambda c: not c.is_fault, default=None) or _same_fault(result, fails)


def _same_fault(failure: CheckResult, fails: Sequence[CheckResult]) -> CheckResult | None:
    """An earlier failure that the same AWS calls end: both are findings of one fault.

    A restart or a repair ends many faults, and is no evidence that two are one.
    """
    fix = failure.finding.fix
    if fix is None or failure not in fails or not all(isinstance(c, AwsCall) for c in fix.commands):
        return None
    earlier = fails[: fails.index(failure)]
    return next(
        (e for e in earlier if e.finding.fix and e.finding.fix.commands == fix.commands), None
    )


def _root(code: str, direct: Mapping[str, str | None]) -> str | None:
    """The last failure of a chain of causes; None for one that nothing explains.

    Of failures that explain one another, the first in causal order is the cause, so that none is lost.
    """
    chain = [code]
    while (cause := direct[chain[-1]]) is not None and cause not in chain:
        chain.append(cause)
    if cause is None:
        return chain[-1] if len(chain) > 1 else None
    circle = chain[chain.index(cause) :]
    first = next(c for c in direct if c in circle)
    return None if first == code else first
