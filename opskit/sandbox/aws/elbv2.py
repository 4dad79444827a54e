"""Target health, derived from the app's real answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opskit.sandbox import topology

REASONS = {
    0: ("Target.FailedHealthChecks", "Health checks failed"),
    503: ("Target.ResponseCodeMismatch", "Health checks failed with these codes: [503]"),
}


def install(health: Callable[[], int]) -> None:
    """Let DescribeTargetHealth report the app's health; `health` returns the last HTTP status."""
    from moto.elbv2.models import ELBv2Backend, FakeHealthStatus

    plain = ELBv2Backend.describe_target_health

    def describe_target_health(self: Any, target_group_arn: str, targets: Any) -> Any:
        rows = plain(self, target_group_arn, targets)
        status = health()
        if status == 200:
            state, reason, description = "healthy", None, None
        else:
            state = "unhealthy"
            reason, description = REASONS.get(status, REASONS[503])
        return [
            _stopped(r)
            or FakeHealthStatus(
                r.instance_id, r.port, r.health_check_port, state, reason, description
            )
            for r in rows
        ]

    ELBv2Backend.describe_target_health = describe_target_health


def _stopped(row: Any) -> Any:
    """AWS's answer on a target that is no running instance; None for one that is."""
    from moto.ec2.models import ec2_backends
    from moto.elbv2.models import FakeHealthStatus

    backend = ec2_backends[topology.ACCOUNT][topology.REGION]
    instance = next((i for i in backend.all_instances() if i.id == row.instance_id), None)
    if instance is None or instance.state in ("running", "pending"):
        return None
    text = f"Target is in the {instance.state} state"
    port = row.health_check_port
    return FakeHealthStatus(row.instance_id, row.port, port, "unused", "Target.InvalidState", text)
