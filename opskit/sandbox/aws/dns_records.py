"""DNS answers from the emulated AWS: RDS endpoints, private zones, VPC attributes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opskit.sandbox import topology
from opskit.sandbox.aws.rds_control_plane import ours
from opskit.sandbox.network.dns_server import Answer

PUBLIC_NAME = "ec2-203-0-113-25.compute-1.amazonaws.com"


MOST_ALIASES = 8
"""A chain of CNAMEs that is longer is a loop."""


def resolve(name: str, *, inside: bool, most: int = MOST_ALIASES) -> Answer:
    """Answer a query of a machine inside the VPC, or of the operator outside.

    CNAMEs are followed, as a resolver does: a client asks once.

    Args:
        most: the names to look up; one that leads further is a loop.
    """
    vpc = _vpc()
    if inside and vpc is not None and not vpc.enable_dns_support:
        return "SILENT", []
    chain: list[tuple[str, str, str]] = []
    wanted = name
    for left in range(most, 0, -1):
        rcode, records = _lookup(wanted, inside=inside, most=left - 1)
        chain += records
        if not records or records[-1][1] != "CNAME":
            return rcode, chain
        wanted = records[-1][2].lower()
    return "SERVFAIL", []


def names_inside() -> dict[str, Answer] | None:
    """Every name that the VPC's resolver answers for, with its own records; None where it is silent."""
    from moto.rds.models import rds_backends
    from moto.route53.models import route53_backends

    vpc = _vpc()
    if vpc is not None and not vpc.enable_dns_support:
        return None
    zones = route53_backends[topology.ACCOUNT]["aws"].zones.values()
    databases = rds_backends[topology.ACCOUNT][topology.REGION].databases.values()
    names = {_plain(record.name) for zone in zones for record in zone.rrsets}
    names |= {instance.address for instance in databases}
    return {name: _lookup(name, inside=True, most=MOST_ALIASES) for name in names}


def _plain(name: str) -> str:
    """A record's name as a client writes it; Route 53 shows an asterisk as an octal escape."""
    return str(name).rstrip(".").replace("\\052", "*").lower()


def _lookup(name: str, *, inside: bool, most: int) -> Answer:
    """The answer about one name: by a private zone, which hides all others, a public one, or RDS."""
    answer = _zone(name, most, is_private=True) if inside else None
    return answer or _zone(name, most, is_private=False) or _database(name, inside=inside)


def _vpc() -> Any:
    from moto.ec2.models import ec2_backends

    backend = ec2_backends[topology.ACCOUNT][topology.REGION]
    return next((v for v in backend.vpcs.values() if v.cidr_block == topology.VPC_CIDR), None)


def _zone(name: str, most: int, *, is_private: bool) -> Answer | None:
    """The answer of the longest matching zone of a kind; None where there is none.

    Private zones are those of the VPC.
    """
    from moto.route53.models import route53_backends

    vpc = _vpc()
    zones = [
        z
        for z in route53_backends[topology.ACCOUNT]["aws"].zones.values()
        if z.private_zone == is_private
        and (not is_private or (vpc is not None and any(v["vpc_id"] == vpc.id for v in z.vpcs)))
        and f".{name}.".endswith(f".{z.name.rstrip('.').lower()}.")
    ]
    if not zones:
        return None
    zone = max(zones, key=lambda z: len(z.name)).rrsets
    at = _owned(zone, name) or _owned(zone, f"*.{name.partition('.')[2]}")
    if not at:
        return "NXDOMAIN", []
    for record in at:
        if record.alias_target:
            # Of an alias, a client sees only the addresses.
            target = record.alias_target["DNSName"].rstrip(".").lower()
            rcode, records = resolve(target, inside=is_private, most=most)
            return rcode, [(name, "A", data) for _, kind, data in records if kind == "A"]
        if record.type in ("A", "CNAME"):
            return "NOERROR", [(name, record.type, value.rstrip(".")) for value in record.records]
    # The name exists, with records of other types.
    return "NOERROR", []


def _owned(zone: Iterable[Any], name: str) -> list[Any]:
    return [record for record in zone if _plain(record.name) == name]


def _database(name: str, *, inside: bool) -> Answer:
    from moto.rds.models import rds_backends

    databases = rds_backends[topology.ACCOUNT][topology.REGION].databases.values()
    for instance in databases:
        if instance.address != name:
            continue
        if instance is not ours(databases):
            return "NOERROR", [(name, "A", "10.0.6.77")]
        if not instance.publicly_accessible:
            return "NOERROR", [(name, "A", _private_address(instance))]
        # A public instance is an alias of an EC2 name, which resolves to the private address inside the VPC
        # only if both DNS attributes are on.
        private = inside and _vpc().enable_dns_hostnames
        address = _private_address(instance) if private else topology.DATABASE_PUBLIC_ADDRESS
        return "NOERROR", [(name, "CNAME", PUBLIC_NAME), (PUBLIC_NAME, "A", address)]
    return "NXDOMAIN", []


def _private_address(instance: Any) -> str:
    """The address in the VPC of the instance's subnet group."""
    vpc = _vpc()
    moved = vpc is not None and instance.db_subnet_group.vpc_id != vpc.id
    return (
        topology.DATA_ADDRESS if moved and not topology.IS_LOOPBACK else topology.DATABASE_ADDRESS
    )
