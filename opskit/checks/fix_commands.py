"""Commands that several checks offer as their fix."""

from __future__ import annotations

from typing import Any

from opskit.checks.containers import app_containers
from opskit.commands import AwsCall, Command, InstanceCommand
from opskit.facts.app_instance import AppInstance
from opskit.facts.ecs_task import EcsTask
from opskit.facts.interface import Fact, Known
from opskit.facts.probe import InstanceProbe
from opskit.probe.response import Container

RDS_BUNDLE = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"
"""AWS's bundle of the RDS CA certificates of all Regions."""


def call(service: str, operation: str, /, **parameters: Any) -> AwsCall:
    """An AWS call, with parameters named as in the API reference."""
    return AwsCall(service, operation, parameters)


def docker(app: AppInstance, verb: str, container: Container) -> InstanceCommand:
    """The docker command for a container: start, stop, pause or unpause."""
    return InstanceCommand(app.instance.instance_id, (("docker", verb, container.name),))


def restart(app: AppInstance, container: Container) -> InstanceCommand:
    """Restart a container's program; the environment from its creation is kept."""
    return docker(app, "restart", container)


def restart_commands(app: Fact[AppInstance], probe: Fact[InstanceProbe]) -> tuple[Command, ...]:
    """The restarts that make the app read changed parameters; none where its containers are unknown.

    A container whose settings were fixed when it was created does not read the parameters, so it is
    not restarted.
    """
    if isinstance(app, Known) and app.value.task is not None:
        return _redeploy(app.value.task)
    if not isinstance(app, Known):
        return ()
    return tuple(restart(app.value, container) for container in _restartable(probe))


def restart_names(app: Fact[AppInstance], probe: Fact[InstanceProbe]) -> tuple[str, ...]:
    """The names of the containers or services that `restart_commands` restarts, for `Fix.restarts`."""
    if isinstance(app, Known) and app.value.task is not None:
        service = app.value.task.location.service
        return (service,) if service else ()
    return tuple(c.name for c in _restartable(probe)) if isinstance(app, Known) else ()


def _restartable(probe: Fact[InstanceProbe]) -> tuple[Container, ...]:
    if not isinstance(probe, Known):
        return ()
    return tuple(c for c in app_containers(probe.value) if not is_fixed(c))


def is_fixed(container: Container) -> bool:
    """Whether the container's password was set when it was created, so that a restart keeps it."""
    password = container.setting("password")
    return password is not None and password.source == "config"


def _redeploy(task: EcsTask) -> tuple[Command, ...]:
    """A new deployment of the same definition; a task without a service has no restart command."""
    location = task.location
    if not location.service:
        return ()
    asked = {"cluster": location.cluster, "service": location.service, "forceNewDeployment": True}
    return (AwsCall("ecs", "UpdateService", asked),)


def restart_if_unhealthy(app: Fact[AppInstance], probe: Fact[InstanceProbe]) -> tuple[Command, ...]:
    """The restart of an app that reports itself unhealthy: it may have started without settings."""
    if isinstance(probe, Known) and probe.value.health and not probe.value.health.is_good:
        return restart_commands(app, probe)
    return ()


def recreate(container: Container) -> tuple[str, ...]:
    """The command that recreates a compose service's container."""
    words = ("docker", "compose", "--project-directory", container.project_directory)
    service = (container.service,) if container.service else ()
    return (*words, "up", "-d", "--force-recreate", *service)
