"""The smallest change that opens a checkpoint, as commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from opskit.checks.fix import AwsCall, Fix
from opskit.checks.fix_commands import call
from opskit.facts.routes import RouteTable
from opskit.facts.subnets import NetworkAcl
from opskit.reachability import route
from opskit.reachability.addresses import holds
from opskit.reachability.network_acl import FINAL_DENY
from opskit.reachability.path import Checkpoint, End, Kind, Network, Path
from opskit.reachability.route import Course
from opskit.reachability.way import Way

ADVISED = (1024, 65535)
"""What covers every client: NAT gateways, load balancers and other systems use all of it."""
NO_RANGE = "An address range, or 0.0.0.0/0, is not the fix: it admits more than the app."


def ingress(way: Way, _: Sequence[Checkpoint]) -> Fix | None:
    """A rule of the destination's group that names the source's group."""
    return ingress_of(way.today)


def ingress_of(path: Path) -> Fix | None:
    """The same for any path."""
    own, peers = path.destination.group_ids, path.source.group_ids
    if not own or not peers:
        return None
    asked = {"GroupId": own[0], "IpPermissions": [_rule(path.port, peers[0])]}
    return Fix(
        (call("ec2", "AuthorizeSecurityGroupIngress", **asked),),
        undo=(call("ec2", "RevokeSecurityGroupIngress", **asked),),
        caution=NO_RANGE,
    )


def _rule(port: int, group_id: str) -> dict[str, object]:
    """TCP on one port, for one group as the peer."""
    pairs = [{"GroupId": group_id}]
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "UserIdGroupPairs": pairs}


def egress(way: Way, _: Sequence[Checkpoint]) -> Fix | None:
    """A rule of the source's group that names the destination's group."""
    return egress_of(way.today)


def egress_of(path: Path) -> Fix | None:
    """The same for any path."""
    own, peers = path.source.group_ids, path.destination.group_ids
    if not own or not peers:
        return None
    asked = {"GroupId": own[0], "IpPermissions": [_rule(path.port, peers[0])]}
    return Fix(
        (call("ec2", "AuthorizeSecurityGroupEgress", **asked),),
        undo=(call("ec2", "RevokeSecurityGroupEgress", **asked),),
    )


def entries(way: Way, broken: Sequence[Checkpoint]) -> Fix | None:
    """Allow entries in the ACLs that drop something today."""
    return entries_of(way.network, way.today, broken)


def entries_of(network: Network, path: Path, broken: Sequence[Checkpoint]) -> Fix | None:
    """An allow entry for each checkpoint, numbered before the entry that decides there."""
    acls = network.acls.all if network.acls else ()
    commands: list[AwsCall] = []
    for one in broken:
        acl = next((a for a in acls if a.acl_id in one.ids), None)
        if acl is not None:
            commands += _allow(acl, one, path)
    if not commands:
        return None
    return Fix(tuple(commands))


def living_route(way: Way, broken: Sequence[Checkpoint]) -> Fix | None:
    """Take a dead route away where the next best leads there, else point it to the peering."""
    one = broken[0]
    here, there = _ends(way.today, one)
    table = _table(way.network, one.ids[0])
    if one.route is None or one.route.route is None or table is None:
        return None
    dead = one.route.route
    rest = replace(table, routes=tuple(r for r in table.routes if r != dead))
    said = route.decide(
        rest,
        there.address,
        from_vpc=here.subnet.vpc_id if here.subnet else "",
        to_vpc=there.subnet.vpc_id if there.subnet else "",
        peerings=way.network.peerings,
        lists=way.network.lists.cidrs_of,
    )
    if said.course is Course.ARRIVES:
        why = f"{said.words} then decides"
        return Fix(
            (call("ec2", "DeleteRoute", RouteTableId=table.table_id, **_to(dead.destination)),),
            no_undo="a route cannot be made to a target that is gone",
            caution=f"{why[0].upper()}{why[1:]}.",
        )
    return _peer_route(way, one, table)


def missing_route(way: Way, broken: Sequence[Checkpoint]) -> Fix | None:
    """A route over the peering connection of the two VPCs."""
    table = _table(way.network, broken[0].ids[0])
    return _peer_route(way, broken[0], table) if table else None


def own_table(_: Way, broken: Sequence[Checkpoint]) -> Fix | None:
    """Give the subnet the table that leads there."""
    better, subnet = broken[0].ids[1:]
    return Fix(
        (call("ec2", "AssociateRouteTable", RouteTableId=better, SubnetId=subnet),),
        no_undo="the id of the association is known only afterwards: ec2:DescribeRouteTables names it",
        caution=f"All of the subnet's traffic follows {better} then; compare the two tables first.",
    )


def _allow(acl: NetworkAcl, one: Checkpoint, path: Path) -> list[AwsCall]:
    is_out = one.kind in (Kind.ACL_OUT, Kind.REPLY_ACL_OUT)
    is_reply = one.kind in (Kind.REPLY_ACL_OUT, Kind.REPLY_ACL_IN)
    # Out of the source's subnet and back into it the peer is the database, else the app.
    peer = path.destination if is_out is not is_reply else path.source
    first, last = ADVISED if is_reply else (path.port, path.port)
    used = {e.number: e for e in acl.entries if e.is_egress == is_out and e.number < FINAL_DENY}
    deciding = [p.entry.number for p in one.dropped if p.entry and p.entry.number < FINAL_DENY]
    common: dict[str, object] = {"NetworkAclId": acl.acl_id, "Egress": is_out}
    allow: dict[str, object] = {
        "Protocol": "6",
        "PortRange": {"From": first, "To": last},
        **_cidr(peer),
        "RuleAction": "allow",
    }
    if not deciding:
        number = min(FINAL_DENY - 1, max(used, default=90) + 10)
        return [call("ec2", "CreateNetworkAclEntry", **common, RuleNumber=number, **allow)]
    lowest = min(deciding)
    free = next((n for n in range(lowest - 1, 0, -1) if n not in used), None)
    if free is not None:
        return [call("ec2", "CreateNetworkAclEntry", **common, RuleNumber=free, **allow)]
    return _make_room(acl, lowest, used, common, allow)


def _make_room(
    acl: NetworkAcl,
    lowest: int,
    used: Mapping[int, object],
    common: dict[str, object],
    allow: dict[str, object],
) -> list[AwsCall]:
    """Write the deny once more under the next free number, then put the allow in its place."""
    direction = common["Egress"]
    deny = next(e for e in acl.entries if e.number == lowest and e.is_egress == direction)
    after = next(n for n in range(lowest + 1, FINAL_DENY) if n not in used)
    ports = (
        {} if deny.ports is None else {"PortRange": {"From": deny.ports[0], "To": deny.ports[1]}}
    )
    option = "Ipv6CidrBlock" if ":" in deny.cidr else "CidrBlock"
    again = {"Protocol": deny.protocol, **ports, option: deny.cidr, "RuleAction": "deny"}
    return [
        call("ec2", "CreateNetworkAclEntry", **common, RuleNumber=after, **again),
        call("ec2", "ReplaceNetworkAclEntry", **common, RuleNumber=lowest, **allow),
    ]


def _cidr(peer: End) -> dict[str, object]:
    """The peer's whole subnet: its interface may get another address in it."""
    if peer.subnet is None:
        return {"CidrBlock": f"{peer.address}/32"}
    if ":" in peer.address:
        return {"Ipv6CidrBlock": next(iter(peer.subnet.ipv6_cidrs), f"{peer.address}/128")}
    return {"CidrBlock": peer.subnet.cidr}


def _ends(path: Path, one: Checkpoint) -> tuple[End, End]:
    """From where to where the packets of a checkpoint travel."""
    if one.kind is Kind.REPLY_ROUTE:
        return path.destination, path.source
    return path.source, path.destination


def _table(network: Network, table_id: str) -> RouteTable | None:
    tables = network.tables.all if network.tables else ()
    return next((t for t in tables if t.table_id == table_id), None)


def _peer_route(way: Way, one: Checkpoint, table: RouteTable) -> Fix | None:
    here, there = _ends(way.today, one)
    peerings = way.network.peerings
    if here.subnet is None or there.subnet is None or peerings is None:
        return None
    peering = peerings.between(here.subnet.vpc_id, there.subnet.vpc_id)
    if peering is None or peering.status != "active":
        return None
    ranges = peering.ranges_of(there.subnet.vpc_id) or (there.subnet.cidr,)
    wanted = next((c for c in ranges if holds(c, there.address)), there.subnet.cidr)
    taken = any(r.destination == wanted for r in table.routes)
    asked = {
        "RouteTableId": table.table_id,
        **_to(wanted),
        "VpcPeeringConnectionId": peering.peering_id,
    }
    if taken:
        return Fix(
            (call("ec2", "ReplaceRoute", **asked),),
            no_undo="the route led nowhere",
        )
    undo = call("ec2", "DeleteRoute", RouteTableId=table.table_id, **_to(wanted))
    return Fix((call("ec2", "CreateRoute", **asked),), undo=(undo,))


def _to(destination: str) -> dict[str, object]:
    if destination.startswith("pl-"):
        return {"DestinationPrefixListId": destination}
    if ":" in destination:
        return {"DestinationIpv6CidrBlock": destination}
    return {"DestinationCidrBlock": destination}
