"""The load balancer reaches the app.

Means: requests do not arrive, or health checks fail, whatever the database does: users get 504, or
503 when no target is left.
Found by: the path model from each of the load balancer's subnets to the app's port, and what the
load balancer says of the target's health.
Looks alike: an app that is down or unhealthy because of its database (APP003): there the load
balancer gets an answer.
Fix: one rule of the app's group that names the load balancer's group, or the ACL's entry.
Not the fix: opening the app's port to the internet.
"""

from __future__ import annotations

from opskit.checks.fix import Fix
from opskit.checks.interface import (
    Finding,
    derived,
    failed,
    passed,
    reported,
    undecided,
    warned,
)
from opskit.checks.network import fixes
from opskit.checks.network.passage import ACLS, needs_of
from opskit.facts.balancer import Balancer
from opskit.facts.interface import Fact, Known
from opskit.facts.target_health import TargetHealths
from opskit.reachability.front import Front
from opskit.reachability.path import Kind, Outcome, Path
from opskit.reachability.way import Way

explains = ("APP003",)


def check(way: Way, front: Front, balancer: Fact[Balancer], targets: TargetHealths) -> Finding:
    """Judge the second leg, and weigh it against the target's health."""
    name = balancer.value.name if isinstance(balancer, Known) else "the load balancer"
    states = [
        reported(f"{name} says {t.state} of the target in {t.group.name} {t.reason}".rstrip())
        for t in targets.all
    ]
    unknown = [p for p in front.to_app if p.outcome is Outcome.UNKNOWN]
    blocked = [p for p in front.to_app if p.outcome in (Outcome.DROP, Outcome.PART)]
    if not blocked:
        if unknown:
            one = next(c for c in unknown[0].checkpoints if c.outcome is Outcome.UNKNOWN)
            return undecided(f"{one.place}: {one.decided_by}", needs_of(one))
        port = front.to_app[0].port
        return passed(f"{name} reaches the app on {port}", derived(front.to_app[0].line), *states)
    path = blocked[0]
    one = path.broken[0]
    cause = f"{name} does not reach the app on {path.port}: at {one.place} {one.decided_by}"
    evidence = (derived(path.line), *states)
    # Only the rules say so, and the load balancer's own health checks pass.
    if any(t.state == "healthy" for t in targets.all) and len(blocked) == len(front.to_app):
        return warned(f"{cause}; yet its health checks pass", *evidence)
    return failed(cause, *evidence, fix=_fix(way, path))


def _fix(way: Way, path: Path) -> Fix | None:
    acls = [c for c in path.broken if c.kind in ACLS]
    if acls:
        return fixes.entries_of(way.network, path, acls)
    if any(c.kind is Kind.INGRESS for c in path.broken):
        return fixes.ingress_of(path)
    return fixes.egress_of(path) if path.broken[0].kind is Kind.EGRESS else None
