"""Security groups and network ACLs as packet rules, from what the emulated AWS holds now.

Written from the VPC User Guide and for nftables; it evaluates nothing and shares no code with what
it is an oracle for. Network ACLs stand before connection tracking, groups behind it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from opskit.sandbox import world

Client = Any
Rows = list[Mapping[str, Any]]


def compile_rules(client: Callable[[str], Client]) -> str:
    """Read groups, ACLs and who carries what through the API, and write one nft file."""
    ec2 = client("ec2")
    groups: Rows = ec2.describe_security_groups()["SecurityGroups"]
    acls: Rows = ec2.describe_network_acls()["NetworkAcls"]
    subnets: Rows = ec2.describe_subnets()["Subnets"]
    lists = _prefix_lists(ec2)
    instances = [
        i
        for r in ec2.describe_instances()["Reservations"]
        for i in r["Instances"]
        if i["State"]["Name"] == "running"
    ]
    databases: Rows = client("rds").describe_db_instances()["DBInstances"]
    carried: dict[str, list[str]] = {}
    for instance in instances:
        carried[instance["PrivateIpAddress"]] = [g["GroupId"] for g in instance["SecurityGroups"]]
    for database in databases:
        if database["DBName"] == world.DATABASE_NAME:
            own = [g["VpcSecurityGroupId"] for g in database["VpcSecurityGroups"]]
            carried[world.DATABASE_ADDRESS] = own
    names = {"app": world.INSTANCE_ADDRESS, "db": world.DATABASE_ADDRESS}
    chains = []
    for name, address in names.items():
        acl = _acl_of(address, subnets, acls)
        chains += [_acl_chain(f"nacl_{name}_{way}", acl, way) for way in ("out", "in")]
        own_groups = [g for g in groups if g["GroupId"] in carried.get(address, ())]
        chains += [
            _group_chain(f"sg_{name}_{way}", own_groups, way, carried, lists)
            for way in ("out", "in")
        ]
    return _file(names, chains, _misrouted(ec2.describe_route_tables()["RouteTables"], subnets))


def _misrouted(tables: Rows, subnets: Rows) -> list[str]:
    """Drops for a direction whose longest matching route does not stay in the VPC: whatever it
    names, a black hole or an appliance, the packets do not arrive.
    """
    lines = []
    ends = (world.INSTANCE_ADDRESS, world.DATABASE_ADDRESS)
    for source, target in (ends, ends[::-1]):
        subnet, wanted = _subnet_of(source, subnets), ipaddress.ip_address(target)
        routes = [
            (ipaddress.ip_network(route["DestinationCidrBlock"]), route)
            for route in _table_of(subnet, tables)["Routes"]
            if "DestinationCidrBlock" in route
        ]
        matching = [(network.prefixlen, r) for network, r in routes if wanted in network]
        _, best = max(matching, key=lambda pair: pair[0])
        if best.get("GatewayId") != "local" or best.get("State") == "blackhole":
            lines.append(f"ip saddr {source} ip daddr {target} drop")
    return lines


def _table_of(subnet: Mapping[str, Any], tables: Rows) -> Mapping[str, Any]:
    """The table that a subnet is associated with, else its VPC's main table."""
    here = [t for t in tables if t["VpcId"] == subnet["VpcId"]]
    for table in here:
        if any(a.get("SubnetId") == subnet["SubnetId"] for a in table["Associations"]):
            return table
    return next(t for t in here if any(a.get("Main") for a in t["Associations"]))


def _file(names: Mapping[str, str], chains: Iterable[str], first: Iterable[str]) -> str:
    app, db = names["app"], names["db"]
    jumps = [
        'iifname "v-ops" drop',
        *first,
        f"ip saddr {app} jump nacl_app_out",
        f"ip daddr {app} jump nacl_app_in",
        f"ip saddr {db} jump nacl_db_out",
        f"ip daddr {db} jump nacl_db_in",
        "ct state established,related accept",
        f"ip saddr {app} jump sg_app_out",
        f"ip daddr {db} jump sg_db_in",
        f"ip saddr {db} jump sg_db_out",
        f"ip daddr {app} jump sg_app_in",
        f"ip saddr {{ {app}, {db} }} ip daddr {{ {app}, {db} }} accept",
    ]
    head = ["table ip box", "delete table ip box", "table ip box {", *chains, "chain forward {"]
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


def _acl_chain(name: str, acl: Mapping[str, Any], way: str) -> str:
    lines = []
    for entry in sorted(acl["Entries"], key=lambda e: int(e["RuleNumber"])):
        if bool(entry["Egress"]) != (way == "out") or "CidrBlock" not in entry:
            continue
        peer = f"ip {'daddr' if way == 'out' else 'saddr'} {entry['CidrBlock']}"
        ports = entry.get("PortRange")
        what = _protocol(
            str(entry["Protocol"]), ports["From"] if ports else None, ports and ports["To"]
        )
        lines.append(f"{peer} {what} {'return' if entry['RuleAction'] == 'allow' else 'drop'}")
    return "\n".join([f"chain {name} {{", *lines, "drop", "}"])


def _group_chain(
    name: str,
    groups: Rows,
    way: str,
    carried: Mapping[str, list[str]],
    lists: Mapping[str, list[str]],
) -> str:
    lines = []
    field = "daddr" if way == "out" else "saddr"
    for group in groups:
        for rule in group["IpPermissionsEgress" if way == "out" else "IpPermissions"]:
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
    found = {}
    for one in ec2.describe_managed_prefix_lists()["PrefixLists"]:
        if one.get("OwnerId") != "AWS":
            entries = ec2.get_managed_prefix_list_entries(PrefixListId=one["PrefixListId"])[
                "Entries"
            ]
            found[one["PrefixListId"]] = [e["Cidr"] for e in entries]
    return found
