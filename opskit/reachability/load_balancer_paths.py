"""The network paths of a request: from the internet to the load balancer, and from there to the app."""

from __future__ import annotations

from dataclasses import dataclass

from opskit.facts.interface import FactUnavailable
from opskit.facts.load_balancer import LoadBalancer
from opskit.facts.subnets import Subnets
from opskit.reachability.addresses import representatives
from opskit.reachability.database_paths import DatabasePaths, source_of
from opskit.reachability.path import Path, PathEndpoint, PathOutcome, trace
from opskit.workload.interface import Workload

ALL_PORTS = (1024, 65535)
"""The source ports of clients on the internet and of load balancers."""
SAMPLE_CLIENT = "198.51.100.7"
"""A sample client on the internet where no rule names one (TEST-NET-2, RFC 5737)."""


@dataclass(frozen=True, slots=True)
class LoadBalancerPaths:
    """The paths to the load balancer and from it to the app.

    Attributes:
        from_internet: to the load balancer's listeners; empty for an internal one.
        to_app: from each of the load balancer's subnets to the app's port.
    """

    from_internet: tuple[Path, ...]
    to_app: tuple[Path, ...]


def analyze(
    load_balancer: LoadBalancer, app: Workload, subnets: Subnets, paths: DatabasePaths
) -> LoadBalancerPaths:
    """Judge the paths to and from the load balancer.

    Raises:
        FactUnavailable: the load balancer is of a kind that is not modelled.
    """
    if load_balancer.kind != "application":
        # It may preserve the client's address, so that other rules decide.
        raise FactUnavailable(
            f"{load_balancer.name} is a {load_balancer.kind} load balancer, which is not modelled",
            "an application load balancer",
        )
    homes = [s for s in (subnets.get(i) for i in load_balancer.subnet_ids) if s]
    if not homes:
        raise FactUnavailable(
            f"the subnets of {load_balancer.name} are not known", "ec2:DescribeSubnets"
        )
    ends = [
        PathEndpoint(load_balancer.name, _some_address(s.cidr), s, load_balancer.group_ids)
        for s in homes
    ]
    target = source_of(app, subnets, None, "")
    port = load_balancer.target_group.port or 0
    inbound: tuple[Path, ...] = ()
    if not load_balancer.is_internal:
        inbound = tuple(_from_internet(paths, ends[0], p) for p in load_balancer.listener_ports)
    outbound = tuple(trace(paths.network, end, target, port, ALL_PORTS) for end in ends)
    return LoadBalancerPaths(inbound, outbound)


def _from_internet(way: DatabasePaths, load_balancer: PathEndpoint, port: int) -> Path:
    """The path from a client that the rules name, else from the sample client."""
    groups = way.network.groups.ingress_of(load_balancer.group_ids)
    named = [c.split("/")[0] for rule in groups if rule.covers(port) for c in rule.cidrs]
    clients = [SAMPLE_CLIENT if n.startswith("0.") else n for n in named if ":" not in n]
    paths = [
        trace(way.network, PathEndpoint("internet", a, None, ()), load_balancer, port, ALL_PORTS)
        for a in (*clients[:10], SAMPLE_CLIENT)
    ]
    return next((p for p in paths if p.outcome is PathOutcome.PASS), paths[0])


def _some_address(cidr: str) -> str:
    return representatives(cidr, ())[0]
