"""Compiles security groups and network ACLs of the emulated AWS into packet rules.

Written from the VPC User Guide, for nftables. It evaluates nothing, and shares no code with the evaluation
that the tests compare it with. Network ACLs come before connection tracking, groups after it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from opskit.sandbox import topology

Client = Any
Rows = list[Mapping[str, Any]]


def compile_rules(client: Callable[[str], Client]) -> str:
    """Read groups, ACLs, routes and interfaces through the API, and write one nft file."""
    ec2 = client("ec2")
    groups: Rows = ec2.describe_security_groups()["SecurityGroups"]
    acls: Rows = ec2.describe_network_acls()["NetworkAcls"]
    subnets: Rows = ec2.describe_subnets()["Subnets"]
    lists = _prefix_lists(ec2)
    carried = _carried(client)
    names = {"app": topology.INSTANCE_ADDRESS, "db": _database_address(client, subnets)}
    names["alb"] = topology.BALANCER_ADDRESS
    chains = []
    for name, address in names.items():
        acl = _acl_of(address, subnets, acls)
        chains += [
            _acl_chain(f"nacl_{name}_{direction}", acl, direction) for direction in ("out", "in")
        ]
        own_groups = [g for g in groups if g["GroupId"] in carried.get(address, ())]
        chains += [
            _group_chain(f"sg_{name}_{direction}", own_groups, direction, carried, lists)
            for direction in ("out", "in")
        ]
    routes = _Routes(
        ec2.describe_route_tables()["RouteTables"],
        ec2.describe_vpc_peering_connections()["VpcPeeringConnections"],
        subnets,
    )
    first = routes.drops(list(names.values()))
    # The router is the bastion too, and what it sends passes no forward chain.
    off = [] if topology.INSTANCE_ADDRESS in carried else [f"ip daddr {names['app']} drop"]
    return _file(names, chains, first, off)


def _database(client: Callable[[str], Client]) -> Mapping[str, Any] | None:
    """The instance with the real server: the oldest one with LinkBox's database."""
    rows: Rows = client("rds").describe_db_instances()["DBInstances"]
    named = [d for d in rows if d.get("DBName") == topology.DATABASE_NAME]
    return min(named, key=lambda d: d["InstanceCreateTime"], default=None)


def _database_address(client: Callable[[str], Client], subnets: Rows) -> str:
    """The database's address, which depends on the VPC of its subnet group."""
    database = _database(client)
    home = _subnet_of(topology.DATABASE_ADDRESS, subnets)["VpcId"]
    moved = database is not None and database["DBSubnetGroup"]["VpcId"] != home
    return topology.DATA_ADDRESS if moved else topology.DATABASE_ADDRESS


def _carried(client: Callable[[str], Client]) -> dict[str, list[str]]:
    """The groups of every address."""
    carried: dict[str, list[str]] = {}
    for reservation in client("ec2").describe_instances()["Reservations"]:
        for instance in reservation["Instances"]:
            if instance["State"]["Name"] == "running":
                for interface in instance["NetworkInterfaces"]:
                    carried[interface["PrivateIpAddress"]] = [
                        g["GroupId"] for g in interface["Groups"]
                    ]
    database = _database(client)
    if database is not None:
        own = [g["VpcSecurityGroupId"] for g in database["VpcSecurityGroups"]]
        carried[topology.DATABASE_ADDRESS] = carried[topology.DATA_ADDRESS] = own
    for load_balancer in client("elbv2").describe_load_balancers()["LoadBalancers"]:
        carried[topology.BALANCER_ADDRESS] = load_balancer["SecurityGroups"]
    return carried


class _Routes:
    """The directions that the route tables allow."""

    def __init__(self, tables: Rows, peerings: Rows, subnets: Rows) -> None:
        self._tables = tables
        self._subnets = subnets
        self._peered = {
            p["VpcPeeringConnectionId"] for p in peerings if p["Status"]["Code"] == "active"
        }

    def drops(self, addresses: list[str]) -> list[str]:
        """Drop rules for the directions whose longest matching route does not lead to the destination: a
        black hole or an appliance, where the packets do not arrive.
        """
        return [
            f"ip saddr {source} ip daddr {target} drop"
            for source in addresses
            for target in addresses
            if source != target and not self._leads(source, target)
        ]

    def _leads(self, source: str, target: str) -> bool:
        own_subnet, other_subnet = (_subnet_of(a, self._subnets) for a in (source, target))
        if own_subnet["SubnetId"] == other_subnet["SubnetId"]:
            return True
        wanted = ipaddress.ip_address(target)
        matching = [
            (ipaddress.ip_network(route["DestinationCidrBlock"]).prefixlen, route)
            for route in _table_of(own_subnet, self._tables)["Routes"]
            if "DestinationCidrBlock" in route
            and wanted in ipaddress.ip_network(route["DestinationCidrBlock"])
        ]
        if not matching:
            return False
        best = max(matching, key=lambda pair: pair[0])[1]
        if best.get("State") == "blackhole":
            return False
        if own_subnet["VpcId"] == other_subnet["VpcId"]:
            return bool(best.get("GatewayId") == "local")
        return best.get("VpcPeeringConnectionId") in self._peered


def _table_of(subnet: Mapping[str, Any], tables: Rows) -> Mapping[str, Any]:
    """The route table associated with a subnet, else its VPC's main table."""
    here = [t for t in tables if t["VpcId"] == subnet["VpcId"]]
    for table in here:
        if any(a.get("SubnetId") == subnet["SubnetId"] for a in table["Associations"]):
            return table
    return next(t for t in here if any(a.get("Main") for a in t["Associations"]))


def _file(
    names: Mapping[str, str], chains: Iterable[str], first: Iterable[str], output: Iterable[str]
) -> str:
    every = ", ".join(names.values())
    jumps = ['iifname "v-ops" drop', *first]
    for name, address in names.items():
        jumps += [
            f"ip saddr {address} jump nacl_{name}_out",
            f"ip daddr {address} jump nacl_{name}_in",
        ]
    jumps.append("ct state established,related accept")
    for name, address in names.items():
        jumps += [f"ip saddr {address} jump sg_{name}_out", f"ip daddr {address} jump sg_{name}_in"]
    jumps.append(f"ip saddr {{ {every} }} ip daddr {{ {every} }} accept")
    own = ["chain output {", "type filter hook output priority 0; policy accept;", *output, "}"]
    head = [
        "table ip box",
        "delete table ip box",
        "table ip box {",
        *chains,
        *own,
        "chain forward {",
    ]
    hook = "type filter hook forward priority 0; policy drop;"
    return "\n".join([*head, hook, *jumps, "}", "}"]) + "\n"


def _acl_of(address: str, subnets: Rows, acls: Rows) -> Mapping[str, Any]:
    subnet = _subnet_of(address, subnets)
    return next(
        a for a in acls if any(x["SubnetId"] == subnet["SubnetId"] for x in a["Associations"])
    )


def _subnet_of(address: str, subnets: Rows) -> Mapping[str, Any]:
    wanted = ipaddress.ip_address(address)
    ours = [s for s in subnets if wanted in ipaddress.ip_network(s["CidrBlock"])]
    # moto's default VPC lies elsewhere, in 172.31.0.0/16.
    return ours[0]


def _acl_chain(name: str, acl: Mapping[str, Any], direction: str) -> str:
    lines = []
    for entry in sorted(acl["Entries"], key=lambda e: int(e["RuleNumber"])):
        if bool(entry["Egress"]) != (direction == "out") or "CidrBlock" not in entry:
            continue
        peer = f"ip {'daddr' if direction == 'out' else 'saddr'} {entry['CidrBlock']}"
        ports = entry.get("PortRange")
        what = _protocol(
            str(entry["Protocol"]), ports["From"] if ports else None, ports and ports["To"]
        )
        lines.append(f"{peer} {what} {'return' if entry['RuleAction'] == 'allow' else 'drop'}")
    return "\n".join([f"chain {name} {{", *lines, "drop", "}"])


def _group_chain(
    name: str,
    groups: Rows,
    direction: str,
    carried: Mapping[str, list[str]],
    lists: Mapping[str, list[str]],
) -> str:
    lines = []
    field = "daddr" if direction == "out" else "saddr"
    for group in groups:
        for rule in group["IpPermissionsEgress" if direction == "out" else "IpPermissions"]:
            peers = [r["CidrIp"] for r in rule.get("IpRanges", ())]
            for pair in rule.get("UserIdGroupPairs", ()):
                peers += [a for a, carries in carried.items() if pair["GroupId"] in carries]
            for reference in rule.get("PrefixListIds", ()):
                peers += lists.get(reference["PrefixListId"], [])
            what = _protocol(rule["IpProtocol"], rule.get("FromPort"), rule.get("ToPort"))
            lines += [f"ip {field} {peer} {what} return" for peer in peers]
    return "\n".join([f"chain {name} {{", *lines, "drop", "}"])


def _protocol(protocol: str, first: int | None, last: int | None) -> str:
    number = {"tcp": "6", "udp": "17", "icmp": "1"}.get(protocol, protocol)
    if number == "-1":
        return ""
    if number in ("6", "17") and first is not None and int(first) >= 0:
        return f"meta l4proto {number} th dport {first}-{last}"
    return f"meta l4proto {number}"


def _prefix_lists(ec2: Client) -> dict[str, list[str]]:
    cidrs = {}
    for row in ec2.describe_managed_prefix_lists()["PrefixLists"]:
        if row.get("OwnerId") != "AWS":
            entries = ec2.get_managed_prefix_list_entries(PrefixListId=row["PrefixListId"])[
                "Entries"
            ]
            cidrs[row["PrefixListId"]] = [e["Cidr"] for e in entries]
    return cidrs
