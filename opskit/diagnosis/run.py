"""Runs a diagnosis: gathers the facts, runs the checks and finds the root causes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from difflib import get_close_matches

from opskit.analysis import analyze_all, required_facts
from opskit.aws import region_names
from opskit.checks.fix_verification import verify_fix
from opskit.checks.interface import Check, CheckResult, Finding
from opskit.checks.run import run_check
from opskit.checks.shell_rendering import Caller
from opskit.config import Target
from opskit.diagnosis.result import Diagnosis, NetworkPaths, TargetSummary
from opskit.diagnosis.root_causes import find_root_causes, of_other_database, verdict_of
from opskit.errors import TargetError, UsageError
from opskit.facts.binding import inputs_of
from opskit.facts.database import Database
from opskit.facts.gather import Clients, gather
from opskit.facts.given_facts import Now, given_facts
from opskit.facts.identity import Identity
from opskit.facts.interface import Unknown
from opskit.facts.login import LoginAttemptResult, TunnelLogin
from opskit.facts.probe import InstanceProbe
from opskit.facts.rds import DbInstances
from opskit.facts.snapshot import Snapshot
from opskit.facts.stored_credential import StoredCredential
from opskit.facts.target_health import TargetHealths
from opskit.reachability.database_paths import DatabasePaths
from opskit.reachability.load_balancer_paths import LoadBalancerPaths
from opskit.workload.interface import Workload

DEADLINE_S = 60.0
"""The longest time a user waits for a diagnosis; facts that are not read by then are unknown."""


def diagnose(
    target: Target,
    clients: Clients,
    region: str,
    checks: Sequence[Check],
    *,
    timeout_s: float = DEADLINE_S,
    on_wait: Callable[[str], None] = lambda _: None,
) -> Diagnosis:
    """Read the facts that the checks need, run the checks, and find the root causes.

    Args:
        checks: in causal order.
        timeout_s: seconds for the whole run.
        on_wait: called with a description of the running readers.

    Raises:
        OpskitError: nothing can be judged: no credentials, no such target.
    """
    started = time.monotonic()
    wanted = required_facts(
        {i.type for check in checks for i in inputs_of(check.judge)} | {Identity}
    )
    given = given_facts(target, region)
    snapshot = gather(
        wanted,
        clients,
        given,
        deadline_s=timeout_s,
        on_wait=on_wait,
        allows_ambiguity=all(check.layer == "operator" for check in checks),
    )
    raise_if_unreachable(snapshot, target, region)
    diagnosis = judge(snapshot, target, region, checks)
    return replace(diagnosis, seconds=time.monotonic() - started)


def judge(
    snapshot: Snapshot,
    target: Target,
    region: str,
    checks: Sequence[Check],
) -> Diagnosis:
    """Judge a snapshot of what was read, without AWS and without a clock; `seconds` of the result is 0.

    Args:
        checks: in causal order.
    """
    snapshot = analyze_all(snapshot)
    caller = Caller(region, target.profile or "", target.flags)
    doubted = doubted_database(snapshot)
    findings = [
        of_other_database(c, verify_fix(c, run_check(c, snapshot), snapshot, caller), doubted)
        for c in checks
    ]
    now: Now | None = snapshot.value(Now)
    judged = find_root_causes([CheckResult(c, f) for c, f in zip(checks, findings, strict=True)])
    return Diagnosis(
        target_summary(target, region, snapshot),
        judged,
        verdict_of(judged),
        network_paths(snapshot),
        snapshot.calls,
        snapshot.rounds,
        0.0,
        notices_of(snapshot),
        caller,
        bugs_of(snapshot, findings),
        judged_at=now.moment if now else None,
    )


def doubted_database(snapshot: Snapshot) -> str:
    """The identifier of the database, where it may be another app's and no login succeeded; else empty."""
    database: Database | None = snapshot.value(Database)
    login: LoginAttemptResult | None = snapshot.value(LoginAttemptResult)
    if database is None or not database.doubt or (login is not None and login.succeeded):
        return ""
    return database.instance.identifier


def raise_if_unreachable(snapshot: Snapshot, target: Target, region: str) -> None:
    """Raise one error when no call reached AWS, in place of forty unknown findings.

    Raises:
        UsageError: the AWS SDK knows no Region of that name either.
        TargetError: no call reached AWS.
    """
    first_facts = [
        snapshot.facts[kind]
        for kind in (Identity, DbInstances, StoredCredential)
        if kind in snapshot.facts
    ]
    unreachable = [f for f in first_facts if isinstance(f, Unknown) and f.is_unreachable]
    if first_facts and len(unreachable) == len(first_facts):
        regions = region_names()
        if region not in regions:
            near = get_close_matches(region, regions, n=3) or regions
            raise UsageError(
                f"{target.origins.get('region', '--region')} '{region}': AWS does not answer there, and no "
                "such Region is known",
                f"Regions: {', '.join(near)}",
            )
        raise TargetError(
            f"AWS does not answer in {region}: {unreachable[0].reason}",
            "Is this machine online, is the Region right, does it need a proxy (HTTPS_PROXY)?",
        )


def target_summary(target: Target, region: str, snapshot: Snapshot) -> TargetSummary:
    """The summary of the target, as far as it is known."""
    identity: Identity | None = snapshot.value(Identity)
    app: Workload | None = snapshot.value(Workload)
    database: Database | None = snapshot.value(Database)
    probe: InstanceProbe | None = snapshot.value(InstanceProbe)
    return TargetSummary(
        name=target.name,
        region=region,
        account=identity.account if identity else None,
        operator=identity.arn if identity else None,
        instance=app.identifier if app else None,
        instance_name=app.name if app else None,
        database=database.instance.identifier if database else None,
        via=probe.transport if probe else None,
        config_file=target.config_file or None,
    )


def notices_of(snapshot: Snapshot) -> tuple[str, ...]:
    """The messages of the transports to the instance, each once."""
    probe: InstanceProbe | None = snapshot.value(InstanceProbe)
    tunnel: TunnelLogin | None = snapshot.value(TunnelLogin)
    message = (*(probe.notices if probe else ()), *(tunnel.notices if tunnel else ()))
    return tuple(dict.fromkeys(message))


def bugs_of(snapshot: Snapshot, findings: Iterable[Finding]) -> tuple[str, ...]:
    """The errors of opskit's own in readers and checks, each once."""
    return tuple(dict.fromkeys((*snapshot.bugs, *(f.bug for f in findings if f.bug))))


def network_paths(snapshot: Snapshot) -> NetworkPaths | None:
    """The network paths, if the network was judged."""
    paths, targets = snapshot.value(DatabasePaths), snapshot.value(TargetHealths)
    if paths is None:
        return None
    return NetworkPaths(paths, snapshot.value(LoadBalancerPaths), targets.all if targets else ())
