"""The load balancer in front of the app: its subnets, its groups and its listeners."""

from __future__ import annotations

from dataclasses import dataclass

from opskit.facts.instances import TargetGroup
from opskit.facts.interface import Elbv2, FactUnavailable, run_concurrently
from opskit.facts.target_health import TargetHealths


@dataclass(frozen=True, slots=True)
class LoadBalancer:
    """A load balancer that sends requests to the app.

    Attributes:
        kind: `application`, `network` or `gateway`.
        is_internal: not reachable from the internet.
        listener_ports: on which it accepts requests.
        target_group: the group in which the app is registered.
    """

    name: str
    kind: str
    is_internal: bool
    vpc_id: str
    subnet_ids: tuple[str, ...]
    group_ids: tuple[str, ...]
    listener_ports: tuple[int, ...]
    target_group: TargetGroup


def read(elbv2: Elbv2, targets: TargetHealths) -> LoadBalancer:
    """Describe the load balancer of the first target group that contains the app and has one."""
    group = next((t.group for t in targets.all if t.group.load_balancer_arns), None)
    if group is None:
        raise FactUnavailable(
            "no load balancer sends requests to the app", "a target group with the app"
        )
    arn = group.load_balancer_arns[0]
    balancers, listeners = run_concurrently(
        [
            lambda: elbv2.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"],
            lambda: elbv2.describe_listeners(LoadBalancerArn=arn)["Listeners"],
        ]
    )
    raw = balancers[0]
    return LoadBalancer(
        raw["LoadBalancerName"],
        raw.get("Type", "application"),
        raw.get("Scheme") == "internal",
        raw.get("VpcId", ""),
        tuple(z["SubnetId"] for z in raw.get("AvailabilityZones", ())),
        tuple(raw.get("SecurityGroups", ())),
        tuple(sorted({int(x["Port"]) for x in listeners if x.get("Port")})),
        group,
    )
