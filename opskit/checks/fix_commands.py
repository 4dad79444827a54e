"""Commands that several checks offer as their fix."""

from __future__ import annotations

from typing import Any

from opskit.checks.containers import app_containers
from opskit.commands import AwsCall, Command
from opskit.facts.interface import Fact, Known
from opskit.facts.probe import InstanceProbe
from opskit.probe.response import Container
from opskit.workload.interface import Workload

RDS_BUNDLE = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"
"""AWS's bundle of the RDS CA certificates of all Regions."""


def call(service: str, operation: str, /, **parameters: Any) -> AwsCall:
    """An AWS call, with parameters named as in the API reference."""
    return AwsCall(service, operation, parameters)


OUTSIDE_LOSES = "Clients outside the VPC lose their way to it."
"""The caution for taking a database's public address away."""


def set_public(identifier: str, *, is_public: bool) -> AwsCall:
    """The call that gives a database a public address, or takes it away."""
    return call(
        "rds",
        "ModifyDBInstance",
        DBInstanceIdentifier=identifier,
        PubliclyAccessible=is_public,
        ApplyImmediately=True,
    )


def docker(app: Workload, verb: str, container: Container) -> tuple[Command, ...]:
    """The docker command for a container: start, stop, pause or unpause."""
    return app.host_commands(("docker", verb, container.name))


def restart_commands(app: Fact[Workload], probe: Fact[InstanceProbe]) -> tuple[Command, ...]:
    """The restarts that make the app read changed parameters; none where its containers are unknown.

    A container whose settings were fixed when it was created does not read the parameters, so it is
    not restarted. The environment of a restarted container stays that of its creation.
    """
    return app.value.restart_commands(_restartable(probe)) if isinstance(app, Known) else ()


def restart_names(app: Fact[Workload], probe: Fact[InstanceProbe]) -> tuple[str, ...]:
    """The names of the containers or services that `restart_commands` restarts, for `Fix.restarts`."""
    return app.value.restart_names(_restartable(probe)) if isinstance(app, Known) else ()


def _restartable(probe: Fact[InstanceProbe]) -> tuple[str, ...]:
    if not isinstance(probe, Known):
        return ()
    return tuple(c.name for c in app_containers(probe.value) if not is_fixed(c))


def is_fixed(container: Container) -> bool:
    """Whether the container's password was set when it was created, so that a restart keeps it."""
    password = container.setting("password")
    return password is not None and password.source == "config"


def restart_if_unhealthy(app: Fact[Workload], probe: Fact[InstanceProbe]) -> tuple[Command, ...]:
    """The restart of an app that reports itself unhealthy: it may have started without settings."""
    if isinstance(probe, Known) and probe.value.health and not probe.value.health.is_good:
        return restart_commands(app, probe)
    return ()


def recreate(container: Container) -> tuple[str, ...]:
    """The command that recreates a compose service's container."""
    compose = ("docker", "compose", "--project-directory", container.project_directory)
    service = (container.service,) if container.service else ()
    return (*compose, "up", "-d", "--force-recreate", *service)
