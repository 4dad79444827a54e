"""Ranges cut at entries' edges against every port asked by itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from opskit.facts.subnets import AclEntry
from opskit.reachability.network_acl import first_drop
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


def passes(found: list[AclEntry], port: int) -> bool:
    """The plain reading: lowest number first, the first entry that fits decides, else denied."""
    for entry in sorted(found, key=lambda e: e.number):
        if not entry.is_egress and entry.cidr in ("10.0.2.0/24", "10.0.2.45/32", "0.0.0.0/0"):
            every = entry.protocol == "-1" or entry.ports is None
            if entry.protocol in ("6", "-1") and (
                every or entry.ports[0] <= port <= entry.ports[1]
            ):  # type: ignore[index]
                return entry.allows
    return False


@given(st.lists(entries, max_size=8, unique_by=lambda e: (e.number, e.is_egress)), ports)
def test_first_drop(found: list[AclEntry], asked: tuple[int, int]) -> None:
    acl = b.acl("x", ("s",), *found)
    drop = first_drop(acl, is_egress=False, peer=PEER, first_port=asked[0], last_port=asked[1])
    truth = [passes(found, port) for port in range(asked[0], asked[1] + 1)]
    if drop is None:
        assert all(truth)
        return
    first, last = drop.ports
    assert first == asked[0] + truth.index(False)
    assert not any(passes(found, port) for port in range(first, last + 1))
    assert drop.is_partial == any(truth)
