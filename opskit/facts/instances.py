"""The EC2 instances near the database, and the load balancer's target groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opskit.aws_protocols import paginate
from opskit.facts.interface import Ec2, Elbv2
from opskit.facts.subnets import name_of
from opskit.facts.vpc_scope import VpcScope
from opskit.workload.ec2_instance import Instance
from opskit.workload.interface import NetworkInterface


@dataclass(frozen=True, slots=True)
class Instances:
    """All instances of those VPCs that are not terminated."""

    all: tuple[Instance, ...]


@dataclass(frozen=True, slots=True)
class TargetGroup:
    """A target group: where the load balancer sends requests and how it checks health."""

    arn: str
    name: str
    port: int | None
    health_path: str | None
    health_protocol: str
    vpc_id: str | None
    load_balancer_arns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TargetGroups:
    """All target groups of the account and Region."""

    all: tuple[TargetGroup, ...]


def read(ec2: Ec2, scope: VpcScope) -> Instances:
    """Describe every instance of the database's VPC and its peers."""
    filters = [
        *scope.filter,
        {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]},
    ]
    reservations = paginate(
        ec2.describe_instances, "Reservations", Filters=filters, MaxResults=1000
    )
    return Instances(tuple(_instance(raw) for r in reservations for raw in r["Instances"]))


def read_target_groups(elbv2: Elbv2) -> TargetGroups:
    """Describe every target group."""
    rows = paginate(elbv2.describe_target_groups, "TargetGroups", token="NextMarker", asks="Marker")
    return TargetGroups(
        tuple(
            TargetGroup(
                g["TargetGroupArn"],
                g["TargetGroupName"],
                g.get("Port"),
                g.get("HealthCheckPath"),
                g.get("HealthCheckProtocol", "HTTP"),
                g.get("VpcId"),
                tuple(g.get("LoadBalancerArns", ())),
            )
            for g in rows
        )
    )


def _instance(raw: Mapping[str, Any]) -> Instance:
    groups = [g["GroupId"] for g in raw.get("SecurityGroups", ())]
    for interface in raw.get("NetworkInterfaces", ()):
        groups += [g["GroupId"] for g in interface.get("Groups", ()) if g["GroupId"] not in groups]
    profile = (raw.get("IamInstanceProfile") or {}).get("Arn")
    options = raw.get("MetadataOptions") or {}
    named = {str(t["Key"]): str(t["Value"]) for t in raw.get("Tags", ())}
    tags = " ".join(named.values())
    return Instance(
        instance_id=raw["InstanceId"],
        name=name_of(raw),
        state=raw["State"]["Name"],
        address=raw.get("PrivateIpAddress"),
        subnet_id=raw.get("SubnetId"),
        group_ids=tuple(groups),
        profile_arn=profile,
        metadata_tokens=options.get("HttpTokens", ""),
        metadata_hop_limit=int(options.get("HttpPutResponseHopLimit") or 1),
        searchable_text=f"{tags} {profile or ''}".lower(),
        vpc_id=raw.get("VpcId", ""),
        interfaces=_interfaces(raw),
        scaling_group=named.get("aws:autoscaling:groupName"),
    )


def _interfaces(raw: Mapping[str, Any]) -> tuple[NetworkInterface, ...]:
    interfaces = [
        NetworkInterface(
            row.get("NetworkInterfaceId", ""),
            int((row.get("Attachment") or {}).get("DeviceIndex", position)),
            row.get("PrivateIpAddress", ""),
            tuple(a["Ipv6Address"] for a in row.get("Ipv6Addresses", ())),
            row.get("SubnetId", ""),
            tuple(g["GroupId"] for g in row.get("Groups", ())),
        )
        for position, row in enumerate(raw.get("NetworkInterfaces", ()))
    ]
    return tuple(sorted(interfaces, key=lambda i: i.index))
