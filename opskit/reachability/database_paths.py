"""The app's network paths to its database: the current one, and those after a move of either end.

The database may move to any subnet of its subnet group, by a failover or when AWS replaces its host.
The app may be started in any of its own subnets.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from opskit.facts.app_subnets import AppSubnets
from opskit.facts.database import Database
from opskit.facts.dns import OperatorDns
from opskit.facts.interface import Fact, FactUnavailable, Known
from opskit.facts.prefix_lists import PrefixLists
from opskit.facts.probe import InstanceProbe
from opskit.facts.routes import RouteTables
from opskit.facts.security_group_rule_ids import RuleIds
from opskit.facts.security_groups import SecurityGroups
from opskit.facts.subnets import NetworkAcls, Subnet, Subnets
from opskit.facts.vpc_scope import Peerings
from opskit.reachability.addresses import PortRange, representatives
from opskit.reachability.path import Network, Path, PathEndpoint, PathOutcome, trace
from opskit.workload.interface import Workload

EPHEMERAL = (32768, 60999)
"""Linux's default, for an instance that did not report net.ipv4.ip_local_port_range."""
MOST_PARTS = 64
"""Parts of a subnet that are tried at most; rules cut a subnet into two or three, not hundreds."""


@dataclass(frozen=True, slots=True)
class AlternativePath:
    """A path other than the current one; `why` says when it would be used."""

    subnet: Subnet
    why: str
    path: Path


@dataclass(frozen=True, slots=True)
class DatabasePaths:
    """The judged paths from the app to its database.

    Attributes:
        current: from the app's interface to the database's present address.
        after_failover: to the other subnets of the database's subnet group.
        from_other_subnets: from the other subnets where the app may run.
        client_ports_known: the instance reported its client ports; otherwise Linux's are assumed.
        workload_noun: with its article, for sentences.
    """

    network: Network
    current: Path
    after_failover: tuple[AlternativePath, ...]
    from_other_subnets: tuple[AlternativePath, ...]
    client_ports_known: bool
    workload_noun: str


def analyze(
    app: Workload,
    database: Database,
    groups: SecurityGroups,
    subnets: Subnets,
    acls: Fact[NetworkAcls],
    tables: Fact[RouteTables],
    peerings: Fact[Peerings],
    lists: Fact[PrefixLists],
    rule_ids: Fact[RuleIds],
    app_subnets: Fact[AppSubnets],
    dns: Fact[OperatorDns],
    probe: Fact[InstanceProbe],
) -> DatabasePaths:
    """Judge all paths; checkpoints whose ACLs, route tables or prefix lists were not read are unknown."""
    network = Network.of_facts(groups, acls, tables, peerings, lists, rule_ids)
    ports = probe.value.result.ephemeral_ports if isinstance(probe, Known) else None
    judge = _PathAnalysis(network, database, ports or EPHEMERAL)
    address, subnet = _today(database, subnets, dns, probe)
    source = source_of(app, subnets, subnet, _local_address(database, probe))
    today = judge.today(source, address, subnet)
    places = [s for s in (subnets.get(d.subnet_id) for d in database.instance.subnets) if s]
    others = app_subnets.value.why_by_id if isinstance(app_subnets, Known) else {}
    homes = [(s, why) for i, why in others.items() if (s := subnets.get(i))]
    return DatabasePaths(
        network,
        today,
        tuple(e for location in places for e in judge.after_move(source, location, today)),
        tuple(e for home, why in homes for e in judge.from_home(source, home, why, today)),
        ports is not None,
        app.kind.definite,
    )


def source_of(
    app: Workload, subnets: Subnets, destination: Subnet | None, local_address: str
) -> PathEndpoint:
    """The interface by which a workload connects to the database.

    This is the interface from which it was observed to connect; else one in the database's own subnet,
    to which it has a direct route; else the primary one, which has the default route.

    Raises:
        FactUnavailable: the workload has no interface with an address in a known subnet.
    """
    interfaces = app.interfaces
    if not interfaces:
        raise FactUnavailable(*app.no_interface)
    observed = [i for i in interfaces if local_address in (i.address, *i.ipv6_addresses)]
    # An interface with IPv6 alone has no address that an empty one, for none observed, may match.
    chosen = observed[0] if local_address and observed else None
    if chosen is None and destination is not None:
        chosen = next((i for i in interfaces if i.subnet_id == destination.subnet_id), None)
    chosen = chosen or interfaces[0]
    subnet = subnets.get(chosen.subnet_id)
    if subnet is None or not chosen.address:
        raise FactUnavailable(f"the subnet of {app.label} is not known", "ec2:DescribeSubnets")
    address = local_address if local_address in chosen.ipv6_addresses else chosen.address
    name = f"{app.name or app.identifier} eth{chosen.index}"
    return PathEndpoint(name, address, subnet, chosen.group_ids)


@dataclass(frozen=True, slots=True)
class _PathAnalysis:
    """Traces paths with the common inputs of one analysis."""

    network: Network
    database: Database
    ports: PortRange

    def today(self, source: PathEndpoint, address: str | None, subnet: Subnet | None) -> Path:
        """The current path; for an unknown address, that to the first open part of the subnet."""
        if subnet is None:
            raise FactUnavailable(
                f"the subnet of {self.database.instance.identifier} is not known",
                "ec2:DescribeSubnets",
            )
        if address is not None:
            return self._trace(source, self._end(address, subnet))
        paths = [self._trace(source, self._end(a, subnet)) for a in self._parts(source, subnet)]
        if not paths:
            raise FactUnavailable(
                f"{subnet.label} has no address that {source.name} can connect to",
                "a look-up there",
            )
        return next((p for p in paths if p.outcome is PathOutcome.PASS), paths[0])

    def after_move(
        self, source: PathEndpoint, location: Subnet, today: Path
    ) -> list[AlternativePath]:
        """The paths to a subnet, one for each part of it that rules treat differently."""
        moved = [self._end(a, location) for a in self._parts(source, location)]
        event = "fails over" if self.database.instance.is_multi_az else "is moved"
        why = f"once {self.database.instance.identifier} {event} to {location.label}"
        if location == today.destination.subnet:
            why = (
                f"once {self.database.instance.identifier} gets another address in {location.label}"
            )
        return [AlternativePath(location, why, self._trace(source, end)) for end in moved]

    def from_home(
        self, source: PathEndpoint, home: Subnet, why: str, today: Path
    ) -> list[AlternativePath]:
        """The paths from another subnet of the app."""
        ends = [
            replace(source, name=f"the app in {home.label}", address=address, subnet=home)
            for address in self._parts(today.destination, home)
        ]
        return [AlternativePath(home, why, self._trace(end, today.destination)) for end in ends]

    def _trace(self, source: PathEndpoint, destination: PathEndpoint) -> Path:
        return trace(self.network, source, destination, self.database.port, self.ports)

    def _end(self, address: str, subnet: Subnet) -> PathEndpoint:
        name = self.database.instance.identifier
        return PathEndpoint(name, address, subnet, self.database.instance.security_group_ids)

    def _parts(self, other: PathEndpoint, subnet: Subnet) -> tuple[str, ...]:
        """One address of each part of a subnet that the rules of this network treat differently."""
        is_ipv6 = ":" in other.address
        cidr = next(iter(subnet.ipv6_cidrs), subnet.cidr) if is_ipv6 else subnet.cidr
        groups = {*other.group_ids, *self.database.instance.security_group_ids}
        cuts = set(rule_ranges(self.network, groups))
        return representatives(cidr, cuts)[:MOST_PARTS] if cidr else ()


def rule_ranges(network: Network, group_ids: Iterable[str]) -> Iterable[str]:
    """Every address range in the rules of both ends' groups, the ACLs and the route tables."""
    for group_id in group_ids:
        group = network.groups.by_id.get(group_id)
        for rule in (*group.ingress, *group.egress) if group else ():
            yield from rule.cidrs
    for cidrs in network.lists.cidrs_of.values():
        yield from cidrs
    for acl in network.acls.all if network.acls else ():
        yield from (e.cidr for e in acl.entries if e.cidr)
    for table in network.tables.all if network.tables else ():
        yield from (
            r.destination
            for r in table.routes
            if r.destination and not r.destination.startswith("pl-")
        )


def _today(
    database: Database, subnets: Subnets, dns: Fact[OperatorDns], probe: Fact[InstanceProbe]
) -> tuple[str | None, Subnet | None]:
    """The database's present address and subnet: by DNS, else by its Availability Zone."""
    addresses: tuple[str, ...] = ()
    if isinstance(probe, Known) and database.host:
        addresses = probe.value.addresses_of(database.host)
    if not addresses and isinstance(dns, Known):
        addresses = dns.value.addresses
    own = {d.subnet_id for d in database.instance.subnets}
    for address in addresses:
        subnet = subnets.of_address(address)
        if subnet is not None and (subnet.subnet_id in own or not own):
            return address, subnet
    places = [s for s in (subnets.get(i) for i in sorted(own)) if s]
    here = [s for s in places if s.zone == database.instance.zone]
    return None, next(iter(here or places), None)


def _local_address(database: Database, probe: Fact[InstanceProbe]) -> str:
    """The address from which the instance was observed to connect; empty when it was not."""
    if not isinstance(probe, Known):
        return ""
    connection = probe.value.connection(database.host, database.port)
    return connection.local_address if connection is not None else ""
