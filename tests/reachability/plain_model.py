"""A plain reading of a network written as EC2's replies, and of the calls that change it.

Written from the public description alone (Amazon VPC User Guide, EC2 and RDS API references): one packet,
one rule at a time, with no code of the model. Real packets confirm it (`test_oracle_fixes.py`).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from typing import Any

from tests.reachability.oracle import Case

TCP, UDP, ICMP = "6", "17", "1"
NUMBERS = {"tcp": TCP, "udp": UDP, "icmp": ICMP}


class RefusedByAws(AssertionError):
    """The call would fail."""


# --- one packet at one place --------------------------------------------------------------------


def acl_lets(acl: Mapping[str, Any], egress: bool, protocol: str, peer: str, port: int) -> bool:
    """The entry with the lowest number that fits decides; the end of the list denies."""
    for entry in sorted(acl["Entries"], key=lambda e: e["RuleNumber"]):
        if entry["Egress"] is not egress or entry["Protocol"] not in ("-1", protocol):
            continue
        if not holds(entry.get("CidrBlock") or entry["Ipv6CidrBlock"], peer):
            continue
        ports = entry.get("PortRange")
        if ports and entry["Protocol"] in (TCP, UDP) and not ports["From"] <= port <= ports["To"]:
            continue
        return bool(entry["RuleAction"] == "allow")
    return False


def groups_let(
    case: Case, own: list[str], egress: bool, protocol: str, peer: str, groups: list[str], port: int
) -> bool:
    """Any rule of any carried group that names the peer, by an address or by a group."""
    for group in case.groups:
        if group["GroupId"] in own:
            for rule in group["IpPermissionsEgress" if egress else "IpPermissions"]:
                if rule_covers(rule, protocol, port) and rule_names(case, rule, peer, groups):
                    return True
    return False


def rule_covers(rule: Mapping[str, Any], protocol: str, port: int) -> bool:
    number = NUMBERS.get(rule["IpProtocol"], rule["IpProtocol"])
    if number == "-1":
        return True
    if number != protocol:
        return False
    return number not in (TCP, UDP) or rule["FromPort"] <= port <= rule["ToPort"]


def rule_names(case: Case, rule: Mapping[str, Any], peer: str, groups: list[str]) -> bool:
    ranges = [r["CidrIp"] for r in rule.get("IpRanges", ())]
    ranges += [r["CidrIpv6"] for r in rule.get("Ipv6Ranges", ())]
    ranges += [c for p in rule.get("PrefixListIds", ()) for c in case.lists[p["PrefixListId"]]]
    refers = case.is_same_vpc or case.peering["Status"]["Code"] == "active"
    named = {p["GroupId"] for p in rule.get("UserIdGroupPairs", ())}
    return any(holds(c, peer) for c in ranges) or (refers and bool(named & set(groups)))


def next_hop(table: Mapping[str, Any], address: str) -> str:
    """The longest prefix, a written route before a learnt one."""
    fitting = [r for r in table["Routes"] if holds(destination_of(r), address)]
    if not fitting:
        return ""
    route = max(fitting, key=lambda r: (length_of(destination_of(r)), "Origin" not in r))
    if route["State"] == "blackhole":
        return "blackhole"
    return str(route.get("GatewayId") or route["VpcPeeringConnectionId"])


def destination_of(route: Mapping[str, Any]) -> str:
    return str(route.get("DestinationCidrBlock") or route["DestinationIpv6CidrBlock"])


def length_of(cidr: str) -> int:
    return int(cidr.partition("/")[2])


@cache
def holds(cidr: str, address: str) -> bool:
    network = ipaddress.ip_network(cidr, strict=False)
    return ipaddress.ip_address(address) in network


def leads(case: Case, table: Mapping[str, Any], address: str) -> bool:
    host = next_hop(table, address)
    if host == "local":
        return case.is_same_vpc
    active = case.peering["Status"]["Code"] == "active"
    return host == "pcx-1" and not case.is_same_vpc and active


def connects(case: Case, client_port: int) -> bool:
    """One TCP connection there, and its replies back."""
    here, there, port = case.source, case.destination, case.port
    mine, theirs = case.source_groups, case.destination_groups
    if not groups_let(case, mine, True, TCP, there, theirs, port):
        return False
    if not groups_let(case, theirs, False, TCP, here, mine, port):
        return False
    if case.is_same_subnet:
        return True
    acl_s, acl_d = case.acls
    return (
        acl_lets(acl_s, True, TCP, there, port)
        and acl_lets(acl_d, False, TCP, here, port)
        and acl_lets(acl_d, True, TCP, here, client_port)
        and acl_lets(acl_s, False, TCP, there, client_port)
        and leads(case, case.tables[0], there)
        and leads(case, case.tables[1], here)
    )


# --- calls --------------------------------------------------------------------------------------


def after_calls(case: Case, calls: Any) -> Case:
    """A network after AWS calls.

    Raises:
        RefusedByAws: AWS would refuse one of them.
    """
    changed = deepcopy(case)
    for call in calls:
        asked = dict(call.parameters)
        {
            "CreateNetworkAclEntry": create_entry,
            "ReplaceNetworkAclEntry": replace_entry,
            "DeleteNetworkAclEntry": delete_entry,
            "AuthorizeSecurityGroupIngress": authorize,
            "AuthorizeSecurityGroupEgress": authorize,
            "RevokeSecurityGroupIngress": revoke,
            "RevokeSecurityGroupEgress": revoke,
            "CreateRoute": create_route,
            "ReplaceRoute": replace_route,
            "DeleteRoute": delete_route,
            "ModifyNetworkInterfaceAttribute": attach_to_app,
            "ModifyDBInstance": attach_to_database,
        }[call.operation](changed, asked, call.operation)
    return changed


def refuse_if(condition: object, why: str) -> None:
    if condition:
        raise RefusedByAws(why)


def entries_of(case: Case, asked: Mapping[str, Any]) -> tuple[list[Any], list[Any], list[Any]]:
    acl = next(a for a in case.acls if a["NetworkAclId"] == asked["NetworkAclId"])
    location = asked["RuleNumber"], asked["Egress"]
    refuse_if(not 1 <= asked["RuleNumber"] <= 32766, "no such number")
    same = [e for e in acl["Entries"] if (e["RuleNumber"], e["Egress"]) == location]
    return acl["Entries"], same, [e for e in acl["Entries"] if e not in same]


def written_entry(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in asked.items() if k != "NetworkAclId"}


def create_entry(case: Case, asked: Mapping[str, Any], _: str) -> None:
    entries, same, _others = entries_of(case, asked)
    refuse_if(same, "NetworkAclEntryAlreadyExists")
    entries.append(written_entry(asked))


def replace_entry(case: Case, asked: Mapping[str, Any], _: str) -> None:
    entries, same, others = entries_of(case, asked)
    refuse_if(not same, "InvalidNetworkAclEntry.NotFound")
    entries[:] = [*others, written_entry(asked)]


def delete_entry(case: Case, asked: Mapping[str, Any], _: str) -> None:
    entries, same, others = entries_of(case, asked)
    refuse_if(not same, "InvalidNetworkAclEntry.NotFound")
    entries[:] = others


def rules_of(case: Case, asked: Mapping[str, Any], operation: str) -> list[Any]:
    group = next(g for g in case.groups if g["GroupId"] == asked["GroupId"])
    rules: list[Any] = group[
        "IpPermissionsEgress" if operation.endswith("Egress") else "IpPermissions"
    ]
    return rules


def authorize(case: Case, asked: Mapping[str, Any], operation: str) -> None:
    rules = rules_of(case, asked, operation)
    for rule in asked["IpPermissions"]:
        refuse_if(rule in rules, "InvalidPermission.Duplicate")
        rules.append(deepcopy(rule))


def revoke(case: Case, asked: Mapping[str, Any], operation: str) -> None:
    rules = rules_of(case, asked, operation)
    for rule in asked["IpPermissions"]:
        refuse_if(rule not in rules, "InvalidPermission.NotFound")
        rules.remove(rule)


def routes_of(case: Case, asked: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any], list[Any]]:
    table = next(t for t in case.tables if t["RouteTableId"] == asked["RouteTableId"])
    wanted = asked.get("DestinationCidrBlock") or asked["DestinationIpv6CidrBlock"]
    written = [r for r in table["Routes"] if "Origin" not in r]
    same = [r for r in written if destination_of(r) == wanted]
    return table, same, [r for r in table["Routes"] if r not in same]


def written_route(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {**{k: v for k, v in asked.items() if k != "RouteTableId"}, "State": "active"}


def create_route(case: Case, asked: Mapping[str, Any], _: str) -> None:
    table, same, others = routes_of(case, asked)
    refuse_if(same, "RouteAlreadyExists")
    table["Routes"] = [*others, written_route(asked)]


def replace_route(case: Case, asked: Mapping[str, Any], _: str) -> None:
    table, same, others = routes_of(case, asked)
    refuse_if(not same, "InvalidParameterValue: no such route")
    refuse_if(same[0].get("GatewayId") == "local", "the local route leads to interfaces only")
    table["Routes"] = [*others, written_route(asked)]


def delete_route(case: Case, asked: Mapping[str, Any], _: str) -> None:
    table, same, others = routes_of(case, asked)
    refuse_if(not same, "InvalidRoute.NotFound")
    table["Routes"] = others


def attach_to_app(case: Case, asked: Mapping[str, Any], _: str) -> None:
    refuse_if(asked["NetworkInterfaceId"] != "eni-app", "InvalidNetworkInterfaceID.NotFound")
    refuse_if(not 1 <= len(asked["Groups"]) <= 5, "SecurityGroupsPerInterfaceLimitExceeded")
    case.source_groups[:] = asked["Groups"]


def attach_to_database(case: Case, asked: Mapping[str, Any], _: str) -> None:
    refuse_if(asked["DBInstanceIdentifier"] != "server", "DBInstanceNotFound")
    refuse_if(not 1 <= len(asked["VpcSecurityGroupIds"]) <= 5, "too many groups")
    assert asked["ApplyImmediately"] is True
    case.destination_groups[:] = asked["VpcSecurityGroupIds"]
