"""Policies of interface endpoints: a second permission for what the instance calls through them.

Source: AWS PrivateLink Guide, endpoint policies; IAM User Guide, access denied messages.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from opskit.sandbox import topology
from opskit.sandbox.aws.iam_evaluator import AccessDecision, Context, decide

ALLOWED = AccessDecision("allowed")


def endpoint_decision(action: str, resource: str, context: Context) -> AccessDecision:
    """The decision of the endpoint through which the VPC reaches the service of an action.

    Without an endpoint that answers for the service's own name, no endpoint policy applies.
    """
    service = action.split(":", 1)[0]
    policies = [json.loads(e.policy_document) for e in _endpoints(service)]
    if not policies:
        return ALLOWED
    return replace(decide(policies, None, action, resource, context), policy_type="VPC endpoint")


def _endpoints(service: str) -> list[Any]:
    from moto.ec2.models import ec2_backends

    backend = ec2_backends[topology.ACCOUNT][topology.REGION]
    name = f"com.amazonaws.{topology.REGION}.{service}"
    vpcs = {v.id for v in backend.vpcs.values() if v.cidr_block == topology.VPC_CIDR}
    return [
        e
        for e in backend.vpc_end_points.values()
        if e.service_name == name
        and e.vpc_id in vpcs
        and e.vpc_endpoint_type == "Interface"
        and str(e.private_dns_enabled).lower() == "true"
        and e.state == "available"
    ]
