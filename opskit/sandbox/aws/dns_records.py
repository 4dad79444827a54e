"""DNS answers from the emulated AWS: RDS endpoints, private zones, VPC attributes."""

from __future__ import annotations

from typing import Any

from opskit.sandbox import topology
from opskit.sandbox.aws.rds_control_plane import ours
from opskit.sandbox.network.dns_server import Answer

PUBLIC_NAME = "ec2-203-0-113-25.compute-1.amazonaws.com"


def resolve(name: str, *, inside: bool) -> Answer:
    """Answer a query of a machine inside the VPC, or of the operator outside."""
    if inside:
        vpc = _vpc()
        if vpc is not None and not vpc.enable_dns_support:
            return "SILENT", []
        shadowed = _private_zone(name)
        if shadowed is not None:
            return shadowed
    return _database(name, inside=inside)


def _vpc() -> Any:
    from moto.ec2.models import ec2_backends

    backend = ec2_backends[topology.ACCOUNT][topology.REGION]
    return next((v for v in backend.vpcs.values() if v.cidr_block == topology.VPC_CIDR), None)


def _private_zone(name: str) -> Answer | None:
    """The answer of the VPC's longest matching private zone, which hides all other answers."""
    from moto.route53.models import route53_backends

    vpc = _vpc()
    zones = [
        z
        for z in route53_backends[topology.ACCOUNT]["aws"].zones.values()
        if z.private_zone
        and any(v["vpc_id"] == vpc.id for v in z.vpcs)
        and f".{name}.".endswith(f".{z.name.rstrip('.')}.")
    ]
    if not zones:
        return None
    zone = max(zones, key=lambda z: len(z.name))
    for record in zone.rrsets:
        if record.name.rstrip(".").lower() == name and record.type_ in ("A", "CNAME"):
            return "NOERROR", [(name, record.type_, value.rstrip(".")) for value in record.records]
    return "NXDOMAIN", []


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
