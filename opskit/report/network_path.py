"""Renders a request's network path as a table: internet, load balancer, app, database, all checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from opskit.diagnosis.result import NetworkPaths
from opskit.reachability.path import Checkpoint, CheckpointKind, Path, PathOutcome

WORST_FIRST = (PathOutcome.DROP, PathOutcome.PART, PathOutcome.UNKNOWN, PathOutcome.PASS)
INTERNET, BALANCER, APP = range(3)
"""The legs: internet to load balancer, load balancer to app, app to database."""

ELEVEN: tuple[tuple[str, tuple[tuple[int, CheckpointKind], ...]], ...] = (
    (
        "1  public ACL in",
        ((INTERNET, CheckpointKind.ACL_IN), (BALANCER, CheckpointKind.REPLY_ACL_IN)),
    ),
    (
        "2  public ACL out",
        ((INTERNET, CheckpointKind.REPLY_ACL_OUT), (BALANCER, CheckpointKind.ACL_OUT)),
    ),
    (
        "3  load balancer's groups",
        ((INTERNET, CheckpointKind.INGRESS), (BALANCER, CheckpointKind.EGRESS)),
    ),
    ("   route to the app", ((BALANCER, CheckpointKind.ROUTE),)),
    ("4  app ACL in", ((BALANCER, CheckpointKind.ACL_IN),)),
    ("5  app's groups in", ((BALANCER, CheckpointKind.INGRESS),)),
    ("   route back", ((BALANCER, CheckpointKind.REPLY_ROUTE),)),
    ("6  app ACL out", ((BALANCER, CheckpointKind.REPLY_ACL_OUT), (APP, CheckpointKind.ACL_OUT))),
    ("7  app ACL in, replies", ((APP, CheckpointKind.REPLY_ACL_IN),)),
    ("8  app's groups out", ((APP, CheckpointKind.EGRESS),)),
    ("   route to the database", ((APP, CheckpointKind.ROUTE),)),
    ("9  database ACL in", ((APP, CheckpointKind.ACL_IN),)),
    ("10 database ACL out, replies", ((APP, CheckpointKind.REPLY_ACL_OUT),)),
    ("   route back", ((APP, CheckpointKind.REPLY_ROUTE),)),
    ("11 database's groups in", ((APP, CheckpointKind.INGRESS),)),
)
"""The eleven checkpoints of a three-tier app, and the routes between them."""


GROUPS = (CheckpointKind.EGRESS, CheckpointKind.INGRESS)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; without an outcome, the path does not pass there, and the text says why."""

    name: str
    outcome: PathOutcome | None
    text: str


def rows(network_paths: NetworkPaths, *, whole: bool) -> Iterator[Row]:
    """Yield the lines of the table.

    Args:
        whole: start at the internet; otherwise at the app.
    """
    if not whole:
        for checkpoint in network_paths.paths.current.checkpoints:
            yield Row(
                str(checkpoint.kind),
                checkpoint.outcome,
                f"{checkpoint.location}: {checkpoint.decided_by}",
            )
        return
    legs = legs_of(network_paths)
    for name, places in ELEVEN:
        checkpoints = [
            c for leg, kind in places for p in legs[leg] for c in p.checkpoints if c.kind is kind
        ]
        if checkpoints:
            yield _row(name, checkpoints)
        elif name[0].isdigit():
            yield Row(name, None, _why_not_passed(places, legs))
    for target in network_paths.targets:
        outcome = PathOutcome.PASS if target.state == "healthy" else PathOutcome.DROP
        reason = f"{target.reason} {target.description}".strip()
        text = f"{target.group.name} says {target.state} {reason}".rstrip()
        yield Row("   target health", outcome, text)


def legs_of(network_paths: NetworkPaths) -> tuple[Sequence[Path], Sequence[Path], Sequence[Path]]:
    """Return the three legs; the first two are empty without a load balancer."""
    if network_paths.load_balancer_paths is None:
        return (), (), (network_paths.paths.current,)
    return (
        network_paths.load_balancer_paths.from_internet,
        network_paths.load_balancer_paths.to_app,
        (network_paths.paths.current,),
    )


def document(network_paths: NetworkPaths) -> dict[str, Any]:
    """Return the path for the JSON report."""
    paths = network_paths.paths
    return {
        "outcome": str(paths.current.outcome),
        "line": paths.current.line,
        "legs": [_leg(path) for leg in legs_of(network_paths) for path in leg],
    }


def _why_not_passed(
    places: Sequence[tuple[int, CheckpointKind]], legs: Sequence[Sequence[Path]]
) -> str:
    if not any(legs[leg] for leg, _ in places):
        return "not judged: no load balancer is known that sends to the app"
    if all(kind in GROUPS for _, kind in places):
        return "not passed: no security group is there"
    return "not passed: both ends are in one subnet"


def _row(name: str, checkpoints: list[Checkpoint]) -> Row:
    worst = min((c.outcome for c in checkpoints), key=WORST_FIRST.index)
    rules: dict[str, dict[str, None]] = {}
    for checkpoint in checkpoints:
        rules.setdefault(checkpoint.location, {})[checkpoint.decided_by] = None
    return Row(name, worst, " | ".join(f"{place}: {'; '.join(r)}" for place, r in rules.items()))


def _leg(path: Path) -> dict[str, Any]:
    return {
        "from": path.source.name,
        "to": path.destination.name,
        "port": path.port,
        "outcome": str(path.outcome),
        "client_ports": [list(p) for p in path.open_ports],
        "checkpoints": [
            {
                "kind": str(c.kind),
                "place": c.location,
                "outcome": str(c.outcome),
                "decided_by": c.decided_by,
            }
            for c in path.checkpoints
        ],
    }
