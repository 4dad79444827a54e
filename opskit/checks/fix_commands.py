"""Commands that several checks offer as their fix."""

from __future__ import annotations

from typing import Any

from opskit.checks.fix import AwsCall, Command, InstanceCommand
from opskit.facts.app_instance import AppInstance
from opskit.facts.ecs_task import EcsTask
from opskit.facts.interface import Fact, Known
from opskit.facts.probe import InstanceProbe
from opskit.instance.probe import Container


def call(service: str, operation: str, /, **parameters: Any) -> AwsCall:
    """An AWS call; parameters named as in the API reference."""
    return AwsCall(service, operation, parameters)


def put_parameter(name: str, kind: str, value: str) -> AwsCall:
    """Overwrite a parameter that holds no secret."""
    return call("ssm", "PutParameter", Name=name, Type=kind, Overwrite=True, Value=value)


def restart_commands(app: Fact[AppInstance], probe: Fact[InstanceProbe]) -> tuple[Command, ...]:
    """What makes the app read its settings anew; nothing when its container is not known.

    A container that was given its settings when it was created keeps them over a restart, so it
    has to be created anew.
    """
    if isinstance(app, Known) and app.value.task is not None:
        return _redeploy(app.value.task)
    if not isinstance(app, Known) or not isinstance(probe, Known) or not probe.value.containers:
        return ()
    container = probe.value.containers[0]
    instance_id = app.value.instance.instance_id
    password = container.setting("password")
    if password is not None and password.source == "config":
        if not container.project_directory:
            return ()
        return (InstanceCommand(instance_id, (recreate(container),)),)
    return (InstanceCommand(instance_id, (("docker", "restart", container.name),)),)


def _redeploy(task: EcsTask) -> tuple[Command, ...]:
    """A deployment of the same definition; a task without a service is run again by whoever ran it."""
    place = task.place
    if not place.service:
        return ()
    asked = {"cluster": place.cluster, "service": place.service, "forceNewDeployment": True}
    return (AwsCall("ecs", "UpdateService", asked),)


def restart_if_unhealthy(app: Fact[AppInstance], probe: Fact[InstanceProbe]) -> tuple[Command, ...]:
    """The restart of an app that says it is not healthy: it may have started without settings."""
    if isinstance(probe, Known) and probe.value.health and probe.value.health.status != 200:
        return restart_commands(app, probe)
    return ()


def recreate(container: Container) -> tuple[str, ...]:
    """Create a compose service's container anew."""
    words = ("docker", "compose", "--project-directory", container.project_directory)
    service = (container.service,) if container.service else ()
    return (*words, "up", "-d", "--force-recreate", *service)
