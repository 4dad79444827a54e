"""The private hosted zones of the database's VPC that cover its host name."""

from __future__ import annotations

from dataclasses import dataclass

from opskit.facts.database import Database
from opskit.facts.dns import DatabaseHost
from opskit.facts.interface import Route53
from opskit.facts.region import Region

OWN_RECORDS = 2
"""Every zone has one NS and one SOA record set."""


@dataclass(frozen=True, slots=True)
class PrivateZone:
    """A private zone that covers the host's name.

    Attributes:
        vpcs: number of VPCs it is associated with; the last one cannot be disassociated.
    """

    zone_id: str
    name: str
    vpcs: int
    is_empty: bool


@dataclass(frozen=True, slots=True)
class PrivateZones:
    """The VPC's private zones that cover the host's name, the longest first.

    Attributes:
        names: of all private zones of the VPC, in lower case; None where they were not kept.
    """

    vpc_id: str
    region: str
    covering: tuple[PrivateZone, ...]
    names: tuple[str, ...] | None = None


def read(route53: Route53, host: DatabaseHost, database: Database, region: Region) -> PrivateZones:
    """List the VPC's zones and read those whose name is a suffix of the host's."""
    vpc_id = database.instance.vpc_id
    reply = route53.list_hosted_zones_by_vpc(VPCId=vpc_id, VPCRegion=region.name)
    covering = [z for z in reply["HostedZoneSummaries"] if _covers(z["Name"], host.name)]
    covering.sort(key=lambda z: -len(z["Name"]))
    zones = []
    for summary in covering:
        zone_reply = route53.get_hosted_zone(Id=summary["HostedZoneId"])
        zones.append(
            PrivateZone(
                summary["HostedZoneId"],
                summary["Name"].rstrip("."),
                len(zone_reply.get("VPCs", ())),
                int(zone_reply["HostedZone"].get("ResourceRecordSetCount", 0)) <= OWN_RECORDS,
            )
        )
    names = tuple(sorted(z["Name"].rstrip(".").lower() for z in reply["HostedZoneSummaries"]))
    return PrivateZones(vpc_id, region.name, tuple(zones), names)


def _covers(zone: str, host: str) -> bool:
    return f".{host.lower()}.".endswith(f".{zone.lower().rstrip('.')}.")
