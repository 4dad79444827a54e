"""The load balancer reaches the app.

Means: requests do not arrive, or health checks fail, independent of the database: users get 504, or
503 when no target is left.
Found by: the path model from each of the load balancer's subnets to the app's port, and the target's
health as the load balancer reports it.
Looks alike: an app that is down or unhealthy because of its database (APP003): there the load
balancer gets an answer.
Fix: one rule of the app's group that names the load balancer's group, or the ACL's entry.
Not the fix: opening the app's port to the internet.
"""

from __future__ import annotations

from opskit.checks.fix import Advice
from opskit.checks.interface import (
    Finding,
    derived,
    failed,
    passed,
    reported,
    undecided,
    warned,
)
from opskit.checks.network.fix_context import to_app
from opskit.checks.network.fixes import open_paths
from opskit.checks.network.path_check import needs_of
from opskit.checks.seen import Seen, one_of
from opskit.facts.interface import Fact, Known
from opskit.facts.load_balancer import LoadBalancer
from opskit.facts.target_health import TargetHealths
from opskit.reachability.database_paths import DatabasePaths
from opskit.reachability.group_members import GroupMembers
from opskit.reachability.load_balancer_paths import LoadBalancerPaths
from opskit.reachability.path import PathOutcome
from opskit.symptom import SymptomKind

passes_on = one_of(Seen(LoadBalancerPaths, "to_app"))
leads_to = (SymptomKind.TARGET_UNHEALTHY,)


def check(
    paths: DatabasePaths,
    load_balancer_paths: LoadBalancerPaths,
    load_balancer: Fact[LoadBalancer],
    targets: Fact[TargetHealths],
    members: GroupMembers,
) -> Finding:
    """Judge the path to the app, and weigh it against the target's health where that is known."""
    name = load_balancer.value.name if isinstance(load_balancer, Known) else "the load balancer"
    health = targets.value.all if isinstance(targets, Known) else ()
    states = [
        reported(f"{name} says {t.state} of the target in {t.group.name} {t.reason}".rstrip())
        for t in health
    ]
    blocked = [
        p for p in load_balancer_paths.to_app if p.outcome in (PathOutcome.DROP, PathOutcome.PART)
    ]
    if not blocked:
        unknown = [p for p in load_balancer_paths.to_app if p.outcome is PathOutcome.UNKNOWN]
        if unknown:
            checkpoint = next(c for c in unknown[0].checkpoints if c.outcome is PathOutcome.UNKNOWN)
            return undecided(
                f"{checkpoint.location}: {checkpoint.decided_by}", needs_of(checkpoint)
            )
        if not load_balancer_paths.to_app:
            return undecided(f"no subnet of {name} is known", "ec2:DescribeSubnets")
        port = load_balancer_paths.to_app[0].port
        return passed(
            f"{name} reaches the app on {port}",
            derived(load_balancer_paths.to_app[0].line),
            *states,
        )
    path = blocked[0]
    checkpoint = path.broken[0]
    cause = f"{name} does not reach the app on {path.port}: at {checkpoint.location} {checkpoint.decided_by}"
    evidence = (derived(path.line), *states)
    # The path model alone reports a fault, and the load balancer's own health checks pass.
    if any(t.state == "healthy" for t in health) and len(blocked) == len(
        load_balancer_paths.to_app
    ):
        return warned(f"{cause}; yet its health checks pass", *evidence, fix=_contradiction(name))
    fix = open_paths(to_app(members), paths.network, blocked, lambda p: p.broken)
    if not isinstance(targets, Known):
        return warned(f"{cause}; its health checks were not read", *evidence, fix=fix)
    return failed(cause, *evidence, fix=fix)


def _contradiction(name: str) -> Advice:
    return Advice(
        f"Change nothing yet: {name} reaches the app. Look at whether the target is registered by another "
        "address or port than judged here, and whether a rule was removed this minute: a connection that is "
        "open outlives its rule. Then run the diagnosis again."
    )
