"""The database's name resolves on the instance.

Means: the app does not even get an address to connect to.
Found by: resolving the name on the instance as programs there do; without the instance, by your
own resolver.
Looks alike: a resolver that does not answer is not a name that does not exist: the first is
SERVFAIL or a time-out, the second NXDOMAIN.
Fix: depends on which of the two it is; for NXDOMAIN look for a private hosted zone that shadows
the name, for silence at the VPC's enableDnsSupport.
Not the fix: an entry in /etc/hosts: the address changes at the next failover.
"""

from __future__ import annotations

from opskit.checks.fix import Advice, Danger, Fix, Remedy
from opskit.checks.fix_commands import call
from opskit.checks.interface import (
    Evidence,
    Finding,
    failed,
    observed,
    passed,
    reported,
    undecided,
)
from opskit.facts.dns import Host, OperatorDns
from opskit.facts.interface import Fact, Known, Unknown
from opskit.facts.private_zones import PrivateZone, PrivateZones
from opskit.facts.probe import InstanceProbe
from opskit.facts.vpc import VpcDns

explains = ("tcp", "tls", "auth", "app", "DNS002", "DNS003")
RDS_SUFFIXES = (".rds.amazonaws.com", ".rds.amazonaws.com.cn")
SUPPORT_OFF = (
    "Set enableDnsSupport of the VPC (ec2:ModifyVpcAttribute) after asking the VPC's owner: with resolvers "
    "of one's own it may be off on purpose, and then those have to resolve the name."
)
NOT_FOUND = (
    "A name that does not exist is misspelt, or its database was deleted or renamed: compare it with "
    "rds:DescribeDBInstances. A resolver that does not answer is another fault: look at /etc/resolv.conf "
    "there, and at the VPC's DHCP options."
)
is_essential = True


def check(
    host: Host,
    probe: Fact[InstanceProbe],
    dns: Fact[OperatorDns],
    vpc_dns: Fact[VpcDns],
    zones: Fact[PrivateZones],
) -> Finding:
    """Judge the instance's view, or the operator's where that is all there is."""
    if host.is_address:
        return passed(f"{host.name} is an address and needs no resolver")
    here = _own_view(dns)
    if isinstance(probe, Known) and probe.value.resolution(host.name) is not None:
        seen = probe.value.resolution(host.name)
        assert seen is not None  # noqa: S101  just looked at; mypy cannot tell
        if seen.addresses:
            addresses = ", ".join(seen.addresses)
            return passed(
                f"{host.name} is {addresses} on the instance",
                observed(f"the instance resolves it to {addresses}"),
                *here,
            )
        return _does_not(host, f"on the instance: {seen.error}", vpc_dns, zones, here)
    reason = probe.reason if isinstance(probe, Unknown) else "the instance could not resolve names"
    missing = probe.missing if isinstance(probe, Unknown) else ("the instance's own view",)
    if isinstance(dns, Known) and dns.value.addresses:
        return passed(f"{host.name} is {', '.join(dns.value.addresses)} for your resolver", *here)
    if isinstance(dns, Known) and dns.value.rcode == "NXDOMAIN":
        return _does_not(host, "for your resolver: NXDOMAIN", vpc_dns, zones, here)
    return undecided(reason, *missing)


def _does_not(
    host: Host,
    where: str,
    vpc_dns: Fact[VpcDns],
    zones: Fact[PrivateZones],
    here: tuple[Evidence, ...],
) -> Finding:
    cause, seen, remedy = _cause(host, vpc_dns, zones)
    text = f"{host.name} does not resolve {where}{cause}"
    return failed(text, observed(f"{host.name} {where}"), *here, *seen, fix=remedy)


def _cause(
    host: Host, vpc_dns: Fact[VpcDns], zones: Fact[PrivateZones]
) -> tuple[str, tuple[Evidence, ...], Remedy]:
    """Why the name does not resolve, as a clause; the evidence for it; what to do."""
    if isinstance(zones, Known) and zones.value.covering:
        zone = zones.value.covering[0]
        seen = reported(f"route53:ListHostedZonesByVPC lists {zone.name} for the VPC")
        label = f"the private hosted zone {zone.name} ({zone.zone_id})"
        if host.name.endswith(RDS_SUFFIXES):
            return f": {label} shadows it in this VPC", (seen,), _take_away(zone, zones.value)
        advice = f"Add {host.name} to {label}, as a CNAME of the database's endpoint, or correct the name."
        return f": {label} has no record of it", (seen,), Advice(advice)
    if isinstance(vpc_dns, Known) and not vpc_dns.value.is_supported:
        cause = ": the VPC's own resolver is switched off (enableDnsSupport)"
        seen = reported("ec2:DescribeVpcAttribute says enableDnsSupport false")
        return cause, (seen,), Advice(SUPPORT_OFF)
    return "", (), Advice(NOT_FOUND)


def _take_away(zone: PrivateZone, zones: PrivateZones) -> Remedy:
    """The zone's end in this VPC; none that would destroy records."""
    if zone.vpcs > 1:
        asked = {
            "HostedZoneId": zone.zone_id,
            "VPC": {"VPCRegion": zones.region, "VPCId": zones.vpc_id},
        }
        return Fix(
            (call("route53", "DisassociateVPCFromHostedZone", **asked),),
            "takes the zone away from this VPC, keeps its records",
            undo=(call("route53", "AssociateVPCWithHostedZone", **asked),),
            ask="The zone's owner put it there for something: other names of it stop to resolve in this VPC",
        )
    if zone.is_empty:
        return Fix(
            (call("route53", "DeleteHostedZone", Id=zone.zone_id),),
            "deletes the zone, which holds no records and serves no other VPC",
            no_undo="a zone that is made again gets another id",
            dangers=(Danger.IRREVERSIBLE,),
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
