"""Ranges cut at entries' edges against every port asked by itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from opskit.facts.subnets import AclEntry
from opskit.reachability.network_acl import decide
from tests import builders as b

PEER = "10.0.2.45"
ports = st.tuples(st.integers(0, 40), st.integers(0, 40)).map(sorted).map(tuple)
entries = st.builds(
    AclEntry,
    number=st.integers(1, 300),
    is_egress=st.booleans(),
    allows=st.booleans(),
    protocol=st.sampled_from(["6", "6", "17", "-1"]),
    cidr=st.sampled_from(["10.0.2.0/24", "10.0.2.45/32", "10.0.3.0/24", "0.0.0.0/0", ""]),
    ports=st.one_of(st.none(), ports),
)


def deciding(found: list[AclEntry], port: int) -> AclEntry | None:
    """The plain reading: lowest number first, the first entry that fits decides, else denied."""
    for entry in sorted(found, key=lambda e: e.number):
        if not entry.is_egress and entry.cidr in ("10.0.2.0/24", "10.0.2.45/32", "0.0.0.0/0"):
            low, high = entry.ports or (0, 65535)
            every = entry.protocol == "-1"
            if entry.protocol in ("6", "-1") and (every or low <= port <= high):
                return entry
    return None


@given(st.lists(entries, max_size=8, unique_by=lambda e: (e.number, e.is_egress)), ports)
def test_decide(found: list[AclEntry], asked: tuple[int, int]) -> None:
    acl = b.acl("x", ("s",), *found)
    parts = decide(acl, is_egress=False, peer=PEER, ports=asked)
    by_port = {p: part for part in parts for p in range(part.ports[0], part.ports[1] + 1)}
    assert sorted(by_port) == list(range(asked[0], asked[1] + 1))
    for port, part in by_port.items():
        assert part.entry is deciding(found, port)
        assert part.is_open == (part.entry is not None and part.entry.allows)
