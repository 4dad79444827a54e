"""The app's network paths to the APIs of AWS that the agent of Systems Manager needs.

Sources: Amazon VPC User Guide, internet gateways, NAT gateways; AWS PrivateLink Guide, access AWS services
through interface endpoints, private DNS; Systems Manager User Guide, create VPC endpoints.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from opskit.facts.identity import Identity
from opskit.facts.interface import Fact, Known, Unknown
from opskit.facts.prefix_lists import PrefixLists
from opskit.facts.private_zones import PrivateZones
from opskit.facts.region import Region
from opskit.facts.routes import LOCAL, Route, RouteTable, RouteTables
from opskit.facts.security_groups import EVERYBODY, SecurityGroups
from opskit.facts.subnets import NetworkAcls, Subnets
from opskit.facts.vpc import Vpc, VpcDns
from opskit.facts.vpc_endpoints import AVAILABLE, VpcEndpoint, VpcEndpoints
from opskit.facts.vpc_scope import Peerings
from opskit.policy.endpoint_policy import denies
from opskit.reachability.addresses import representatives
from opskit.reachability.database_paths import MOST_PARTS, rule_ranges, source_of
from opskit.reachability.load_balancer_paths import ALL_PORTS, SAMPLE_CLIENT
from opskit.reachability.path import Network, Path, PathEndpoint, PathOutcome, trace
from opskit.workload.interface import Workload

HTTPS = 443
AGENT_ACTIONS: Mapping[str, str] = {
    "ssm": "ssm:UpdateInstanceInformation",
    "ssmmessages": "ssmmessages:OpenControlChannel",
}
"""Service that the agent needs -> the action without which it is not connected.

Agents before 3.3.40.0 use ec2messages too, but fall back to it only (amazon-ssm-agent, RELEASENOTES.md).
"""


class ApiReason(Enum):
    """The reason why an API is not reached."""

    NO_WAY = auto()
    BLACKHOLE = auto()
    NO_PUBLIC_ADDRESS = auto()
    PRIVATE_DNS_OFF = auto()
    RULES = auto()
    POLICY = auto()
    ENDPOINT_STATE = auto()


@dataclass(frozen=True, slots=True)
class ApiPath:
    """The way to one API.

    Attributes:
        detail: what decides, as a clause.
        reason: why it is not reached; None where it is, or where that is not known.
        missing: the permission that would make an unknown way known; empty where none would.
        endpoint: the endpoint that takes the packets, or that would with private DNS.
        path: the path whose rules drop the connection.
    """

    service: str
    outcome: PathOutcome
    detail: str
    reason: ApiReason | None = None
    missing: str = ""
    endpoint: VpcEndpoint | None = None
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class ApiPaths:
    """The way to every API that the app's agent needs; `network` holds the rules that decide."""

    network: Network
    all: tuple[ApiPath, ...]

    @property
    def dropped(self) -> tuple[ApiPath, ...]:
        """The ways that end nowhere."""
        return tuple(p for p in self.all if p.outcome is PathOutcome.DROP)


def analyze(
    app: Workload,
    region: Region,
    identity: Fact[Identity],
    groups: SecurityGroups,
    subnets: Subnets,
    endpoints: Fact[VpcEndpoints],
    acls: Fact[NetworkAcls],
    tables: Fact[RouteTables],
    peerings: Fact[Peerings],
    lists: Fact[PrefixLists],
    vpc: Fact[Vpc],
    vpc_dns: Fact[VpcDns],
    zones: Fact[PrivateZones],
) -> ApiPaths:
    """Judge the way to each API, by the rules and routes alone."""
    network = Network.of_facts(groups, acls, tables, peerings, lists)
    services = list(AGENT_ACTIONS) if app.managed_node_id else ["ssmmessages"]
    if isinstance(endpoints, Unknown):
        unread = (
            ApiPath(s, PathOutcome.UNKNOWN, endpoints.reason, missing="ec2:DescribeVpcEndpoints")
            for s in services
        )
        return ApiPaths(network, tuple(unread))
    is_own_vpc = isinstance(vpc, Known) and vpc.value.vpc_id == app.vpc_id
    analysis = _ApiAnalysis(
        app,
        region.name,
        identity.value.account if isinstance(identity, Known) else "",
        network,
        subnets,
        endpoints.value,
        source_of(app, subnets, None, ""),
        vpc_dns.value if is_own_vpc and isinstance(vpc_dns, Known) else None,
        zones.value.names if is_own_vpc and isinstance(zones, Known) else None,
    )
    return ApiPaths(network, tuple(analysis.judge(service) for service in services))


@dataclass(frozen=True, slots=True)
class _ApiAnalysis:
    """The common inputs of the ways; `dns` and `zones` are None where they are not known."""

    app: Workload
    region: str
    account: str
    network: Network
    subnets: Subnets
    endpoints: VpcEndpoints
    source: PathEndpoint
    dns: VpcDns | None
    zones: tuple[str, ...] | None

    def judge(self, service: str) -> ApiPath:
        """The way to a service: the endpoint to which its name resolves, else the internet."""
        own = self.endpoints.of(self.app.vpc_id, service)
        private = next((e for e in own if e.has_private_dns), None)
        if private is not None:
            by_endpoint = self._by_endpoint(service, private)
            if self.dns is not None and self.dns.is_supported and self.dns.gives_hostnames:
                return by_endpoint
            # Without both DNS attributes the name may resolve to public addresses.
            public = self._public(service)
            if by_endpoint.outcome is public.outcome:
                return by_endpoint
            return _unknown(service, "whether its name resolves to the endpoint is not known")
        public = self._public(service)
        if not own or public.outcome is not PathOutcome.DROP:
            return public
        if self.zones is None:
            text = f"whether a private zone leads its name to {own[0].label} is not known"
            return _unknown(service, text, "route53:ListHostedZonesByVPC")
        host = f"{service}.{self.region}.amazonaws.com"
        if any(f".{host}".endswith(f".{zone}") for zone in self.zones):
            return _unknown(service, f"a private zone answers for {host}")
        detail = f"{own[0].label} has no private DNS, so {host} is not it, and {public.detail}"
        return ApiPath(
            service, PathOutcome.DROP, detail, ApiReason.PRIVATE_DNS_OFF, endpoint=own[0]
        )

    def _by_endpoint(self, service: str, endpoint: VpcEndpoint) -> ApiPath:
        if endpoint.state != AVAILABLE:
            detail = f"{endpoint.label} is {endpoint.state or 'in no known state'}"
            is_known = bool(endpoint.state) and endpoint.state != "partial"
            outcome = PathOutcome.DROP if is_known else PathOutcome.UNKNOWN
            return ApiPath(service, outcome, detail, ApiReason.ENDPOINT_STATE, endpoint=endpoint)
        homes = [s for s in (self.subnets.get(i) for i in endpoint.subnet_ids) if s]
        if len(homes) < len(endpoint.subnet_ids) or not homes:
            return _unknown(service, f"the subnets of {endpoint.label} are not known")
        cuts = set(rule_ranges(self.network, {*self.source.group_ids, *endpoint.group_ids}))
        name = f"{endpoint.name or endpoint.endpoint_id} ({service})"
        paths = [
            trace(
                self.network,
                self.source,
                PathEndpoint(name, address, home, endpoint.group_ids),
                HTTPS,
                ALL_PORTS,
            )
            for home in homes
            for address in representatives(home.cidr, cuts)[:MOST_PARTS]
        ]
        outcomes = {p.outcome for p in paths}
        if outcomes == {PathOutcome.DROP}:
            first = paths[0]
            where = first.broken[0]
            detail = f"at {where.location} {where.decided_by}"
            return ApiPath(
                service, PathOutcome.DROP, detail, ApiReason.RULES, endpoint=endpoint, path=first
            )
        if outcomes != {PathOutcome.PASS}:
            return _unknown(service, f"not every rule on the way to {endpoint.label} is known")
        return self._by_policy(service, endpoint)

    def _by_policy(self, service: str, endpoint: VpcEndpoint) -> ApiPath:
        action = AGENT_ACTIONS[service]
        resource = (
            f"arn:aws:ec2:{self.region}:{self.account}:instance/{self.app.identifier}"
            if service == "ssm"
            else "*"
        )
        if endpoint.policy and denies(endpoint.policy, action, resource):
            detail = f"the policy of {endpoint.label} does not allow {action}"
            return ApiPath(service, PathOutcome.DROP, detail, ApiReason.POLICY, endpoint=endpoint)
        return ApiPath(service, PathOutcome.PASS, f"by {endpoint.label}", endpoint=endpoint)

    def _public(self, service: str) -> ApiPath:
        """The way to the service's public addresses."""
        subnet, tables = self.source.subnet, self.network.tables
        table = tables.of_subnet(subnet.subnet_id, subnet.vpc_id) if tables and subnet else None
        if subnet is None or table is None:
            text = self.network.tables_unread or "the app's route table is not known"
            return _unknown(service, text, "ec2:DescribeRouteTables")
        none = f"{self.app.vpc_id} has no interface endpoint for {service}"
        default = next((r for r in table.routes if r.destination == EVERYBODY), None)
        if _leads_elsewhere(table):
            return _unknown(service, f"{table.label} has routes that may lead to it")
        if default is None:
            detail = f"{none}, and {table.label} of {subnet.label} has no default route"
            return ApiPath(service, PathOutcome.DROP, detail, ApiReason.NO_WAY)
        if default.state == "blackhole":
            detail = (
                f"{none}, and the default route of {table.label} is a black hole ({default.target})"
            )
            return ApiPath(service, PathOutcome.DROP, detail, ApiReason.BLACKHOLE)
        if default.target.startswith("igw-") and self.app.public_address == "":
            detail = (
                f"{none}, {self.app.label} leaves by {default.target} and has no public address"
            )
            return ApiPath(service, PathOutcome.DROP, detail, ApiReason.NO_PUBLIC_ADDRESS)
        return self._public_rules(service, default)

    def _public_rules(self, service: str, default: Route) -> ApiPath:
        """The app's own groups and ACL; the rest of a way to the internet is not modelled."""
        internet = PathEndpoint(f"the internet ({service})", SAMPLE_CLIENT, None, ())
        path = trace(self.network, self.source, internet, HTTPS, ALL_PORTS)
        unread = any(g not in self.network.groups.by_id for g in self.source.group_ids)
        if path.outcome is PathOutcome.DROP and not unread and not self._singles_out():
            where = path.broken[0]
            detail = f"at {where.location} {where.decided_by}"
            return ApiPath(service, PathOutcome.DROP, detail, ApiReason.RULES, path=path)
        return _unknown(service, f"it leaves by {default.target}, behind which nothing is judged")

    def _singles_out(self) -> bool:
        """Whether the app's rules treat some public addresses differently from others."""
        groups = [self.network.groups.by_id[g] for g in self.source.group_ids]
        egress = [rule for group in groups for rule in group.egress if rule.covers(HTTPS)]
        ranges = [cidr for rule in egress for cidr in rule.cidrs]
        subnet = self.source.subnet
        acl = (
            self.network.acls.of_subnet(subnet.subnet_id) if self.network.acls and subnet else None
        )
        ranges += [entry.cidr for entry in acl.entries] if acl else []
        has_lists = any(rule.prefix_list_ids for rule in egress)
        return has_lists or any(_is_public(cidr) and cidr != EVERYBODY for cidr in ranges)


def _unknown(service: str, detail: str, missing: str = "") -> ApiPath:
    return ApiPath(service, PathOutcome.UNKNOWN, detail, missing=missing)


def _leads_elsewhere(table: RouteTable) -> bool:
    """Whether a route besides the default one may lead to a public address, or to another VPC's endpoint."""
    return any(
        r.destination != EVERYBODY
        and r.target != LOCAL
        and ":" not in r.destination
        and not r.target.startswith("vpce-")
        for r in table.routes
    )


def _is_public(cidr: str) -> bool:
    network = ipaddress.ip_network(cidr, strict=False)
    return network.version == 4 and not network.is_private
