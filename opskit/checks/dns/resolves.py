"""The database's name resolves on the instance.

Means: the app gets no address to connect to.
Found by: resolving the name on the instance as programs there do. Without the instance your own
resolver shows only that a name of RDS does not exist.
Looks alike: a resolver that does not answer is not a name that does not exist: the first is
SERVFAIL or a time-out, the second NXDOMAIN.
Fix: for NXDOMAIN look for a private hosted zone that shadows the name; without an answer check the
VPC's enableDnsSupport.
Not the fix: an entry in /etc/hosts: the address changes at the next failover.
"""

from __future__ import annotations

from dataclasses import replace

from opskit.checks.fix import Advice, Fix, Remedy
from opskit.checks.fix_commands import call
from opskit.checks.interface import (
    Evidence,
    Finding,
    failed,
    not_reached,
    observed,
    passed,
    reported,
)
from opskit.checks.seen import Seen, is_true, one_of
from opskit.checks.symptoms import connection_place
from opskit.config import Target
from opskit.facts.database import Database
from opskit.facts.dns import DatabaseHost, OperatorDns
from opskit.facts.interface import Fact, Known, Unknown
from opskit.facts.private_zones import PrivateZone, PrivateZones
from opskit.facts.probe import InstanceProbe
from opskit.facts.vpc import VpcDns
from opskit.probe.response import NO_NAME
from opskit.symptom import SymptomKind, symptom

leads_to = symptoms = (SymptomKind.NOT_RESOLVED,)
RDS_SUFFIXES = (".rds.amazonaws.com", ".rds.amazonaws.com.cn")
is_essential = True

NO_ANSWER = "the resolver did not answer"
"""The probe's message for a resolver without an answer."""
passes_on = one_of(
    Seen(DatabaseHost, "is_address", is_true),
    Seen(InstanceProbe, "result.resolutions", lambda names: any(n.addresses for n in names)),
)


def check(
    target: Target,
    host: DatabaseHost,
    probe: Fact[InstanceProbe],
    dns: Fact[OperatorDns],
    vpc_dns: Fact[VpcDns],
    zones: Fact[PrivateZones],
    database: Fact[Database],
) -> Finding:
    """Judge the workload's resolution, or the operator's where only that is known."""
    if host.is_address:
        return passed(f"{host.name} is an address and needs no resolver")
    here, noun = _own_view(dns), target.workload_kind.definite
    seen = probe.value.resolution(host.name) if isinstance(probe, Known) else None
    if seen is not None:
        if seen.addresses:
            addresses = ", ".join(seen.addresses)
            return passed(
                f"{host.name} is {addresses} on {noun}",
                observed(f"{noun} resolves it to {addresses}"),
                *here,
            )
        advice = _by_error(host, seen.error, probe)
        is_silent = seen.error == NO_ANSWER
        return _does_not(
            host,
            f"on {noun}: {seen.error}",
            vpc_dns,
            zones,
            here,
            database,
            advice,
            is_silent=is_silent,
        )
    reason = probe.reason if isinstance(probe, Unknown) else f"{noun} could not resolve names"
    missing = probe.missing if isinstance(probe, Unknown) else (f"the name as {noun} sees it",)
    # RDS's names are in the public DNS, so that no one else can resolve one that does not exist there.
    is_public_name = host.name.endswith(RDS_SUFFIXES)
    if isinstance(dns, Known) and dns.value.rcode == "NXDOMAIN" and is_public_name:
        advice = _by_error(host, NO_NAME, probe)
        return _does_not(
            host, "for your resolver: NXDOMAIN", vpc_dns, zones, here, database, advice
        )
    waits_for = probe.waits_for if isinstance(probe, Unknown) else ()
    return replace(not_reached(reason, waits_for, *missing), evidence=here)


def _does_not(
    host: DatabaseHost,
    where: str,
    vpc_dns: Fact[VpcDns],
    zones: Fact[PrivateZones],
    here: tuple[Evidence, ...],
    database: Fact[Database],
    advice: Advice,
    *,
    is_silent: bool = False,
) -> Finding:
    cause, seen, remedy = _cause(host, vpc_dns, zones, database, is_silent=is_silent)
    text = f"{host.name} does not resolve {where}{cause}"
    return failed(
        text,
        observed(f"{host.name} {where}"),
        *here,
        *seen,
        fix=remedy or advice,
        place=connection_place(host),
        symptom=None if cause else symptom(SymptomKind.NOT_RESOLVED, connection_place(host)),
    )


def _cause(
    host: DatabaseHost,
    vpc_dns: Fact[VpcDns],
    zones: Fact[PrivateZones],
    database: Fact[Database],
    *,
    is_silent: bool,
) -> tuple[str, tuple[Evidence, ...], Remedy | None]:
    """The cause of the failed resolution as a clause, its evidence, and the remedy.

    A resolver that does not answer has not looked into any zone.
    """
    if isinstance(zones, Known) and zones.value.covering and not is_silent:
        zone = zones.value.covering[0]
        seen = reported(f"route53:ListHostedZonesByVPC lists {zone.name} for the VPC")
        label = f"the private hosted zone {zone.name} ({zone.zone_id})"
        if host.name.endswith(RDS_SUFFIXES):
            return f": {label} shadows it in this VPC", (seen,), _take_away(zone, zones.value)
        text = f"Add {host.name} to {label}, as a CNAME of the database's endpoint, or correct the name."
        return f": {label} has no record of it", (seen,), Advice(text)
    if isinstance(vpc_dns, Known) and not vpc_dns.value.is_supported:
        cause = ": the VPC's own resolver is switched off (enableDnsSupport)"
        seen = reported("ec2:DescribeVpcAttribute says enableDnsSupport false")
        fix = _switch_on(database.value.instance.vpc_id) if isinstance(database, Known) else None
        return cause, (seen,), fix
    return "", (), None


def _switch_on(vpc_id: str) -> Fix:
    """The fix that enables the VPC's own resolver."""
    on, off = (
        call("ec2", "ModifyVpcAttribute", VpcId=vpc_id, EnableDnsSupport={"Value": is_on})
        for is_on in (True, False)
    )
    return Fix(
        (on,),
        "switches the VPC's resolver on",
        undo=(off,),
        ask="The VPC's owner switched it off for something: every machine in it gets another resolver",
    )


def _by_error(host: DatabaseHost, error: str, probe: Fact[InstanceProbe]) -> Advice:
    """Advice where no cause is known in AWS: check the name itself, or the resolver."""
    servers = ", ".join(probe.value.result.resolvers) if isinstance(probe, Known) else ""
    resolvers = f" (it asks {servers})" if servers else ""
    if error == NO_NAME:
        return Advice(
            f"Compare {host.name} in {host.source} with the endpoint that RDS shows: the name of a "
            f"database that was deleted or renamed is gone. Else the resolver{resolvers} is not the "
            "VPC's, the second address of its range, and does not know the VPC's names."
        )
    return Advice(
        f"Look at the resolver{resolvers}: the VPC's own is the second address of its range and always "
        "reachable; another one has to be reachable on port 53, by UDP and TCP."
    )


def _take_away(zone: PrivateZone, zones: PrivateZones) -> Remedy:
    """The fix that disassociates the zone from this VPC; advice where that would destroy records."""
    if zone.vpcs > 1:
        arguments = {
            "HostedZoneId": zone.zone_id,
            "VPC": {"VPCRegion": zones.region, "VPCId": zones.vpc_id},
        }
        return Fix(
            (call("route53", "DisassociateVPCFromHostedZone", **arguments),),
            "takes the zone away from this VPC, keeps its records",
            undo=(call("route53", "AssociateVPCWithHostedZone", **arguments),),
            ask="The zone's owner put it there for something: other names of it stop to resolve in this VPC",
        )
    if zone.is_empty:
        return Fix(
            (call("route53", "DeleteHostedZone", Id=zone.zone_id),),
            "deletes the zone, which holds no records and serves no other VPC",
            no_undo="a zone that is made again gets another id",
            ask="The zone's owner made it for something: ask before deleting it",
        )
    return Advice(
        f"The zone {zone.name} ({zone.zone_id}) has records and serves this VPC alone: its owner has to add "
        "this name to it, as a CNAME of the endpoint, or give the zone a longer name. No command is offered, "
        "since deleting it would take its other names away."
    )


def _own_view(dns: Fact[OperatorDns]) -> tuple[Evidence, ...]:
    if not isinstance(dns, Known):
        return ()
    answer = ", ".join(dns.value.addresses) or dns.value.rcode
    chain = " -> ".join(dns.value.chain)
    return (observed(f"your resolver says {answer} for {chain}"),)
