"""Every subnet in which the app may run, not only that of the diagnosed instance."""

from __future__ import annotations

from dataclasses import dataclass

from opskit.facts.instances import Instances
from opskit.facts.interface import Autoscaling
from opskit.workload.interface import Workload


@dataclass(frozen=True, slots=True)
class AppSubnets:
    """Subnet ids, each with the reason why it is known to be the app's."""

    why_by_id: dict[str, str]


def read(autoscaling: Autoscaling, app: Workload, instances: Instances) -> AppSubnets:
    """Read the Auto Scaling group's subnets, and those of instances with exactly the same groups."""
    reasons = {
        i.subnet_id: f"{i.label} runs there"
        for i in instances.all
        if i.subnet_id and i.state == "running" and i.group_ids == app.group_ids
    }
    if app.scaling_group:
        reply = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[app.scaling_group])
        for group in reply["AutoScalingGroups"]:
            for subnet in filter(None, str(group.get("VPCZoneIdentifier", "")).split(",")):
                reasons.setdefault(subnet.strip(), f"{app.scaling_group} may start it there")
    reasons.pop(app.subnet_id, None)
    return AppSubnets(reasons)
