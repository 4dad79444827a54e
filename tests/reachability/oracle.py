"""Random networks, compiled to real packet rules and asked with real packets.

The networks are written as EC2's own replies. From them two things are made apart: the model's
facts, by the readers' functions, and nftables rules and routes, by the compiler here, which
evaluates nothing: which rule matches first, which route is longest, what connection tracking
remembers is the kernel's answer. The compiler shares no code with the model.
"""

from __future__ import annotations

import ipaddress
import json
import os
import random
import resource
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

BOX = 2000
"""Configurations in one box: loading takes more than linear time (measured: 10,000 need 27 s)."""
MOST_LINES = 400
"""Lines in one nft transaction: many more do not fit the netlink buffer of a user namespace."""
IPV6_FREEBIND = 78
"""From linux/in6.h; the socket module does not have it."""
LISTENING = (5432, 3306)
OTHERS = (5433, 80, 6432)
GROUPS = ("sg-a", "sg-b", "sg-c", "sg-d", "sg-e")


@dataclass(frozen=True, slots=True)
class Case:
    """One network of two interfaces, and one connection to try.

    Attributes:
        groups, acls, tables, lists, peering: as EC2 describes them; `acls` and `tables` hold the
            source's and the destination's.
    """

    family: int
    source: str
    destination: str
    port: int
    client_port: int
    is_same_subnet: bool
    is_same_vpc: bool
    source_groups: list[str]
    destination_groups: list[str]
    groups: list[dict[str, Any]]
    acls: list[dict[str, Any]]
    tables: list[dict[str, Any]]
    lists: dict[str, list[str]]
    peering: dict[str, Any]


def generate(seed: int, count: int, *, with_ipv6: bool) -> list[Case]:
    """Random networks; the same seed gives the same."""
    rng = random.Random(seed)
    return [_case(rng, i, with_ipv6) for i in range(count)]


def _case(rng: random.Random, index: int, with_ipv6: bool) -> Case:
    family = 6 if with_ipv6 and rng.random() < 0.2 else 4
    if family == 4:
        source = str(ipaddress.ip_address("10.64.0.0") + index * 256 + rng.randrange(5, 250))
        there = str(ipaddress.ip_address("10.128.0.0") + index * 256 + rng.randrange(5, 250))
    else:
        source = str(ipaddress.ip_address("fd64::") + (index << 64) + rng.randrange(5, 250))
        there = str(ipaddress.ip_address("fd65::") + (index << 64) + rng.randrange(5, 250))
    same_subnet = rng.random() < 0.1
    same_vpc = same_subnet or rng.random() < 0.75
    port = rng.choice((*LISTENING, *LISTENING, *OTHERS))
    lists = {"pl-1": [_cidr(rng, source, there) for _ in range(rng.randrange(1, 4))], "pl-2": []}
    acls = [_acl(rng, source, there, port, n) for n in ("acl-s", "acl-d")]
    peered = rng.random() < 0.9
    return Case(
        family,
        source,
        there,
        port,
        _client_port(rng, acls),
        same_subnet,
        same_vpc,
        rng.sample(GROUPS, rng.randrange(1, 4)),
        rng.sample(GROUPS, rng.randrange(1, 4)),
        [_group(rng, g, source, there, port) for g in GROUPS],
        acls,
        [
            _table(rng, "rtb-s", source, there, same_vpc),
            _table(rng, "rtb-d", there, source, same_vpc),
        ],
        lists,
        {
            "VpcPeeringConnectionId": "pcx-1",
            "Status": {"Code": "active" if peered else "deleted"},
            "RequesterVpcInfo": {"VpcId": "vpc-s"},
            "AccepterVpcInfo": {"VpcId": "vpc-d"},
        },
    )


def _cidr(rng: random.Random, source: str, there: str) -> str:
    """A range that holds an end, nearly holds it, or has nothing to do with it."""
    address = ipaddress.ip_address(rng.choice((source, source, there, there)))
    bits = address.max_prefixlen
    shift = rng.choice((0, 0, 0, 1, -1)) * rng.choice((1, 2, 200))
    if rng.random() < 0.15:
        return "0.0.0.0/0" if bits == 32 else "::/0"
    length = rng.choice((bits, bits - 1, bits - 4, bits - 8, bits - 16, bits - 23))
    return str(ipaddress.ip_network((int(address) + shift, length), strict=False))


def _ports(rng: random.Random, port: int) -> tuple[int, int]:
    return rng.choice(
        (
            (port, port),
            (port, port),
            (port - 1, port + 1),
            (port + 1, port + 9),
            (port - 9, port - 1),
            (0, 65535),
        )
    )


def _group(rng: random.Random, name: str, source: str, there: str, port: int) -> dict[str, Any]:
    made: dict[str, Any] = {"GroupId": name, "GroupName": name}
    for paths, most_open in (("IpPermissions", 0.3), ("IpPermissionsEgress", 0.6)):
        rules = [_rule(rng, source, there, port) for _ in range(rng.randrange(0, 4))]
        if rng.random() < most_open:
            rules.append({"IpProtocol": "-1", **_ranges("::/0" if ":" in source else "0.0.0.0/0")})
        made[paths] = rules
    return made


def _ranges(cidr: str) -> dict[str, Any]:
    if ":" in cidr:
        return {"Ipv6Ranges": [{"CidrIpv6": cidr}]}
    return {"IpRanges": [{"CidrIp": cidr}]}


def _rule(rng: random.Random, source: str, there: str, port: int) -> dict[str, Any]:
    protocol = rng.choice(("tcp", "tcp", "tcp", "tcp", "6", "-1", "-1", "udp", "icmp"))
    rule: dict[str, Any] = {"IpProtocol": protocol}
    if protocol == "icmp":
        rule |= {"FromPort": -1, "ToPort": -1}
    elif protocol != "-1":
        rule["FromPort"], rule["ToPort"] = _ports(rng, port)
    kind = rng.random()
    if kind < 0.4:
        rule["UserIdGroupPairs"] = [{"GroupId": g} for g in rng.sample(GROUPS, rng.randrange(1, 3))]
    elif kind < 0.85:
        for _ in range(rng.randrange(1, 3)):
            cidr = _cidr(rng, source, there)
            key, field = ("Ipv6Ranges", "CidrIpv6") if ":" in cidr else ("IpRanges", "CidrIp")
            rule.setdefault(key, []).append({field: cidr})
    else:
        rule["PrefixListIds"] = [{"PrefixListId": rng.choice(("pl-1", "pl-1", "pl-2"))}]
    return rule


def _acl(rng: random.Random, source: str, there: str, port: int, name: str) -> dict[str, Any]:
    entries = []
    for egress in (True, False):
        numbers = rng.sample(range(1, 400), rng.randrange(0, 4))
        entries += [_entry(rng, source, there, port, n, egress) for n in numbers]
        if rng.random() < 0.9:
            cidr = "::/0" if ":" in source else "0.0.0.0/0"
            everything = _cidr_field(cidr) | {"Protocol": "-1", "RuleAction": "allow"}
            entries.append(everything | {"RuleNumber": 500, "Egress": egress})
        entries.append(
            _cidr_field("0.0.0.0/0")
            | {"Protocol": "-1", "RuleAction": "deny", "RuleNumber": 32767, "Egress": egress}
        )
    rng.shuffle(entries)
    return {"NetworkAclId": name, "Associations": [], "Entries": entries}


def _entry(
    rng: random.Random, source: str, there: str, port: int, number: int, egress: bool
) -> dict[str, Any]:
    entry = _cidr_field(_cidr(rng, source, there)) | {
        "Protocol": rng.choice(("6", "6", "6", "-1", "17")),
        "RuleAction": rng.choice(("allow", "allow", "deny")),
        "RuleNumber": number,
        "Egress": egress,
    }
    if entry["Protocol"] != "-1":
        first, last = rng.choice(
            (_ports(rng, port), (1024, 65535), (32768, 60999), (1024, 45000), (45000, 50000))
        )
        entry["PortRange"] = {"From": first, "To": last}
    return entry


def _cidr_field(cidr: str) -> dict[str, Any]:
    return {"Ipv6CidrBlock": cidr} if ":" in cidr else {"CidrBlock": cidr}


def _client_port(rng: random.Random, acls: list[dict[str, Any]]) -> int:
    """A port at an edge of some entry, or any."""
    edges = {
        port
        for acl in acls
        for e in acl["Entries"]
        if "PortRange" in e
        for edge in (e["PortRange"]["From"], e["PortRange"]["To"])
        for port in (edge - 1, edge, edge + 1)
        if 1024 <= port <= 65535
    }
    ports: list[int] = [*sorted(edges), rng.randrange(32768, 61000), rng.randrange(1024, 65536)]
    return rng.choice(ports)


def _table(rng: random.Random, name: str, own: str, peer: str, same_vpc: bool) -> dict[str, Any]:
    wide = {4: ("10.0.0.0/8", "0.0.0.0/0"), 6: ("fd00::/8", "::/0")}[6 if ":" in own else 4]
    routes = [_to(wide[0] if same_vpc else _context(own), GatewayId="local")]
    if not same_vpc and rng.random() < 0.85:
        routes.append(_to(rng.choice((wide[0], _context(peer))), VpcPeeringConnectionId="pcx-1"))
    if rng.random() < 0.5:
        routes.append(_to(wide[1], GatewayId="igw-1"))
    if rng.random() < 0.35:
        kind = rng.choice(("pcx-gone", "local", "pcx-1"))
        extra = _to(_cidr(rng, own, peer), VpcPeeringConnectionId=kind)
        if kind == "local":
            extra = _to(_cidr(rng, own, peer), GatewayId="local")
        elif kind == "pcx-gone":
            extra["State"] = "blackhole"
        if rng.random() < 0.3:
            extra["Origin"] = "EnableVgwRoutePropagation"
        routes.append(extra)
    return {"RouteTableId": name, "Associations": [], "Routes": _distinct(routes)}


def _to(cidr: str, **target: str) -> dict[str, Any]:
    field = "DestinationIpv6CidrBlock" if ":" in cidr else "DestinationCidrBlock"
    return {field: cidr, "State": "active", **target}


def _context(address: str) -> str:
    length = 24 if "." in address else 64
    return str(ipaddress.ip_network((int(ipaddress.ip_address(address)), length), strict=False))


def _distinct(routes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A table holds a destination once as written, and once as learnt."""
    by_key = {(_destination(r), r.get("Origin")): r for r in routes}
    return list(by_key.values())


def _destination(route: dict[str, Any]) -> str:
    return str(route.get("DestinationCidrBlock") or route["DestinationIpv6CidrBlock"])


# --- the compiler -------------------------------------------------------------------------------


def compile_packets(case: Case, index: int) -> list[str]:
    """One network as nftables chains, and its place in the map from addresses to chains."""
    word = "ip6" if case.family == 6 else "ip"
    connections = []
    acl_s, acl_d = case.acls
    crossings = (
        (("so", acl_s, True), ("di", acl_d, False)),
        (("do", acl_d, True), ("si", acl_s, False)),
    )
    lines = []
    for paths, passed in zip("fr", crossings, strict=True):
        jumps = []
        for tag, acl, is_egress in () if case.is_same_subnet else passed:
            lines += _chain(f"a{index}{tag}", _acl_lines(acl, is_egress, word))
            jumps.append(f"jump a{index}{tag}")
        jumps.append("ct state established,related accept")
        if paths == "f":
            for tag, own, is_egress in (
                ("se", case.source_groups, True),
                ("de", case.destination_groups, False),
            ):
                lines += _chain(f"g{index}{tag}", _group_lines(case, own, is_egress, word))
                jumps.append(f"jump g{index}{tag}")
            jumps.append("accept")
        lines += _chain(f"w{index}{paths}", jumps)
        ends = (case.source, case.destination)
        first, second = ends if paths == "f" else ends[::-1]
        connections.append(f"{first} . {second} : goto w{index}{paths}")
    return [*lines, f"add element inet box ways{case.family} {{ {', '.join(connections)} }}"]


def _chain(name: str, rules: Iterable[str]) -> list[str]:
    return [
        f"add chain inet box {name}",
        *(f"add rule inet box {name} {r}" for r in [*rules, "drop"]),
    ]


def _acl_lines(acl: dict[str, Any], is_egress: bool, word: str) -> list[str]:
    lines = []
    for entry in sorted(acl["Entries"], key=lambda e: e["RuleNumber"]):
        cidr = entry.get("CidrBlock") or entry["Ipv6CidrBlock"]
        if entry["Egress"] is is_egress and (":" in cidr) == (word == "ip6"):
            protocol = "" if entry["Protocol"] == "-1" else f"meta l4proto {entry['Protocol']}"
            if "PortRange" in entry:
                protocol += f" th dport {entry['PortRange']['From']}-{entry['PortRange']['To']}"
            verb = "return" if entry["RuleAction"] == "allow" else "drop"
            lines.append(f"{word} {'daddr' if is_egress else 'saddr'} {cidr} {protocol} {verb}")
    return lines


def _group_lines(case: Case, own: list[str], is_egress: bool, word: str) -> list[str]:
    numbers = {"tcp": "6", "udp": "17", "icmp": "1"}
    carried = {case.source: case.source_groups, case.destination: case.destination_groups}
    # Over a peering that is not there a reference means nobody.
    refers = case.is_same_vpc or case.peering["Status"]["Code"] == "active"
    lines = []
    for group in case.groups:
        if group["GroupId"] not in own:
            continue
        for rule in group["IpPermissionsEgress" if is_egress else "IpPermissions"]:
            peers = [r["CidrIp"] for r in rule.get("IpRanges", ())]
            peers += [r["CidrIpv6"] for r in rule.get("Ipv6Ranges", ())]
            peers += [
                c for p in rule.get("PrefixListIds", ()) for c in case.lists[p["PrefixListId"]]
            ]
            for pair in rule.get("UserIdGroupPairs", ()):
                peers += [a for a, g in carried.items() if refers and pair["GroupId"] in g]
            what = ""
            if rule["IpProtocol"] != "-1":
                what = f"meta l4proto {numbers.get(rule['IpProtocol'], rule['IpProtocol'])}"
                if rule["FromPort"] != -1:
                    what += f" th dport {rule['FromPort']}-{rule['ToPort']}"
            field = "daddr" if is_egress else "saddr"
            lines += [
                f"{word} {field} {peer} {what} return"
                for peer in peers
                if (":" in peer) == (word == "ip6")
            ]
    return lines


def compile_routes(case: Case, index: int) -> list[str]:
    """One network's two route tables as tables of the kernel, chosen by the packet's source."""
    if case.is_same_subnet:
        return []
    lines = []
    flag = "-6 " if case.family == 6 else ""
    gateways = {4: ("192.168.2.2", "192.168.1.2"), 6: ("fd02::2", "fd01::2")}[case.family]
    for number, table in enumerate(case.tables):
        kernel = 1000 + 2 * index + number
        own = (case.source, case.destination)[number]
        lines.append(f"{flag}rule add from {own} lookup {kernel}")
        lines.append(f"{flag}route add blackhole default metric 900 table {kernel}")
        for route in table["Routes"]:
            metric = 20 if "Origin" in route else 10
            kind = f"{_destination(route)} via {gateways[number]}"
            if not _leads(case, route):
                kind = f"blackhole {_destination(route)}"
            lines.append(f"{flag}route add {kind} metric {metric} table {kernel}")
    return lines


def _leads(case: Case, route: dict[str, Any]) -> bool:
    """Whether the thing that a route names takes packets to the other end at all."""
    if route["State"] == "blackhole" or route.get("GatewayId") == "igw-1":
        return False
    if route.get("GatewayId") == "local":
        return case.is_same_vpc
    return not case.is_same_vpc and case.peering["Status"]["Code"] == "active"


# --- the box ------------------------------------------------------------------------------------


def why_impossible() -> str | None:
    """Why this machine cannot ask packets; None when it can."""
    from opskit.sandbox.network import namespaces

    return namespaces.why_impossible()


def measure(cases: Sequence[Case], *, timeout_s: float = 0.5) -> list[bool]:
    """Whether each connection is answered, by an accept or by a refusal, as packets have it."""
    from opskit.sandbox.network.namespaces import SYSTEM_PATH

    command = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork",
               "--kill-child", "--mount-proc", "--", sys.executable, __file__, str(timeout_s)]  # fmt: skip
    done = subprocess.run(
        command,
        input=json.dumps([asdict(case) for case in cases]),
        env={**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers: list[bool] = json.loads(done.stdout)
    return answers


def main() -> None:
    """The router: make the two machines, load the rules, let the client try, print the answers."""
    timeout_s, cases = float(sys.argv[1]), [Case(**raw) for raw in json.load(sys.stdin)]
    server, client = (_machine(role, timeout_s) for role in ("server", "client"))
    _restart_target(
        [
            "link set lo up",
            *(
                line
                for name, net, machine in (("c", 1, client), ("s", 2, server))
                for line in (
                    f"link add {name} type veth peer name eth0 netns {machine.pid}",
                    f"addr add 192.168.{net}.1/30 dev {name}",
                    f"link set {name} up",
                    f"-6 addr add fd0{net}::1/64 dev {name} nodad",
                )
            ),
        ]
    )
    for name, value in (
        ("ipv4/ip_forward", 1),
        ("ipv6/conf/all/forwarding", 1),
        ("ipv4/conf/all/rp_filter", 0),
        ("ipv4/conf/c/rp_filter", 0),
        ("ipv4/conf/s/rp_filter", 0),
    ):
        Path(f"/proc/sys/net/{name}").write_text(str(value))
    for machine, net, own4, own6 in (
        (client, 1, "10.64.0.0/10", "fd64::/16"),
        (server, 2, "10.128.0.0/9", "fd65::/16"),
    ):
        _restart_target(
            [
                "link set lo up",
                f"addr add 192.168.{net}.2/30 dev eth0",
                "link set eth0 up",
                f"-6 addr add fd0{net}::2/64 dev eth0 nodad",
                f"route add default via 192.168.{net}.1",
                f"-6 route add default via fd0{net}::1",
                f"route add local {own4} dev lo",
                f"-6 route add local {own6} dev lo",
            ],
            inside=machine.pid,
        )
    other = {"c": ("10.64.0.0/10", "fd64::/16", 1), "s": ("10.128.0.0/9", "fd65::/16", 2)}
    _restart_target([f"route add {v4} via 192.168.{n}.2" for v4, _, n in other.values()])
    _restart_target([f"-6 route add {v6} via fd0{n}::2" for _, v6, n in other.values()])
    _restart_target([line for i, case in enumerate(cases) for line in compile_routes(case, i)])
    _load(cases)
    _say(server, "listen")
    attempts = [(c.source, c.client_port, c.destination, c.port) for c in cases]
    print(_say(client, json.dumps(attempts)))


def _machine(role: str, timeout_s: float) -> subprocess.Popen[str]:
    machine = subprocess.Popen(
        ["unshare", "--net", "--", sys.executable, __file__, str(timeout_s), role],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert machine.stdout is not None
    assert machine.stdout.readline() == "up\n"
    return machine


def _say(machine: subprocess.Popen[str], order: str) -> str:
    assert machine.stdin is not None
    assert machine.stdout is not None
    machine.stdin.write(order + "\n")
    machine.stdin.flush()
    return machine.stdout.readline().strip()


def _restart_target(lines: list[str], inside: int | None = None) -> None:
    enter = ["nsenter", "-t", str(inside), "-n", "--"] if inside else []
    for flag in ((), ("-6",)):
        own = [x.removeprefix("-6 ") for x in lines if x.startswith("-6 ") == bool(flag)]
        text = "\n".join(own) + "\n"
        subprocess.run([*enter, "ip", *flag, "-batch", "-"], input=text, text=True, check=True)


def _load(cases: list[Case]) -> None:
    head = [
        "add table inet box",
        "add map inet box ways4 { type ipv4_addr . ipv4_addr : verdict; }",
        "add map inet box ways6 { type ipv6_addr . ipv6_addr : verdict; }",
        "add chain inet box forward { type filter hook forward priority 0; policy drop; }",
        "add rule inet box forward ip saddr . ip daddr vmap @ways4",
        "add rule inet box forward ip6 saddr . ip6 daddr vmap @ways6",
    ]
    _nft(head)
    lines: list[str] = []
    for index, case in enumerate(cases):
        lines += compile_packets(case, index)
        if len(lines) > MOST_LINES:
            _nft(lines)
            lines = []
    _nft(lines)


def _nft(lines: list[str]) -> None:
    subprocess.run(["nft", "-f", "-"], input="\n".join(lines) + "\n", text=True, check=True)


def serve() -> None:
    """The server: accept on every address, on the ports that are open."""
    print("up", flush=True)
    sys.stdin.readline()
    listeners = []
    for port in LISTENING:
        one = socket.create_server(
            ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=4096
        )
        listeners.append(one)
    print("listening", flush=True)
    sys.stdin.read()


def connect(timeout_s: float) -> None:
    """The client: connect from the named addresses and ports, all at once."""
    print("up", flush=True)
    attempts = json.loads(sys.stdin.readline())
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    at_once = max(50, min(hard, 4096) - 50)
    answers: list[bool] = []
    for start in range(0, len(attempts), at_once):
        answers += _connect_all(attempts[start : start + at_once], timeout_s)
    print(json.dumps(answers), flush=True)


def _connect_all(attempts: list[Any], timeout_s: float) -> list[bool]:
    answers, waiting, poll = [False] * len(attempts), {}, select.epoll()
    for index, (source, client_port, there, port) in enumerate(attempts):
        family = socket.AF_INET6 if ":" in source else socket.AF_INET
        one = socket.socket(family, socket.SOCK_STREAM)
        one.setblocking(False)
        if family == socket.AF_INET6:
            # A local route is enough to bind to for IPv4 only.
            one.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        one.bind((source, client_port))
        one.connect_ex((there, port))
        poll.register(one, select.EPOLLOUT)
        waiting[one.fileno()] = (index, one)
    limit = time.monotonic() + timeout_s
    while waiting and (left := limit - time.monotonic()) > 0:
        for number, _ in poll.poll(left):
            index, one = waiting.pop(number)
            error = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            answers[index] = error in (0, 111)
            poll.unregister(number)
            one.close()
    for _, one in waiting.values():
        one.close()
    return answers


if __name__ == "__main__":
    if sys.argv[2:] == ["server"]:
        serve()
    elif sys.argv[2:] == ["client"]:
        connect(float(sys.argv[1]))
    else:
        main()
