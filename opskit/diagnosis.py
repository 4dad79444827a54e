"""Runs a diagnosis: gathers the facts, runs the checks and finds the root causes."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from opskit.analysis import analyze_all, required_facts
from opskit.checks.fix_verification import verify_fix
from opskit.checks.interface import Check, CheckResult, Finding, Status
from opskit.checks.run import run_check
from opskit.checks.shell_rendering import Caller
from opskit.config import Target
from opskit.errors import CannotProceed, ExitStatus, TargetError
from opskit.facts.app_instance import AppInstance
from opskit.facts.database import Database
from opskit.facts.gather import Clients, gather
from opskit.facts.identity import Identity
from opskit.facts.interface import FingerprintKey, Unknown, inputs_of, refuse_bug
from opskit.facts.login import TunnelLogin
from opskit.facts.parameters import Parameters
from opskit.facts.probe import InstanceProbe
from opskit.facts.rds import DbInstances
from opskit.facts.region import Region
from opskit.facts.snapshot import Snapshot
from opskit.facts.target_health import TargetHealth, TargetHealths
from opskit.facts.transport_choice import TransportChoice
from opskit.reachability.database_paths import DatabasePaths
from opskit.reachability.load_balancer_paths import LoadBalancerPaths
from opskit.transport.interface import Transport

DEADLINE_S = 60.0
"""The longest time a user waits for a diagnosis; facts that are not read by then are unknown."""


class Verdict(StrEnum):
    """The verdict of a diagnosis, as one word."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    BROKEN = "broken"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True, slots=True)
class TargetSummary:
    """The diagnosed target and the operator's identity, for the report's first line and the JSON.

    Attributes:
        config_file: the opskit.toml that supplied a value.
    """

    name: str
    region: str
    account: str | None
    operator: str | None
    instance: str | None
    instance_name: str | None
    database: str | None
    via: str | None
    config_file: str | None = None


@dataclass(frozen=True, slots=True)
class NetworkPaths:
    """The judged paths to the database, and to the app where a load balancer is in front of it."""

    paths: DatabasePaths
    load_balancer_paths: LoadBalancerPaths | None
    targets: tuple[TargetHealth, ...]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The result of a diagnosis; `network_paths` is None where the network was not judged.

    Attributes:
        notices: messages of the transport to the instance, for the terminal.
        caller: the command-line context for which commands are rendered.
        bugs: errors of opskit's own, by kind and place.
    """

    target: TargetSummary
    judged: tuple[CheckResult, ...]
    verdict: Verdict
    network_paths: NetworkPaths | None
    calls: int
    rounds: int
    seconds: float
    notices: tuple[str, ...] = ()
    caller: Caller = field(default_factory=Caller)
    bugs: tuple[str, ...] = ()

    @property
    def root_causes(self) -> tuple[CheckResult, ...]:
        """The failures that no other failure explains."""
        return tuple(j for j in self.judged if j.finding.status is Status.FAIL and not j.caused_by)

    @property
    def exit_status(self) -> ExitStatus:
        """The exit status for the verdict."""
        if self.verdict in (Verdict.BROKEN, Verdict.DEGRADED):
            return ExitStatus.FAULT
        if self.bugs:
            return ExitStatus.BUG
        return ExitStatus.NOT_JUDGED if self.verdict is Verdict.UNDETERMINED else ExitStatus.HEALTHY


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
    given = (target, Region(region), FingerprintKey(secrets.token_hex(8)))
    snapshot = gather(wanted, clients, given, deadline_s=timeout_s, on_wait=on_wait)
    raise_if_unreachable(snapshot, region)
    snapshot = analyze_all(snapshot)
    caller = Caller(region, target.profile or "", target.flags)
    findings = [verify_fix(c, run_check(c, snapshot), snapshot, caller) for c in checks]
    judged = find_root_causes([CheckResult(c, f) for c, f in zip(checks, findings, strict=True)])
    return Diagnosis(
        target_summary(target, region, snapshot),
        judged,
        verdict_of(judged),
        network_paths(snapshot),
        snapshot.calls,
        snapshot.rounds,
        time.monotonic() - started,
        notices_of(snapshot),
        caller,
        bugs_of(snapshot, findings),
    )


def raise_if_unreachable(snapshot: Snapshot, region: str) -> None:
    """Raise one error when no call reached AWS, in place of forty unknown findings.

    Raises:
        TargetError: no call reached AWS.
    """
    first_facts = [
        snapshot.facts[kind]
        for kind in (Identity, DbInstances, Parameters)
        if kind in snapshot.facts
    ]
    unreachable = [f for f in first_facts if isinstance(f, Unknown) and f.is_unreachable]
    if first_facts and len(unreachable) == len(first_facts):
        raise TargetError(
            f"AWS does not answer in {region}: {unreachable[0].reason}",
            "Is this machine online, is the Region right, does it need a proxy (HTTPS_PROXY)?",
        )


def find_root_causes(judged: Iterable[CheckResult]) -> tuple[CheckResult, ...]:
    """Add to every failure and every unknown result the failure that explains it.

    A failure explains the codes and layers in its check's `explains`. Of several that explain one
    another, or that the same commands fix, the first in causal order is the cause.
    """
    all_judged = list(judged)
    fails = [j for j in all_judged if j.finding.status is Status.FAIL]
    roots: list[CheckResult] = []
    for one in fails:
        if not any(
            _explains(root, one) for root in fails if root is not one and not _explains(one, root)
        ):
            roots.append(one)
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


def target_summary(target: Target, region: str, snapshot: Snapshot) -> TargetSummary:
    """The summary of the target, as far as it is known."""
    identity: Identity | None = snapshot.value(Identity)
    app: AppInstance | None = snapshot.value(AppInstance)
    database: Database | None = snapshot.value(Database)
    probe: InstanceProbe | None = snapshot.value(InstanceProbe)
    return TargetSummary(
        name=target.name,
        region=region,
        account=identity.account if identity else None,
        operator=identity.arn if identity else None,
        instance=app.instance.instance_id if app else None,
        instance_name=app.instance.name if app else None,
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


def _explains(cause: CheckResult, other: CheckResult) -> bool:
    return other.check.code in cause.check.explains or other.check.layer in cause.check.explains


def _same_change(one: CheckResult, others: Sequence[CheckResult]) -> CheckResult | None:
    """An earlier failure that the same commands fix: both are symptoms of one fault."""
    fix = one.finding.fix
    earlier = others[: others.index(one)] if one in others else ()
    same = (e for e in earlier if fix and e.finding.fix and e.finding.fix.commands == fix.commands)
    return next(same, None)


def _with_cause(
    one: CheckResult, roots: Sequence[CheckResult], fails: Sequence[CheckResult]
) -> CheckResult:
    if one in roots or one.finding.status not in (Status.FAIL, Status.UNKNOWN):
        return one
    cause = next((f for f in (*roots, *fails) if f is not one and _explains(f, one)), None)
    cause = _same_change(one, fails) or cause
    return replace(one, caused_by=cause.check.code) if cause else one


def connect_to_workload(target: Target, clients: Clients, region: str) -> Transport:
    """Create the transport to the app's instance or task.

    Raises:
        CannotProceed: the instance cannot be found, or `--via none`.
    """
    given = (target, Region(region), FingerprintKey(secrets.token_hex(8)))
    snapshot = gather((TransportChoice,), clients, given, deadline_s=DEADLINE_S)
    choice = snapshot.get(TransportChoice)
    if isinstance(choice, Unknown):
        refuse_bug(choice)
        raise CannotProceed(
            f"where the app runs is not known: {choice.reason}",
            "" if target.ecs_task else "--instance ID names it",
        )
    if choice.value.transport is None:
        raise CannotProceed(choice.value.why_none)
    transport: Transport = choice.value.transport
    return transport


def discover(
    target: Target, clients: Clients, region: str, timeout_s: float = DEADLINE_S
) -> tuple[tuple[str, str | None, str], ...]:
    """Find a target's settings: (setting, value or None, how it was found or why not)."""
    given = (target, Region(region), FingerprintKey(secrets.token_hex(8)))
    snapshot = gather((Database, AppInstance), clients, given, deadline_s=timeout_s)
    found: list[tuple[str, str | None, str]] = []
    for setting, kind in (("db_instance", Database), ("instance", AppInstance)):
        fact = snapshot.get(kind)
        if isinstance(fact, Unknown):
            refuse_bug(fact)
            found.append((setting, None, fact.reason))
        elif isinstance(fact.value, Database):
            found.append((setting, fact.value.instance.identifier, fact.value.selection_reason))
        elif fact.value.task is not None:
            found.append(
                ("ecs_task", target.ecs_task, f"task {fact.value.task.location.task_id} now")
            )
        else:
            instance = fact.value.instance
            found.append(
                (setting, instance.instance_id, f"{instance.name}: {fact.value.selection_reason}")
            )
    return tuple(found)
