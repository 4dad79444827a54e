"""Target health, derived from the app's real answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
            FakeHealthStatus(r.instance_id, r.port, r.health_check_port, state, reason, description)
            for r in rows
        ]

    ELBv2Backend.describe_target_health = describe_target_health
