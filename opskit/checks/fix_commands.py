"""Commands that several checks offer as their fix."""

from __future__ import annotations

from typing import Any

from opskit.checks.containers import app_containers
from opskit.checks.fix import AwsCall, Command, InstanceCommand
from opskit.facts.app_instance import AppInstance
from opskit.facts.ecs_task import EcsTask
from opskit.facts.interface import Fact, Known
from opskit.facts.probe import InstanceProbe
from opskit.probe.request import Container

RDS_BUNDLE = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"
"""Where AWS publishes the CA certificates of RDS in all Regions."""


def call(service: str, operation: str, /, **parameters: Any) -> AwsCall:
    """An AWS call; parameters named as in the API reference."""
    return AwsCall(service, operation, parameters)


def put_parameter(name: str, kind: str, value: str) -> AwsCall:
    """Overwrite a parameter that holds no secret."""
    return call("ssm", "PutParameter", Name=name, Type=kind, Overwrite=True, Value=value)


def docker(app: AppInstance, verb: str, container: Container) -> InstanceCommand:
    """One of docker's verbs for a container: start, stop, pause or unpause."""
    return InstanceCommand(app.instance.instance_id, (("docker", verb, container.name),))


def restart(app: AppInstance, container: Container) -> InstanceCommand:
    """Start the program of a container again; what it was given when it was created stays."""
    return docker(app, "restart", container)


def restart_commands(app: Fact[AppInstance], probe: Fact[InstanceProbe]) -> tuple[Command, ...]:
    """Make the app read changed parameters; nothing where its containers are not known.

    A container that was given its settings when it was created does not read the parameters, so it
    is left alone.
    """
    if isinstance(app, Known) and app.value.task is not None:
        return _redeploy(app.value.task)
    if not isinstance(app, Known):
        return ()
    return tuple(restart(app.value, container) for container in _restartable(probe))


def restart_names(app: Fact[AppInstance], probe: Fact[InstanceProbe]) -> tuple[str, ...]:
    """What `restart_commands` restarts, by name: for `Fix.restarts`."""
    if isinstance(app, Known) and app.value.task is not None:
        service = app.value.task.location.service
        return (service,) if service else ()
    return tuple(c.name for c in _restartable(probe)) if isinstance(app, Known) else ()


def _restartable(probe: Fact[InstanceProbe]) -> tuple[Container, ...]:
    if not isinstance(probe, Known):
        return ()
    return tuple(c for c in app_containers(probe.value) if not is_fixed(c))


def is_fixed(container: Container) -> bool:
    """Whether its password was given to it when it was created, and stays over a restart."""
    password = container.setting("password")
    return password is not None and password.source == "config"


def _redeploy(task: EcsTask) -> tuple[Command, ...]:
    """A deployment of the same definition; a task without a service is run again by its starter."""
    location = task.location
    if not location.service:
        return ()
    asked = {"cluster": location.cluster, "service": location.service, "forceNewDeployment": True}
    return (AwsCall("ecs", "UpdateService", asked),)


def restart_if_unhealthy(app: Fact[AppInstance], probe: Fact[InstanceProbe]) -> tuple[Command, ...]:
    """The restart of an app that says it is not healthy: it may have started without settings."""
    if isinstance(probe, Known) and probe.value.health and not probe.value.health.is_good:
        return restart_commands(app, probe)
    return ()


def recreate(container: Container) -> tuple[str, ...]:
    """Create a compose service's container again."""
    words = ("docker", "compose", "--project-directory", container.project_directory)
    service = (container.service,) if container.service else ()
    return (*words, "up", "-d", "--force-recreate", *service)
