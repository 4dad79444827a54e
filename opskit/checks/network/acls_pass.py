"""The network ACLs let the app's packets and the database's replies through.

Means: ACLs keep no state, so the reply needs an allow of its own on the ports from which the
client connected; what they drop, they drop in silence.
Found by: the four passages between the two subnets, entry by entry in the order of their numbers;
within one subnet no ACL is passed.
Looks alike: a security group's drop (NET001, NET002); only the rules tell them apart.
Fix: one allow entry with a number below the entry that decides.
Not the fix: an ACL that allows everything, or moving the subnet to the default ACL.
"""

from __future__ import annotations

from dataclasses import dataclass

from opskit.checks.interface import (
    Evidence,
    Finding,
    Fix,
    derived,
    failed,
    observed,
    passed,
    skipped,
    undecided,
    warned,
)
from opskit.checks.remedy import aws
from opskit.facts.app_instance import AppInstance
from opskit.facts.database import Database
from opskit.facts.dns import OperatorDns
from opskit.facts.interface import Fact, Known
from opskit.facts.probe import InstanceProbe
from opskit.facts.subnets import NetworkAcl, NetworkAcls, Subnet, Subnets
from opskit.reachability.network_acl import Drop, first_drop

explains = ("tcp", "tls", "auth", "app")

EPHEMERAL = (32768, 60999)
"""Linux's own default, where the instance did not say (net.ipv4.ip_local_port_range)."""
ADVISED = (1024, 65535)
"""What covers every client: NAT gateways, load balancers and other systems use all of it."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One ACL on the way, and what it drops there."""

    words: str
    drop: Drop
    peer_cidr: str
    ports: tuple[int, int]


def check(
    app: AppInstance,
    database: Database,
    subnets: Subnets,
    acls: NetworkAcls,
    dns: Fact[OperatorDns],
    probe: Fact[InstanceProbe],
) -> Finding:
    """Judge today's subnet of the database, and every other it may fail over to."""
    here = subnets.get(app.instance.subnet_id or "")
    address = app.instance.address
    if here is None or address is None:
        return undecided(f"the subnet of {app.instance.label} is not known", "ec2:DescribeSubnets")
    today = _today(database, subnets, dns, probe)
    ports = EPHEMERAL
    if isinstance(probe, Known) and probe.value.result.ephemeral_ports:
        ports = probe.value.result.ephemeral_ports
    elsewhere: list[tuple[Subnet, Passage]] = []
    possible = [s for s in (subnets.get(d.subnet_id) for d in database.instance.subnets) if s]
    for there in possible:
        for passage in _drops(here, address, there, database.port, ports, acls):
            elsewhere.append((there, passage))
    now = [p for s, p in elsewhere if today is None or s == today]
    if now and (today is not None or len({s for s, _ in elsewhere}) == len(possible)):
        return _blocked(now, database, probe)
    if elsewhere:
        there, passage = elsewhere[0]
        return warned(
            f"{passage.drop.acl.label} would drop {passage.words} once {database.instance.identifier} "
            f"fails over to {there.label}",
            derived(f"{passage.drop.acl.label}: {passage.drop.decided_by}"),
            fix=_fix([passage]),
        )
    if all(there == here for there in possible):
        return skipped("app and database share a subnet, so no ACL is passed")
    return passed(f"the ACLs pass {database.port} and the replies between app and database")


def _today(
    database: Database, subnets: Subnets, dns: Fact[OperatorDns], probe: Fact[InstanceProbe]
) -> Subnet | None:
    """The subnet of the database's present address."""
    addresses: tuple[str, ...] = ()
    if isinstance(probe, Known) and database.host:
        addresses = probe.value.addresses_of(database.host)
    if not addresses and isinstance(dns, Known):
        addresses = dns.value.addresses
    return next((s for s in (subnets.of_address(a) for a in addresses) if s), None)


def _drops(
    here: Subnet, address: str, there: Subnet, port: int, reply: tuple[int, int], acls: NetworkAcls
) -> list[Passage]:
    """The passages between two subnets that drop something, in the order of travel."""
    if here == there:
        return []
    # Any address of the subnet stands for the database: ACLs are written for ranges of whole
    # subnets, and the interface may get another address in it.
    peer = there.cidr.split("/")[0]
    near, far = acls.of_subnet(here.subnet_id), acls.of_subnet(there.subnet_id)
    asked = (
        ("the app's packets on their way out", near, True, peer, there.cidr, (port, port)),
        ("the app's packets on their way in", far, False, address, here.cidr, (port, port)),
        ("the database's replies on their way out", far, True, address, here.cidr, reply),
        ("the database's replies on their way in", near, False, peer, there.cidr, reply),
    )
    found = []
    for words, acl, is_egress, other, cidr, ports in asked:
        drop = _drop(acl, is_egress, other, ports)
        if drop is not None:
            found.append(Passage(words, drop, cidr, ports))
    return found


def _drop(
    acl: NetworkAcl | None, is_egress: bool, peer: str, ports: tuple[int, int]
) -> Drop | None:
    if acl is None:
        return None
    return first_drop(acl, is_egress=is_egress, peer=peer, first_port=ports[0], last_port=ports[1])


def _blocked(passages: list[Passage], database: Database, probe: Fact[InstanceProbe]) -> Finding:
    first = passages[0]
    outcome = probe.value.connection(database.port) if isinstance(probe, Known) else None
    said = f"{first.drop.acl.label} drops {first.words}: {first.drop.decided_by}"
    rules: list[Evidence] = [
        derived(
            f"{p.drop.acl.label} drops ports {p.drop.ports[0]}-{p.drop.ports[1]} of {p.words}"
            + ("; other ports pass" if p.drop.is_partial else "")
        )
        for p in passages
    ]
    if outcome is not None:
        rules.append(observed(f"on the instance: {outcome.words}"))
        if outcome.is_connected and not all(p.drop.is_partial for p in passages):
            return warned(
                f"{said}; yet the instance connected, so something is not known here", *rules
            )
    if all(p.drop.is_partial for p in passages):
        said += f" for ports {first.drop.ports[0]}-{first.drop.ports[1]}, so some connections fail"
    return failed(said, *rules, fix=_fix(passages))


def _fix(passages: list[Passage]) -> Fix | None:
    commands = tuple(c for c in (_allow(p) for p in passages) if c)
    if not commands:
        return None
    return Fix(
        f"adds {len(commands)} allow {'entry' if len(commands) == 1 else 'entries'}, removes none",
        commands,
    )


def _allow(passage: Passage) -> str | None:
    """The entry that lets it pass, with a number below the one that decides."""
    drop = passage.drop
    number = _number(drop)
    if number is None:
        return None
    first, last = passage.ports if passage.ports[0] == passage.ports[1] else ADVISED
    direction = {"egress": True} if drop.is_egress else {"ingress": True}
    return aws(
        "ec2",
        "create-network-acl-entry",
        network_acl_id=drop.acl.acl_id,
        **direction,
        rule_number=number,
        protocol="tcp",
        port_range=f"From={first},To={last}",
        cidr_block=passage.peer_cidr,
        rule_action="allow",
    )


def _number(drop: Drop) -> int | None:
    """A free number: before the denying entry, or after the last when none decides."""
    used = {e.number for e in drop.acl.entries if e.is_egress == drop.is_egress}
    own = {n for n in used if n < 32767}
    if drop.entry is None or drop.entry.number >= 32767:
        return min(32766, max(own, default=90) + 10)
    return next((n for n in range(drop.entry.number - 1, 0, -1) if n not in used), None)
