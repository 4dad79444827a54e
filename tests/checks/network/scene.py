"""Random networks with a broken path, and the fix that is offered for it."""

from __future__ import annotations

import ipaddress
import random
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from opskit.checks.fix import Remedy
from opskit.checks.network.fix_context import NetworkFixContext, to_database
from opskit.checks.network.fixes import open_paths
from opskit.facts.prefix_lists import PrefixLists
from opskit.facts.routes import RouteTables, table_of
from opskit.facts.security_groups import SecurityGroups, group_of
from opskit.facts.subnets import NetworkAcls, Subnet, acl_of
from opskit.facts.vpc_scope import Peerings, peering_of
from opskit.reachability.group_members import GroupMembers, Member, MemberKind
from opskit.reachability.path import Network, Path, PathEndpoint, PathOutcome, trace
from opskit.workload.ec2_instance import Ec2InstanceWorkload
from opskit.workload.interface import NetworkInterface
from tests import builders as b
from tests.reachability import oracle
from tests.reachability.oracle import Case

CLIENT_PORTS = (32768, 60999)
OTHERS = (
    MemberKind.SIBLING,
    MemberKind.OTHER_INSTANCE,
    MemberKind.OTHER_DATABASE,
    MemberKind.LOAD_BALANCER,
)


@dataclass(frozen=True, slots=True)
class Broken:
    """A network whose path is broken, who else carries groups there, and the offered fix."""

    case: Case
    path: Path
    members: GroupMembers
    remedy: Remedy


def broken_networks(seed: int, count: int) -> list[Broken]:
    """All broken paths among so many random networks."""
    rng = random.Random(seed)
    found = []
    for case in oracle.generate(seed, count, with_ipv6=True):
        prepared = prepare(case, rng)
        network, path = judged(prepared)
        if path.outcome in (PathOutcome.DROP, PathOutcome.PART):
            members = members_of(prepared, rng)
            context: NetworkFixContext = to_database(members)
            remedy = open_paths(context, network, [path], lambda p: p.broken)
            found.append(Broken(prepared, path, members, remedy))
    return found


def prepare(case: Case, rng: random.Random) -> Case:
    """The case with address ranges for its VPCs, and sometimes one ACL for both subnets."""
    made = deepcopy(case)
    blocks = (("10.64.0.0/10", "fd64::/16"), ("10.128.0.0/9", "fd65::/16"))
    for side, (v4, v6) in zip(("Requester", "Accepter"), blocks, strict=True):
        made.peering[f"{side}VpcInfo"] |= {
            "CidrBlockSet": [{"CidrBlock": v4}],
            "Ipv6CidrBlockSet": [{"Ipv6CidrBlock": v6}],
        }
    if rng.random() < 0.25:
        made = replace(made, acls=[made.acls[0], made.acls[0]])
    if made.is_same_subnet:
        made.tables[1]["RouteTableId"] = made.tables[0]["RouteTableId"]
    return made


def context(address: str) -> str:
    """The subnet of an address."""
    length = 24 if "." in address else 64
    return str(ipaddress.ip_network(f"{address}/{length}", strict=False))


def judged(case: Case) -> tuple[Network, Path]:
    """The network as facts, and its path."""
    vpcs = ("vpc-s", "vpc-s" if case.is_same_vpc else "vpc-d")
    here = subnet("subnet-s", case.source, vpcs[0])
    there = here if case.is_same_subnet else subnet("subnet-d", case.destination, vpcs[1])
    sides = list(zip((here, there), vpcs, strict=True))
    acls: dict[str, dict[str, Any]] = {}
    for acl, (location, _) in zip(case.acls, sides, strict=True):
        known = acls.setdefault(acl["NetworkAclId"], {**acl, "Associations": []})
        known["Associations"].append({"SubnetId": location.subnet_id})
    tables = {
        t["RouteTableId"]: {**t, "VpcId": vpc, "Associations": [{"SubnetId": location.subnet_id}]}
        for t, (location, vpc) in reversed(list(zip(case.tables, sides, strict=True)))
    }
    network = Network(
        SecurityGroups({g["GroupId"]: replace(group_of(g), vpc_id="vpc-s") for g in case.groups}),
        NetworkAcls(tuple(acl_of(a) for a in acls.values())),
        RouteTables(tuple(table_of(t) for t in tables.values())),
        Peerings((peering_of(case.peering),)),
        PrefixLists({k: tuple(v) for k, v in case.lists.items()}),
    )
    source = PathEndpoint("client", case.source, here, tuple(case.source_groups))
    destination = PathEndpoint("server", case.destination, there, tuple(case.destination_groups))
    return network, trace(network, source, destination, case.port, CLIENT_PORTS)


def subnet(name: str, address: str, vpc: str) -> Subnet:
    """A subnet around an address."""
    if ":" in address:
        return Subnet(name, name, "192.0.2.0/24", "a", vpc, (context(address),))
    return Subnet(name, name, context(address), "a", vpc)


def members_of(case: Case, rng: random.Random) -> GroupMembers:
    """The two ends, and others that carry some of the groups."""
    healthy = b.healthy(Ec2InstanceWorkload)
    v6 = (case.source,) if ":" in case.source else ()
    own = NetworkInterface("eni-app", 0, case.source, v6, "subnet-s", tuple(case.source_groups))
    instance = replace(healthy.instance, interfaces=(own,), group_ids=own.group_ids, vpc_id="vpc-s")
    database = b.db_instance(
        identifier="server", security_group_ids=tuple(case.destination_groups), vpc_id="vpc-s"
    )
    found = [
        Member(MemberKind.APP, "client", own.group_ids),
        Member(MemberKind.DATABASE, "server", database.security_group_ids),
    ]
    for kind in rng.sample(OTHERS, rng.randrange(0, 3)):
        carried = tuple(rng.sample(oracle.GROUPS, 1))
        found.append(Member(kind, f"other-{kind.name.lower()}", carried))
    app = replace(healthy, instance=instance)
    return GroupMembers(app, database, tuple(found), is_complete=True, knows_load_balancer=True)
