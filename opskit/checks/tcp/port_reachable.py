"""The database's port answers the instance.

Means: packets or replies are dropped on the path: AWS drops silently.
Found by: a connection from the instance, with a limit of three seconds (connect_timeout), in which
Linux has sent its first packet twice.
Looks alike: a port without a listener refuses at once (TCP002), which proves that the path is open.
Fix: see the network checks; if they all pass, rules and packets contradict each other: check the
instance's own firewall, the container's network, a stale address, and rules changed this minute.
Not the fix: a longer time-out in the app.
"""

from __future__ import annotations

from opskit.checks.fix import Advice
from opskit.checks.interface import (
    Finding,
    derived,
    failed,
    not_reached,
    observed,
    passed,
    skipped,
    undecided,
)
from opskit.checks.seen import Seen, one_of
from opskit.checks.symptoms import connection_place
from opskit.commands import OpskitCommand
from opskit.config import Target
from opskit.facts.dns import DatabaseHost
from opskit.facts.interface import Fact, Known, Unknown
from opskit.facts.probe import InstanceProbe
from opskit.probe.response import TcpResult
from opskit.reachability.database_paths import DatabasePaths
from opskit.reachability.path import Path, PathOutcome
from opskit.symptom import Symptom, SymptomKind, symptom

symptoms = (SymptomKind.DROPPED, SymptomKind.UNREACHABLE)
is_essential = True
passes_on = one_of(
    Seen(InstanceProbe, "result.connections", lambda rows: any(c.is_connected for c in rows))
)


def check(
    target: Target, host: DatabaseHost, probe: Fact[InstanceProbe], paths: Fact[DatabasePaths]
) -> Finding:
    """Judge the connection to the app's configured host, together with the path model."""
    if isinstance(probe, Unknown):
        text = f"not tried from {target.workload_kind.definite}: {probe.reason}"
        return not_reached(text, probe.waits_for, *probe.missing)
    connection = probe.value.connection(host.name, host.port)
    if connection is None or not connection.is_told:
        return not_told(target, host, probe.value, connection)
    if connection.is_connected:
        took = (
            f" in {max(1, connection.milliseconds):.0f} ms"
            if connection.milliseconds is not None
            else ""
        )
        return passed(
            f"{connection.address or host.name}:{connection.port} accepts "
            f"{target.workload_kind.definite}{took}",
            observed(f"from {connection.local_address or target.workload_kind.definite}"),
        )
    if host.is_port_assumed and not connection.is_connected:
        return undecided(
            f"{connection.words}, but port {host.port} is only the default: neither {host.source} nor RDS "
            "names the database's port",
            "rds:DescribeDBInstances",
        )
    if connection.outcome == "refused":
        return skipped(f"{connection.address}:{connection.port} refused, which is an answer")
    drop = "; a drop by a security group, an ACL or a route looks so"
    seen = observed(
        f"tried on {target.workload_kind.definite}{drop if connection.outcome == 'timeout' else ''}"
    )
    shown = _symptom(host, connection)
    if not isinstance(paths, Known):
        advice = _advice_unjudged(paths)
        return failed(connection.words, seen, fix=advice, symptom=shown, missing=paths.missing)
    current = paths.value.current
    if not _leads_to(current, connection):
        advice = _advice_elsewhere(host, connection, paths.value)
        return failed(connection.words, seen, fix=advice, symptom=shown)
    if current.outcome is PathOutcome.PASS:
        return failed(
            f"{connection.words}, although every group, ACL and route lets it pass",
            seen,
            derived(current.line),
            fix=_advice_where_open(connection, paths.value),
            symptom=shown,
        )
    return failed(connection.words, seen, fix=_advice(current), symptom=shown)


def _symptom(host: DatabaseHost, connection: TcpResult) -> Symptom:
    """The symptom of a connection without an answer, or with an error of the system."""
    kind = SymptomKind.DROPPED if connection.outcome == "timeout" else SymptomKind.UNREACHABLE
    return symptom(kind, connection_place(host, connection), (SymptomKind.WRONG_ADDRESS,))


def not_told(
    target: Target, host: DatabaseHost, probe: InstanceProbe, connection: TcpResult | None
) -> Finding:
    """The finding where no connection was tried, or where its outcome is not told."""
    noun, destination = target.workload_kind.definite, f"{host.name}:{host.port}"
    if connection is None:
        why = probe.why_not(f"tcp {destination}", "tcp") or f"{noun} did not try it"
        return not_reached(
            f"no connection to {destination} was tried: {why}",
            (SymptomKind.WRONG_ADDRESS,),
            f"a connection tried from {noun}",
            place=connection_place(host),
        )
    if connection.outcome == "unresolved":
        return not_reached(
            f"no connection to {destination} was tried: the name was not resolved there",
            (SymptomKind.NOT_RESOLVED,),
            f"an address on {noun}",
            place=connection_place(host),
        )
    return undecided(
        f"{connection.words}; its tools there do not tell a refusal from silence",
        f"bash with timeout, or python3, on {noun}",
    )


def _leads_to(path: Path, connection: TcpResult) -> bool:
    """Whether the judged path leads to the address and port that were tried."""
    return (connection.address, connection.port) == (path.destination.address, path.port)


def _advice_elsewhere(host: DatabaseHost, connection: TcpResult, paths: DatabasePaths) -> Advice:
    """Advice where the connection went to another address or port than the database's."""
    tried = f"{connection.address or connection.host}:{connection.port}"
    current = paths.current
    return Advice(
        f"{paths.workload_noun.capitalize()} tried {tried}, but the rules were judged for "
        f"{current.destination.name} at {current.destination.address}:{current.port}. If that is the app's "
        f"database, correct what names {tried} ({host.source}, /etc/hosts, a resolver's cache), then "
        "restart the app."
    )


def _advice_where_open(connection: TcpResult, paths: DatabasePaths) -> Advice:
    """Advice where the rules allow a connection that got no answer."""
    return Advice(
        f"On {paths.workload_noun}, look at its own firewall (nft list ruleset, iptables -S OUTPUT), at the "
        "network of the container, and at conntrack_allowance_exceeded (ethtool -S). If rules were changed "
        f"this minute, try again: timeout 3 bash -c '</dev/tcp/{connection.address}/{connection.port}'"
    )


def _advice_unjudged(paths: Unknown) -> Advice:
    """Advice where the rules were not judged."""
    return Advice(
        f"The rules on the path were not judged: {paths.reason}. The diagnosis of your own rights says "
        "which are missing; check security groups, network ACLs and routes by hand.",
        (OpskitCommand(("diagnose", "operator")),),
    )


def _advice(today: Path) -> Advice:
    """Advice where a rule blocks the path, or is not known."""
    if today.broken:
        return Advice(f"{today.broken[0].location} stands in the way: see the finding on it.")
    unknown = next(c for c in today.checkpoints if c.outcome is PathOutcome.UNKNOWN)
    return Advice(
        f"All rules that are known let it pass; look at {unknown.location}, which is not: "
        f"{unknown.decided_by}."
    )
