"""The owners of network interfaces beside EC2 instances and databases: Lambda functions, ECS tasks, proxies.

They have security groups too, so a rule for a group is a rule for all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from opskit.aws_protocols import paginate
from opskit.facts.interface import Ec2
from opskit.facts.vpc_scope import VpcScope

OF_DATABASE = "RDSNetworkInterface"
"""The description of the interfaces of RDS, Neptune and DocumentDB, which `DescribeDBInstances` names."""
NAMED = (
    (re.compile(r"AWS Lambda VPC ENI-(.+?)(?:-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})?"), "Lambda {}"),
    (re.compile(r"ELB (?:(?:app|net|gwy)/)?([^/]+)(?:/.*)?"), "load balancer {}"),
    (re.compile(r"VPC Endpoint Interface (\S+)"), "VPC endpoint {}"),
    (re.compile(r"Network interface for DBProxy (\S+)"), "RDS Proxy {}"),
    (re.compile(r"EFS mount target for (\S+).*"), "EFS {}"),
)  # fmt: skip
"""Descriptions that AWS gives to interfaces, and the owner that each names."""
ECS_ATTACHMENT = re.compile(r"arn:aws[a-z-]*:ecs:.*:attachment/.*")
SERVICE_TAGS = ("aws:ecs:clusterName", "aws:ecs:serviceName")
"""The tags of ECS on a task's interface, where the service has managed tags."""


@dataclass(frozen=True, slots=True)
class InterfaceOwner:
    """The owner of a network interface.

    Attributes:
        label: its name for a reader.
        ecs_service: CLUSTER/SERVICE of a task; empty where it is not known, and for every other owner.
    """

    interface_id: str
    label: str
    group_ids: tuple[str, ...]
    ecs_service: str = ""


@dataclass(frozen=True, slots=True)
class InterfaceOwners:
    """The owners of all attached interfaces in those VPCs, except EC2 instances and databases."""

    all: tuple[InterfaceOwner, ...]


def read(ec2: Ec2, scope: VpcScope) -> InterfaceOwners:
    """Describe every interface of the database's VPC and its peers."""
    rows = paginate(
        ec2.describe_network_interfaces, "NetworkInterfaces", Filters=scope.filter, MaxResults=1000
    )
    return InterfaceOwners(tuple(_owners(rows)))


def _owners(rows: Iterator[Mapping[str, Any]]) -> Iterator[InterfaceOwner]:
    for raw in rows:
        attachment = raw.get("Attachment") or {}
        description = raw.get("Description") or ""
        group_ids = tuple(g["GroupId"] for g in raw.get("Groups", ()))
        is_counted = attachment.get("InstanceId") or description == OF_DATABASE
        if not is_counted and group_ids and raw.get("Status") != "available":
            tags = {t["Key"]: t["Value"] for t in raw.get("TagSet", ())}
            names = [tags[t] for t in SERVICE_TAGS if tags.get(t)]
            service = "/".join(names) if len(names) == len(SERVICE_TAGS) else ""
            label = _label(raw["NetworkInterfaceId"], description, service)
            yield InterfaceOwner(raw["NetworkInterfaceId"], label, group_ids, service)


def _label(interface_id: str, description: str, service: str) -> str:
    if ECS_ATTACHMENT.fullmatch(description):
        return f"ECS service {service}" if service else "an ECS task"
    for pattern, label in NAMED:
        match = pattern.fullmatch(description)
        if match:
            return label.format(match[1])
    return f"{description} ({interface_id})" if description else interface_id
