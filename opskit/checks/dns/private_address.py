"""The database's name resolves to a private address on the instance.

Means: traffic leaves the VPC by its public side: rules that reference security groups do not match it,
and a private subnet has no route to it at all.
A loopback or link-local address is never a database's; opskit does not connect to one.
Found by: the address that the instance resolves, compared with the VPC's ranges.
Looks alike: a security group drop; both end in a time-out.
Fix: let the VPC's DNS answer with the private address: both DNS attributes on, and no public access.
Not the fix: opening the security group for the NAT gateway's address.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import replace

from opskit.checks.fix import Advice, Fix, Remedy
from opskit.checks.fix_commands import OUTSIDE_LOSES, call, set_public
from opskit.checks.interface import (
    Evidence,
    Finding,
    failed,
    not_reached,
    observed,
    passed,
    reported,
    skipped,
)
from opskit.checks.seen import Seen, one_of
from opskit.checks.symptoms import connection_place
from opskit.commands import Command
from opskit.config import Target
from opskit.endpoint import address_flaw, may_connect
from opskit.facts.database import Database
from opskit.facts.dns import DatabaseHost
from opskit.facts.interface import Fact, Known, Unknown
from opskit.facts.probe import InstanceProbe
from opskit.facts.vpc import Vpc, VpcDns
from opskit.symptom import NO_LOGIN_THERE, Symptom, SymptomKind, symptom

passes_on = one_of(
    Seen(InstanceProbe, "result.resolutions", lambda names: any(n.addresses for n in names))
)
leads_to = NO_LOGIN_THERE
symptoms = (SymptomKind.WRONG_ADDRESS,)


def check(
    target: Target,
    host: DatabaseHost,
    database: Database,
    probe: Fact[InstanceProbe],
    vpc: Fact[Vpc],
    vpc_dns: Fact[VpcDns],
) -> Finding:
    """Judge the addresses that the instance gets."""
    if host.is_address:
        return skipped("the endpoint parameter holds an address")
    noun = target.workload_kind.definite
    if isinstance(probe, Unknown):
        why = f"not resolved on {noun}: {probe.reason}"
        return not_reached(why, probe.waits_for, *probe.missing, place=connection_place(host))
    addresses = probe.value.addresses_of(host.name)
    seen_by = f"on {noun}"
    if not addresses:
        return not_reached(
            f"no address is known on {noun}",
            (SymptomKind.NOT_RESOLVED,),
            f"the name as {noun} sees it",
            place=connection_place(host),
        )
    own = [a for a in addresses if not may_connect(a, is_from_rds=host.is_from_rds)]
    if own:
        return failed(
            f"{host.name} resolves to {own[0]} {seen_by}, {address_flaw(own[0])}",
            observed(f"resolved {seen_by}"),
            fix=Advice(
                f"No database of RDS is there, and nothing was connected to it. Look for {host.name} in "
                "/etc/hosts, and for a record of your own with that address."
            ),
            symptom=_wrong(host, own),
        )
    public = [a for a in addresses if not _is_private(a, vpc)]
    if not public:
        return passed(f"{', '.join(addresses)} is private", observed(f"seen {seen_by}"))
    why = "publicly accessible" if database.instance.is_public else "not public by RDS's own word"
    return failed(
        f"{host.name} resolves to the public address {', '.join(public)} {seen_by}",
        observed(f"resolved {seen_by}"),
        reported(f"{database.instance.identifier} is {why}"),
        *_attributes(vpc_dns),
        fix=_fix(host, database, vpc_dns),
        symptom=_wrong(host, public),
    )


def _wrong(host: DatabaseHost, addresses: Iterable[str]) -> Symptom:
    """The symptom of a name with addresses that are not the database's."""
    where = replace(connection_place(host), addresses=frozenset(addresses))
    return symptom(SymptomKind.WRONG_ADDRESS, where, is_fault=True)


def _fix(host: DatabaseHost, database: Database, vpc_dns: Fact[VpcDns]) -> Remedy:
    """The fix that makes RDS and the VPC answer with the private address."""
    commands: list[Command] = []
    undo: list[Command] = []
    identifier, cautions = database.instance.identifier, []
    if isinstance(vpc_dns, Known) and not vpc_dns.value.gives_hostnames:
        commands.append(_hostnames(database, is_on=True))
        undo.append(_hostnames(database, is_on=False))
        cautions.append("The attribute is that of the whole VPC.")
    if database.instance.is_public:
        commands.append(set_public(identifier, is_public=False))
        undo.append(set_public(identifier, is_public=True))
        cautions.append(OUTSIDE_LOSES)
    if not commands:
        return Advice(
            f"RDS and the VPC are set to answer privately, so {host.name} is answered by something else: "
            f"compare it with {database.host}, and look for a resolver that is not the VPC's."
        )
    does = "lets the name resolve privately again"
    return Fix(tuple(commands), does, undo=tuple(reversed(undo)), caution=" ".join(cautions))


def _hostnames(database: Database, *, is_on: bool) -> Command:
    vpc = database.instance.vpc_id
    return call("ec2", "ModifyVpcAttribute", VpcId=vpc, EnableDnsHostnames={"Value": is_on})


def _is_private(address: str, vpc: Fact[Vpc]) -> bool:
    if isinstance(vpc, Known) and vpc.value.holds(address):
        return True
    return ipaddress.ip_address(address).is_private and not _is_documentation(address)


def _is_documentation(address: str) -> bool:
    """Whether an address is reserved for documentation (RFC 5737), which Python calls private."""
    reserved = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")
    return any(ipaddress.ip_address(address) in ipaddress.ip_network(r) for r in reserved)


def _attributes(vpc_dns: Fact[VpcDns]) -> tuple[Evidence, ...]:
    if not isinstance(vpc_dns, Known):
        return ()
    names = "on" if vpc_dns.value.gives_hostnames else "off"
    return (reported(f"the VPC's enableDnsHostnames is {names}"),)
