"""The app says that it is healthy.

Means: users get errors, or the load balancer takes the instance out.
Found by: the app's own health path on the instance; without it the load balancer's word.
Looks alike: a health path that does not ask the database stays green while every page fails.
Fix: what the app's answer names; opskit shows its first words.
Not the fix: a health path that always says yes.
"""

from __future__ import annotations

from opskit.checks.interface import (
    Evidence,
    Finding,
    failed,
    observed,
    passed,
    reported,
    skipped,
    undecided,
    warned,
)
from opskit.facts.interface import Fact, Known, Unknown
from opskit.facts.probe import InstanceProbe
from opskit.facts.target_health import TargetHealths

explains: tuple[str, ...] = ()


def check(probe: Fact[InstanceProbe], targets: Fact[TargetHealths]) -> Finding:
    """Judge the answer, then the load balancer's word."""
    balancer = _balancer(targets)
    if isinstance(probe, Known) and probe.value.health is not None:
        health = probe.value.health
        if health.status is not None and 200 <= health.status < 400:
            return passed(f"{health.url} answers {health.status}", *balancer)
        what = f"answers {health.status}" if health.status else "does not answer"
        body = f": {health.body}" if health.body else ""
        return failed(f"{health.url} {what}{body}", observed("asked on the instance"), *balancer)
    if isinstance(targets, Known) and targets.value.all:
        bad = [t for t in targets.value.all if t.state == "unhealthy"]
        if bad:
            text = f"{bad[0].group.name} finds the app unhealthy ({bad[0].reason} {bad[0].description})"
            return failed(text, *balancer)
        states = ", ".join(f"{t.group.name} {t.state}" for t in targets.value.all)
        if all(t.state == "healthy" for t in targets.value.all):
            return passed(states, *balancer)
        return warned(states, *balancer)
    if isinstance(probe, Unknown):
        return undecided(probe.reason, *probe.missing)
    return skipped("no health path is known (--health-url)")


def _balancer(targets: Fact[TargetHealths]) -> tuple[Evidence, ...]:
    if not isinstance(targets, Known):
        return ()
    return tuple(
        reported(f"the load balancer says {t.state} of it in {t.group.name} {t.reason}".strip())
        for t in targets.value.all
    )
