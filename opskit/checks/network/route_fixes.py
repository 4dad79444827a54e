"""Plans route changes that lead a path to the other end, and lists every redirected destination."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from opskit.checks.fix import Advice, Fix, Remedy
from opskit.checks.fix_commands import call
from opskit.checks.fix_effects import apply_to
from opskit.checks.network.acl_fixes import range_of
from opskit.commands import AwsCall
from opskit.facts.routes import LOCAL, Route, RouteTable, RouteTables
from opskit.facts.vpc_scope import Peering
from opskit.reachability import route
from opskit.reachability.addresses import contains, holds, span
from opskit.reachability.difference import RouteChange, route_changes
from opskit.reachability.path import Checkpoint, CheckpointKind, Network, Path, PathEndpoint, Reason
from opskit.reachability.route import RouteResult

NO_ROUTE_UNDO = "a route cannot be made to a target that is gone"
DEAD_ENDS = ("no route", "black hole", "igw-", "eigw-")
"""Next hops that deliver no packet to a private address."""
NO_ASSOCIATION_UNDO = (
    "the id of the association is known only afterwards: ec2:DescribeRouteTables names it"
)


def lead(network: Network, path: Path, broken: Checkpoint) -> Remedy:
    """The route change that leads packets of a checkpoint to the other end."""
    table = _table(network, broken.ids[0])
    if table is None:
        return Advice(f"No command is offered: {broken.location} was not read.")
    if broken.reason is Reason.MAIN_TABLE:
        return _own_table(network, table, broken)
    here, destination = _ends(path, broken)
    dead = broken.route.route if broken.route else None
    if broken.reason is Reason.BLACKHOLE and dead is not None:
        fix = _without_dead(network, table, dead, here, destination)
        if fix is not None:
            return fix
    return _over_peering(network, table, broken, here, destination)


def _table(network: Network, table_id: str) -> RouteTable | None:
    tables = network.tables.all if network.tables else ()
    return next((t for t in tables if t.table_id == table_id), None)


def _ends(path: Path, broken: Checkpoint) -> tuple[PathEndpoint, PathEndpoint]:
    """The source and destination of a checkpoint's packets."""
    if broken.kind is CheckpointKind.REPLY_ROUTE:
        return path.destination, path.source
    return path.source, path.destination


def _own_table(network: Network, main: RouteTable, broken: Checkpoint) -> Fix:
    """Associate the subnet with the table that leads to the other end."""
    better, subnet = broken.ids[1:]
    table = _table(network, better)
    changes = route_changes(main, table, network.lists.cidrs_of) if table else ()
    return Fix(
        (call("ec2", "AssociateRouteTable", RouteTableId=better, SubnetId=subnet),),
        no_undo=NO_ASSOCIATION_UNDO,
        caution=f"All traffic of {subnet} follows {better} then. {_listed(changes)}",
    )


def _listed(changes: tuple[RouteChange, ...]) -> str:
    """Every destination whose next hop changes, as one sentence."""
    return f"Destinations with another next hop: {'; '.join(c.text for c in changes)}."


def _caution(table: RouteTable, here: PathEndpoint, changes: tuple[RouteChange, ...]) -> str:
    """The changed destinations, and the other subnets whose packets follow the table."""
    own = here.subnet.subnet_id if here.subnet else ""
    others = [s for s in table.subnet_ids if s != own]
    if table.is_main:
        others.append(f"every subnet of {table.vpc_id} without a table of its own")
    applies = f" {table.label} applies to {', '.join(others)} too." if others else ""
    return _listed(changes) + applies


def _without_dead(
    network: Network, table: RouteTable, dead: Route, here: PathEndpoint, destination: PathEndpoint
) -> Fix | None:
    """Delete a dead route, if the other routes lead to the end once all dead ones are deleted."""
    rest = replace(table, routes=tuple(r for r in table.routes if r.state != "blackhole"))
    if (
        dead.state != "blackhole"
        or dead.is_propagated
        or not _arrives(network, rest, here, destination)
    ):
        return None
    command = call("ec2", "DeleteRoute", RouteTableId=table.table_id, **_to(dead.destination))
    changes = route_changes(table, _after(table, command), network.lists.cidrs_of)
    return Fix(
        (command,),
        no_undo=NO_ROUTE_UNDO,
        caution=_caution(table, here, changes),
    )


def _arrives(
    network: Network, table: RouteTable, here: PathEndpoint, destination: PathEndpoint
) -> bool:
    decision = route.decide(
        table,
        destination.address,
        from_vpc=here.subnet.vpc_id if here.subnet else "",
        to_vpc=destination.subnet.vpc_id if destination.subnet else "",
        peerings=network.peerings,
        lists=network.lists.cidrs_of,
    )
    return decision.result is RouteResult.ARRIVES


def _after(table: RouteTable, command: AwsCall) -> RouteTable:
    changed: RouteTables = apply_to([RouteTables((table,))], [command])[RouteTables]
    return changed.all[0]


def _over_peering(
    network: Network,
    table: RouteTable,
    broken: Checkpoint,
    here: PathEndpoint,
    other_end: PathEndpoint,
) -> Remedy:
    """Add a route over the VPCs' peering connection, as wide as possible without replacing a live route."""
    peering = _peering(network, here, other_end)
    if peering is None or other_end.subnet is None:
        return _no_peering(table, broken, here, other_end)
    ranges = peering.ranges_of(other_end.subnet.vpc_id)
    whole = next((c for c in ranges if holds(c, other_end.address)), "")
    present = broken.route.route if broken.route else None
    wanted, same = range_of(other_end), present.destination if present else ""
    candidates = (whole, wanted, "" if same.startswith("pl-") else same)
    for destination in dict.fromkeys(c for c in candidates if c):
        fix = _peer_route(table, destination, peering.peering_id)
        after = _after(table, next(c for c in fix.commands if isinstance(c, AwsCall)))
        changes = route_changes(table, after, network.lists.cidrs_of)
        if _arrives(network, after, here, other_end) and _spares_living(changes, wanted):
            return replace(fix, caution=_caution(table, here, changes))
    return Advice(
        f"No command is offered: a route to {peering.peering_id} for {wanted} would not decide in "
        f"{table.label}, or would take other packets from a living route. Compare them with its owner."
    )


def _peering(network: Network, here: PathEndpoint, destination: PathEndpoint) -> Peering | None:
    """The active peering connection between the VPCs of two ends."""
    if network.peerings is None or here.subnet is None or destination.subnet is None:
        return None
    peering = network.peerings.between(here.subnet.vpc_id, destination.subnet.vpc_id)
    return peering if peering is not None and peering.status == "active" else None


def _peer_route(table: RouteTable, destination: str, peering_id: str) -> Fix:
    location = {"RouteTableId": table.table_id, **_to(destination)}
    to_peering = {**location, "VpcPeeringConnectionId": peering_id}
    present = next(
        (r for r in table.routes if r.destination == destination and not r.is_propagated), None
    )
    if present is None:
        undo = call("ec2", "DeleteRoute", **location)
        return Fix((call("ec2", "CreateRoute", **to_peering),), undo=(undo,))
    replaced = (call("ec2", "ReplaceRoute", **to_peering),)
    if present.state == "blackhole":
        return Fix(replaced, no_undo="the route led nowhere")
    if present.target.startswith("pcx-"):
        old = {**location, "VpcPeeringConnectionId": present.target}
        return Fix(replaced, undo=(call("ec2", "ReplaceRoute", **old),))
    return Fix(
        replaced, no_undo=f"the route led to {present.target}, which is to be written by hand"
    )


def _spares_living(changes: tuple[RouteChange, ...], wanted: str) -> bool:
    """Whether no destination except the wanted one loses a live next hop."""
    others = [c for c in changes if not all(contains(span(wanted), span(r)) for r in c.ranges)]
    return all(c.old.startswith(DEAD_ENDS) for c in others) and not any(
        c.old == LOCAL for c in changes
    )


def _no_peering(
    table: RouteTable, broken: Checkpoint, here: PathEndpoint, destination: PathEndpoint
) -> Advice:
    own_vpc, other_vpc = (e.subnet.vpc_id if e.subnet else e.name for e in (here, destination))
    if own_vpc != other_vpc:
        return Advice(
            f"No command is offered: no active peering connection joins {own_vpc} and {other_vpc}. "
            "Connect them "
            f"first, then give {table.label} a route to {range_of(destination)}."
        )
    return Advice(
        f"No command is offered: in {table.label}, {broken.decided_by}. Within {own_vpc} the local "
        "route should "
        "decide: correct the table with its owner."
    )


def _to(destination: str) -> dict[str, Any]:
    if destination.startswith("pl-"):
        return {"DestinationPrefixListId": destination}
    if ":" in destination:
        return {"DestinationIpv6CidrBlock": destination}
    return {"DestinationCidrBlock": destination}
