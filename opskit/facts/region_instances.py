"""The EC2 instances of the Region, whatever their state: the app's may be stopped, or in any VPC."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from opskit.aws_protocols import paginate
from opskit.config import Target
from opskit.facts.interface import Ec2
from opskit.facts.tags import name_of
from opskit.workload.ec2_instance import Instance
from opskit.workload.interface import NetworkInterface

MOST = 2000
"""Reservations that are read at most, two pages: a larger account would make everybody wait."""


@dataclass(frozen=True, slots=True)
class RegionInstances:
    """The instances of the account and Region; EC2 lists a terminated one for about an hour.

    Attributes:
        is_complete: all of them were read; otherwise the first ones, and the one that was named.
    """

    all: tuple[Instance, ...]
    is_complete: bool


def read(ec2: Ec2, target: Target) -> RegionInstances:
    """Describe the first instances of the Region; beyond them, the one that the settings name."""
    listed = list(
        islice(paginate(ec2.describe_instances, "Reservations", MaxResults=1000), MOST + 1)
    )
    is_complete = len(listed) <= MOST
    if not is_complete and target.instance:
        name = "instance-id" if target.instance.startswith("i-") else "tag:Name"
        filters = [{"Name": name, "Values": [target.instance]}]
        listed += paginate(ec2.describe_instances, "Reservations", Filters=filters, MaxResults=1000)
    return RegionInstances(instances_of(listed), is_complete)


def instances_of(reservations: Iterable[Mapping[str, Any]]) -> tuple[Instance, ...]:
    """The instances of EC2's reservations, each once."""
    rows = (instance_of(raw) for r in reservations for raw in r["Instances"])
    return tuple({i.instance_id: i for i in rows}.values())


def instance_of(raw: Mapping[str, Any]) -> Instance:
    """An instance as EC2 describes it."""
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
        public_address=raw.get("PublicIpAddress") or "",
        state_reason=(raw.get("StateReason") or {}).get("Message", ""),
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
