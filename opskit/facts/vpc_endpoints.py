"""The endpoints of the VPCs in scope, by which private subnets reach the APIs of AWS."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opskit.aws_protocols import paginate
from opskit.facts.interface import Ec2
from opskit.facts.tags import name_of
from opskit.facts.vpc_scope import VpcScope

INTERFACE = "interface"
AVAILABLE = "available"


@dataclass(frozen=True, slots=True)
class VpcEndpoint:
    """A VPC endpoint.

    Attributes:
        service: AWS's name of it, such as `com.amazonaws.us-east-1.ssm`.
        kind: `interface`, `gateway`, ... in lower case.
        state: `available`, `pendingacceptance`, ... in lower case: EC2's spelling differs from its model's.
        has_private_dns: the service's public name resolves to the endpoint in the whole VPC.
        policy: its policy document; empty where EC2 shows none, which is full access.
    """

    endpoint_id: str
    name: str
    service: str
    kind: str
    state: str
    vpc_id: str
    subnet_ids: tuple[str, ...]
    group_ids: tuple[str, ...]
    has_private_dns: bool
    policy: Mapping[str, Any]

    @property
    def label(self) -> str:
        """Name first, id in brackets."""
        return f"{self.name} ({self.endpoint_id})" if self.name else self.endpoint_id


@dataclass(frozen=True, slots=True)
class VpcEndpoints:
    """All endpoints of those VPCs."""

    all: tuple[VpcEndpoint, ...]

    def of(self, vpc_id: str, service: str) -> tuple[VpcEndpoint, ...]:
        """The interface endpoints of a VPC for a service, such as `ssm`."""
        return tuple(
            e
            for e in self.all
            if e.vpc_id == vpc_id
            and e.kind == INTERFACE
            and e.service.rsplit(".", 1)[-1] == service
        )


def read(ec2: Ec2, scope: VpcScope) -> VpcEndpoints:
    """Describe every endpoint."""
    rows = paginate(ec2.describe_vpc_endpoints, "VpcEndpoints", Filters=scope.filter)
    return VpcEndpoints(tuple(endpoint_of(raw) for raw in rows))


def endpoint_of(raw: Mapping[str, Any]) -> VpcEndpoint:
    """An endpoint as EC2 describes it."""
    return VpcEndpoint(
        raw["VpcEndpointId"],
        name_of(raw),
        raw.get("ServiceName", ""),
        str(raw.get("VpcEndpointType", "")).lower(),
        str(raw.get("State", "")).lower(),
        raw.get("VpcId", ""),
        tuple(raw.get("SubnetIds", ())),
        tuple(g["GroupId"] for g in raw.get("Groups", ())),
        bool(raw.get("PrivateDnsEnabled")),
        _document(raw.get("PolicyDocument")),
    )


def _document(text: str | None) -> Mapping[str, Any]:
    try:
        document = json.loads(text or "{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
