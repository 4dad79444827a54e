"""Effects of calls that change network ACLs, route tables, and a VPC's DNS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from opskit.checks.fix_effects.state import CallRejected, Effects, State
from opskit.facts.private_zones import PrivateZones
from opskit.facts.routes import Route, RouteTable, RouteTables
from opskit.facts.subnets import AclEntry, NetworkAcl, NetworkAcls
from opskit.facts.vpc import VpcDns
from opskit.facts.vpc_endpoints import AVAILABLE, INTERFACE, VpcEndpoint, VpcEndpoints


def _change_entry(state: State, arguments: Mapping[str, Any], *, must_exist: bool) -> None:
    acls: NetworkAcls = state.value(NetworkAcls)
    acl = _acl(acls, arguments["NetworkAclId"])
    number, is_egress = int(arguments["RuleNumber"]), bool(arguments["Egress"])
    others = tuple(e for e in acl.entries if (e.number, e.is_egress) != (number, is_egress))
    if (len(others) < len(acl.entries)) is not must_exist:
        exists = "no entry" if must_exist else "an entry"
        raise CallRejected(f"{acl.label} has {exists} {number}")
    entries: tuple[AclEntry, ...] = others
    if "RuleAction" in arguments:
        ports = arguments.get("PortRange")
        entry = AclEntry(
            number,
            is_egress,
            arguments["RuleAction"] == "allow",
            str(arguments["Protocol"]),
            arguments.get("CidrBlock") or arguments["Ipv6CidrBlock"],
            (ports["From"], ports["To"]) if ports else None,
        )
        entries = tuple(sorted((*others, entry), key=lambda e: e.number))
    changed = replace(acl, entries=entries)
    state.set(NetworkAcls(tuple(changed if a is acl else a for a in acls.all)))


def _acl(acls: NetworkAcls, acl_id: str) -> NetworkAcl:
    acl = next((a for a in acls.all if a.acl_id == acl_id), None)
    if acl is None:
        raise CallRejected(f"network ACL {acl_id} was not read")
    return acl


def _create_entry(state: State, arguments: Mapping[str, Any]) -> None:
    _change_entry(state, arguments, must_exist=False)


def _replace_entry(state: State, arguments: Mapping[str, Any]) -> None:
    _change_entry(state, arguments, must_exist=True)


def _destination(arguments: Mapping[str, Any]) -> str:
    names = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")
    return str(next(arguments[name] for name in names if name in arguments))


def _change_routes(
    state: State, arguments: Mapping[str, Any], *, must_exist: bool, target: str
) -> None:
    tables: RouteTables = state.value(RouteTables)
    table = _table(tables, arguments["RouteTableId"])
    destination = _destination(arguments)
    # A propagated route exists beside a static one.
    others = tuple(r for r in table.routes if r.destination != destination or r.is_propagated)
    if (len(others) < len(table.routes)) is not must_exist:
        exists = "no route" if must_exist else "a route"
        raise CallRejected(f"{table.label} has {exists} to {destination}")
    added = (Route(destination, target, "active", False),) if target else ()
    changed = replace(table, routes=(*others, *added))
    state.set(RouteTables(tuple(changed if t is table else t for t in tables.all)))


def _table(tables: RouteTables, table_id: str) -> RouteTable:
    table = next((t for t in tables.all if t.table_id == table_id), None)
    if table is None:
        raise CallRejected(f"route table {table_id} was not read")
    return table


def _create_route(state: State, arguments: Mapping[str, Any]) -> None:
    _change_routes(state, arguments, must_exist=False, target=arguments["VpcPeeringConnectionId"])


def _replace_route(state: State, arguments: Mapping[str, Any]) -> None:
    _change_routes(state, arguments, must_exist=True, target=arguments["VpcPeeringConnectionId"])


def _delete_route(state: State, arguments: Mapping[str, Any]) -> None:
    _change_routes(state, arguments, must_exist=True, target="")


def _associate_table(state: State, arguments: Mapping[str, Any]) -> None:
    tables: RouteTables = state.value(RouteTables)
    table, subnet = _table(tables, arguments["RouteTableId"]), arguments["SubnetId"]
    if any(subnet in t.subnet_ids for t in tables.all):
        raise CallRejected(f"{subnet} has a route table of its own")
    changed = replace(table, subnet_ids=(*table.subnet_ids, subnet))
    state.set(RouteTables(tuple(changed if t is table else t for t in tables.all)))


def _modify_vpc(state: State, arguments: Mapping[str, Any]) -> None:
    dns: VpcDns = state.value(VpcDns)
    if "EnableDnsHostnames" in arguments:
        dns = replace(dns, gives_hostnames=arguments["EnableDnsHostnames"]["Value"])
    if "EnableDnsSupport" in arguments:
        dns = replace(dns, is_supported=arguments["EnableDnsSupport"]["Value"])
    state.set(dns)


def _take_zone_away(state: State, arguments: Mapping[str, Any]) -> None:
    zones: PrivateZones = state.value(PrivateZones)
    zone_id = arguments.get("HostedZoneId") or arguments["Id"]
    state.set(replace(zones, covering=tuple(z for z in zones.covering if z.zone_id != zone_id)))


def _bring_zone_back(state: State, arguments: Mapping[str, Any]) -> None:
    """Restore the zone that a fix disassociated, the only one that is known."""
    zones: PrivateZones = state.value(PrivateZones)
    before = state.origin.value(PrivateZones) if state.origin else None
    back = [z for z in before.covering if z.zone_id == arguments["HostedZoneId"]] if before else []
    if not back:
        raise CallRejected(f"zone {arguments['HostedZoneId']} was not read")
    state.set(replace(zones, covering=(*back, *zones.covering)))


def _modify_endpoint(state: State, arguments: Mapping[str, Any]) -> None:
    """Switch an endpoint's private DNS; AWS needs both DNS attributes of the VPC for it."""
    endpoints: VpcEndpoints = state.value(VpcEndpoints)
    wanted = arguments["PrivateDnsEnabled"]
    dns: VpcDns = state.value(VpcDns)
    if wanted and not (dns.is_supported and dns.gives_hostnames):
        raise CallRejected("private DNS needs enableDnsSupport and enableDnsHostnames of the VPC")
    changed = [e for e in endpoints.all if e.endpoint_id == arguments["VpcEndpointId"]]
    if len(changed) != 1:
        raise CallRejected(f"{arguments['VpcEndpointId']} was not read")
    others = endpoints.of(changed[0].vpc_id, changed[0].service.rsplit(".", 1)[-1])
    if wanted and any(e.has_private_dns for e in others if e is not changed[0]):
        raise CallRejected("another endpoint of the VPC has private DNS for this service")
    rows = (replace(e, has_private_dns=wanted) if e is changed[0] else e for e in endpoints.all)
    state.set(VpcEndpoints(tuple(rows)))


def _create_endpoint(state: State, arguments: Mapping[str, Any]) -> None:
    endpoints: VpcEndpoints = state.value(VpcEndpoints)
    service = arguments["ServiceName"]
    endpoint = VpcEndpoint(
        "the new endpoint",
        "",
        service,
        INTERFACE,
        AVAILABLE,
        arguments["VpcId"],
        tuple(arguments["SubnetIds"]),
        tuple(arguments["SecurityGroupIds"]),
        arguments["PrivateDnsEnabled"],
        {},
    )
    state.set(VpcEndpoints((*endpoints.all, endpoint)))


EFFECTS: Effects = {
    ("ec2", "CreateVpcEndpoint"): _create_endpoint,
    ("ec2", "ModifyVpcEndpoint"): _modify_endpoint,
    ("ec2", "AssociateRouteTable"): _associate_table,
    ("ec2", "CreateNetworkAclEntry"): _create_entry,
    ("ec2", "CreateRoute"): _create_route,
    ("ec2", "DeleteNetworkAclEntry"): _replace_entry,
    ("ec2", "DeleteRoute"): _delete_route,
    ("ec2", "ModifyVpcAttribute"): _modify_vpc,
    ("ec2", "ReplaceNetworkAclEntry"): _replace_entry,
    ("ec2", "ReplaceRoute"): _replace_route,
    ("route53", "DeleteHostedZone"): _take_zone_away,
    ("route53", "DisassociateVPCFromHostedZone"): _take_zone_away,
    ("route53", "AssociateVPCWithHostedZone"): _bring_zone_back,
}
