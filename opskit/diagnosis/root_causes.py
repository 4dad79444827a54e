"""Finds which failures are root causes, which failures explain the others, and the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from opskit.checks.interface import CheckResult, Status
from opskit.diagnosis.result import Verdict


def find_root_causes(judged: Iterable[CheckResult]) -> tuple[CheckResult, ...]:
    """Add to every failure and every unknown result the failure that explains it.

    A failure explains the codes and layers in its check's `explains`. Of several that explain one
    another, or that the same commands fix, the first in causal order is the cause.
    """
    all_judged = list(judged)
    fails = [j for j in all_judged if j.finding.status is Status.FAIL]
    roots: list[CheckResult] = []
    for failure in fails:
        if not any(
            _explains(root, failure)
            for root in fails
            if root is not failure and not _explains(failure, root)
        ):
            roots.append(failure)
    roots = [root for root in roots if _same_change(root, roots) is None]
    return tuple(_with_cause(j, roots, fails) for j in all_judged)


def verdict_of(judged: Sequence[CheckResult]) -> Verdict:
    """The verdict: broken if a failure stops the app, degraded if the app works nevertheless."""
    fails = [j for j in judged if j.finding.status is Status.FAIL]
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


def _explains(cause: CheckResult, other: CheckResult) -> bool:
    return other.check.code in cause.check.explains or other.check.layer in cause.check.explains


def _same_change(failure: CheckResult, failures: Sequence[CheckResult]) -> CheckResult | None:
    """An earlier failure that the same commands fix: both are symptoms of one fault."""
    fix = failure.finding.fix
    earlier = failures[: failures.index(failure)] if failure in failures else ()
    same = (e for e in earlier if fix and e.finding.fix and e.finding.fix.commands == fix.commands)
    return next(same, None)


def _with_cause(
    result: CheckResult, roots: Sequence[CheckResult], fails: Sequence[CheckResult]
) -> CheckResult:
    if result in roots or result.finding.status not in (Status.FAIL, Status.UNKNOWN):
        return result
    cause = next((f for f in (*roots, *fails) if f is not result and _explains(f, result)), None)
    cause = _same_change(result, fails) or cause
    return replace(result, caused_by=cause.check.code) if cause else result
