"""Connects the steps of a rotation with the AWS clients and the fence that they need."""

from __future__ import annotations

from collections.abc import Callable

from opskit.engine.interface import Engine, LoginFailure
from opskit.rotation.protocol.fence import Fence
from opskit.rotation.protocol.interface import AwsClients
from opskit.rotation.steps.restart import Containers, EcsServices, RestartResult, RestartTarget
from opskit.transport.interface import Transport

BELONGS_TO_LOGIN = frozenset({LoginFailure.PASSWORD, LoginFailure.OTHER, LoginFailure.ROLE_REFUSED})


def create_restarter(
    aws: AwsClients,
    fence: Fence,
    transport: Callable[[str], Transport],
    database: Engine,
    health_timeout_s: float,
) -> Callable[[RestartTarget], RestartResult]:
    """Create the function that restarts one target: an ECS service, or a container on an instance.

    Args:
        transport: instance id -> the transport to it.
        database: classifies an unhealthy app's message about its login.
    """
    containers = Containers(
        transport,
        aws.region,
        lambda text: database.classify(text) in BELONGS_TO_LOGIN,
        health_timeout_s,
    )

    def restart(target: RestartTarget) -> RestartResult:
        if target.kind != "ecs":
            return containers.restart(target)
        fence.mark_observed()
        services = EcsServices(aws.client("ecs"), aws.write_client("ecs", fence.check))
        return services.restart(target)

    return restart
