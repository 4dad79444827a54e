"""The way of a request as a table: internet, load balancer, app, database, with all checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from opskit.diagnosis import Ways
from opskit.reachability.path import Checkpoint, Kind, Outcome, Path

WORST_FIRST = (Outcome.DROP, Outcome.PART, Outcome.UNKNOWN, Outcome.PASS)
INTERNET, BALANCER, APP = range(3)
"""The legs: internet to load balancer, load balancer to app, app to database."""

ELEVEN: tuple[tuple[str, tuple[tuple[int, Kind], ...]], ...] = (
    ("1  public ACL in", ((INTERNET, Kind.ACL_IN), (BALANCER, Kind.REPLY_ACL_IN))),
    ("2  public ACL out", ((INTERNET, Kind.REPLY_ACL_OUT), (BALANCER, Kind.ACL_OUT))),
    ("3  load balancer's groups", ((INTERNET, Kind.INGRESS), (BALANCER, Kind.EGRESS))),
    ("   route to the app", ((BALANCER, Kind.ROUTE),)),
    ("4  app ACL in", ((BALANCER, Kind.ACL_IN),)),
    ("5  app's groups in", ((BALANCER, Kind.INGRESS),)),
    ("   route back", ((BALANCER, Kind.REPLY_ROUTE),)),
    ("6  app ACL out", ((BALANCER, Kind.REPLY_ACL_OUT), (APP, Kind.ACL_OUT))),
    ("7  app ACL in, replies", ((APP, Kind.REPLY_ACL_IN),)),
    ("8  app's groups out", ((APP, Kind.EGRESS),)),
    ("   route to the database", ((APP, Kind.ROUTE),)),
    ("9  database ACL in", ((APP, Kind.ACL_IN),)),
    ("10 database ACL out, replies", ((APP, Kind.REPLY_ACL_OUT),)),
    ("   route back", ((APP, Kind.REPLY_ROUTE),)),
    ("11 database's groups in", ((APP, Kind.INGRESS),)),
)
"""The eleven checkpoints of a three-tier app, and the routes between them."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    outcome: Outcome
    text: str


def rows(ways: Ways, *, whole: bool) -> Iterator[Row]:
    """The table.

    Args:
        whole: from the internet on; otherwise from the app on.
    """
    if not whole:
        for one in ways.way.today.checkpoints:
            yield Row(str(one.kind), one.outcome, f"{one.place}: {one.decided_by}")
        return
    legs = legs_of(ways)
    for name, places in ELEVEN:
        found = [
            c for leg, kind in places for p in legs[leg] for c in p.checkpoints if c.kind is kind
        ]
        if found:
            yield _row(name, found)
    for target in ways.targets:
        outcome = Outcome.PASS if target.state == "healthy" else Outcome.DROP
        reason = f"{target.reason} {target.description}".strip()
        text = f"{target.group.name} says {target.state} {reason}".rstrip()
        yield Row("   target health", outcome, text)


def legs_of(ways: Ways) -> tuple[Sequence[Path], Sequence[Path], Sequence[Path]]:
    """The three legs; before the app there are none without a load balancer."""
    if ways.front is None:
        return (), (), (ways.way.today,)
    return ways.front.from_internet, ways.front.to_app, (ways.way.today,)


def document(ways: Ways) -> dict[str, Any]:
    """The path as it stands in the JSON."""
    way = ways.way
    return {
        "outcome": str(way.today.outcome),
        "line": way.today.line,
        "legs": [_leg(path) for leg in legs_of(ways) for path in leg],
    }


def _row(name: str, found: list[Checkpoint]) -> Row:
    worst = min((c.outcome for c in found), key=WORST_FIRST.index)
    by_place: dict[str, list[str]] = {}
    for one in found:
        words = by_place.setdefault(one.place, [])
        if one.decided_by not in words:
            words.append(one.decided_by)
    return Row(name, worst, " | ".join(f"{p}: {'; '.join(w)}" for p, w in by_place.items()))


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
                "place": c.place,
                "outcome": str(c.outcome),
                "decided_by": c.decided_by,
            }
            for c in path.checkpoints
        ],
    }
