"""The EC2 instances among which the app's is searched, and the load balancer's target groups."""

from __future__ import annotations

from dataclasses import dataclass

from opskit.aws_protocols import paginate
from opskit.facts.interface import Ec2, Elbv2, Fact, Unknown
from opskit.facts.region_instances import RegionInstances, instances_of
from opskit.facts.vpc_scope import VpcScope
from opskit.workload.ec2_instance import Instance


@dataclass(frozen=True, slots=True)
class Instances:
    """The instances of the account and Region, whatever their state.

    Attributes:
        is_complete: all of them; otherwise those of the VPCs in scope, and some others.
    """

    all: tuple[Instance, ...]
    is_complete: bool = True


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


def read(ec2: Ec2, region: RegionInstances, scope: Fact[VpcScope]) -> Instances:
    """Take the instances of the Region; of a large account, add those of the VPCs in scope."""
    if region.is_complete or isinstance(scope, Unknown):
        return Instances(region.all, region.is_complete)
    rows = paginate(
        ec2.describe_instances, "Reservations", Filters=scope.value.filter, MaxResults=1000
    )
    by_id = {i.instance_id: i for i in (*region.all, *instances_of(rows))}
    return Instances(tuple(by_id.values()), is_complete=False)


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
