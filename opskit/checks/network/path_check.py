"""Common code of the checks of the current path: each judges its own reasons only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from opskit.checks.fix import Advice, Remedy
from opskit.checks.interface import (
    Evidence,
    Finding,
    derived,
    failed,
    observed,
    passed,
    skipped,
    undecided,
    warned,
)
from opskit.checks.network.fix_context import to_database
from opskit.checks.network.fixes import open_paths
from opskit.checks.seen import Seen, one_of
from opskit.checks.symptoms import path_place
from opskit.facts.interface import Fact, Known
from opskit.facts.probe import InstanceProbe
from opskit.facts.security_groups import SecurityGroups
from opskit.probe.response import TcpResult
from opskit.reachability.database_paths import DatabasePaths
from opskit.reachability.group_members import GroupMembers
from opskit.reachability.path import (
    Checkpoint,
    CheckpointKind,
    Path,
    PathOutcome,
    Reason,
    UnknownBecause,
)

NEEDS = {
    CheckpointKind.EGRESS: "ec2:GetManagedPrefixListEntries",
    CheckpointKind.INGRESS: "ec2:GetManagedPrefixListEntries",
    CheckpointKind.ROUTE: "ec2:DescribeRouteTables",
    CheckpointKind.REPLY_ROUTE: "ec2:DescribeRouteTables",
}
"""Checkpoint -> the permission that would make it known; ec2:DescribeNetworkAcls for an ACL."""

PATH_OR_CONNECTION = one_of(
    Seen(DatabasePaths, "current.checkpoints"),
    Seen(InstanceProbe, "result.connections", lambda rows: any(c.is_connected for c in rows)),
)
"""The evidence of a check of the current path: the path as it was judged, or a connection over it."""

Describe = Callable[[Path, Checkpoint], str]


def check_path(
    paths: DatabasePaths,
    probe: Fact[InstanceProbe],
    kinds: Sequence[CheckpointKind],
    reasons: Sequence[Reason],
    *,
    good: str,
    say: Describe,
    members: GroupMembers | None = None,
) -> Finding:
    """Judge the current path for some reasons.

    Args:
        kinds: the checkpoints that the check judges.
        good: the finding's summary when they pass everything.
        say: describes the cause at the first broken checkpoint, as a sentence.
        members: the members of the security groups, for a fix.
    """

    def broken_of(path: Path) -> list[Checkpoint]:
        return [c for c in path.checkpoints if c.kind in kinds and c.reason in reasons]

    here = [c for c in paths.current.checkpoints if c.kind in kinds]
    broken = broken_of(paths.current)
    seen = connection(paths, probe)
    if broken:
        context, cause = to_database(members), say(paths.current, broken[0])
        return _broken(
            paths,
            broken,
            seen,
            cause,
            lambda: open_paths(context, paths.network, [paths.current], broken_of),
        )
    unknown = [c for c in here if c.outcome is PathOutcome.UNKNOWN]
    if unknown and seen is not None and seen.is_connected:
        return passed(
            f"{paths.workload_noun} connects; {unknown[0].decided_by}", observed(seen.words)
        )
    if unknown:
        return undecided(f"{unknown[0].location}: {unknown[0].decided_by}", needs_of(unknown[0]))
    if any(c.outcome in (PathOutcome.DROP, PathOutcome.PART) for c in here):
        return skipped("that rule is judged under another code")
    if not here:
        return skipped("app and database share a subnet, so none is passed")
    return passed(good, *(derived(f"{c.location}: {c.decided_by}") for c in here))


def at_ingress(
    paths: DatabasePaths,
    groups: SecurityGroups,
    probe: Fact[InstanceProbe],
    members: GroupMembers,
    reason: Reason,
    say: Callable[[Path], str],
) -> Finding:
    """Judge the current path at the database's groups, for one reason."""
    good = f"{groups.labels(paths.current.destination.group_ids)} admits the app on {paths.current.port}"
    return check_path(
        paths,
        probe,
        (CheckpointKind.INGRESS,),
        (reason,),
        good=good,
        say=lambda path, _: say(path),
        members=members,
    )


def needs_of(unknown: Checkpoint) -> str:
    """The permission that would make an unknown checkpoint known."""
    if unknown.unknown_because is UnknownBecause.NOT_MODELLED:
        return "a connection tried from where the app runs"
    return NEEDS.get(unknown.kind, "ec2:DescribeNetworkAcls")


def connection(paths: DatabasePaths, probe: Fact[InstanceProbe]) -> TcpResult | None:
    """The instance's own connect to the address and port of the path's end; None when it was not tried."""
    if not isinstance(probe, Known):
        return None
    return probe.value.connection_to(paths.current.destination.address, paths.current.port)


def rules_of(path: Path, broken: Sequence[Checkpoint]) -> tuple[Evidence, ...]:
    """The path with its first broken link, and the rules that decide at the others."""
    others = [c for c in broken if c != path.broken[0]]
    return derived(path.line), *(derived(f"{c.location}: {c.decided_by}") for c in others)


def _broken(
    paths: DatabasePaths,
    broken: list[Checkpoint],
    seen: TcpResult | None,
    cause: str,
    build_fix: Callable[[], Remedy],
) -> Finding:
    rules = rules_of(paths.current, broken)
    if seen is not None:
        rules = (*rules, observed(f"on {paths.workload_noun}: {seen.words}"))
    is_total = any(c.outcome is PathOutcome.DROP for c in broken)
    if is_total and seen is not None and seen.is_connected:
        return warned(
            f"{cause}; yet {paths.workload_noun} connected, so a rule or an interface is not known here",
            *rules,
            fix=_not_known(paths, seen, broken[0]),
        )
    fix = build_fix()
    if not is_total and not paths.client_ports_known:
        return warned(
            f"{cause}, if {paths.workload_noun} connects from such ports", *rules, fix=fix
        )
    return failed(cause, *rules, fix=fix, place=path_place(paths.current))


def _not_known(paths: DatabasePaths, seen: TcpResult, broken: Checkpoint) -> Advice:
    """Advice where a connection contradicts the rules, so that no rule is changed."""
    from_where = f" from {seen.local_address}" if seen.local_address else ""
    return Advice(
        f"Change nothing yet: {paths.workload_noun} reaches {seen.address}:{seen.port}{from_where}. Look at "
        f"whether {broken.location} was changed this minute, and whether another interface, subnet or proxy "
        "carries the connection; then run the diagnosis again."
    )
