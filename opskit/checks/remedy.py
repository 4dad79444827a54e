"""Commands that several checks print as their fix."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence

from opskit.facts.app_instance import AppInstance
from opskit.facts.ecs_task import EcsTask
from opskit.facts.interface import Fact, Known
from opskit.facts.probe import InstanceProbe
from opskit.instance.probe import Container


def aws(service: str, operation: str, /, **options: object) -> str:
    """An `aws` command line, ready to paste: options in the given order, values quoted.

    Args:
        options: names in snake case; True gives a bare flag, a list gives several words, and a
            mapping or a list of mappings gives JSON.
    """
    words = ["aws", service, operation]
    for name, value in options.items():
        words.append(f"--{name.replace('_', '-')}")
        if value is True:
            continue
        is_rows = isinstance(value, list) and any(isinstance(v, Mapping) for v in value)
        if isinstance(value, Mapping) or is_rows:
            words.append(json.dumps(value, separators=(",", ":")))
        elif isinstance(value, Sequence) and not isinstance(value, str):
            words += [str(v) for v in value]
        else:
            words.append(str(value))
    return " ".join(shlex.quote(word) for word in words)


def put_parameter(name: str, kind: str, value: str) -> str:
    """Overwrite a parameter that holds no secret."""
    return aws("ssm", "put-parameter", name=name, type=kind, overwrite=True, value=value)


def on_instance(instance_id: str, command: str) -> str:
    """Run a command on the instance by Run Command."""
    return aws(
        "ssm",
        "send-command",
        instance_ids=[instance_id],
        document_name="AWS-RunShellScript",
        parameters={"commands": [command]},
    )


def restart_commands(app: Fact[AppInstance], probe: Fact[InstanceProbe]) -> tuple[str, ...]:
    """What makes the app read its settings anew; nothing when its container is not known.

    A container that was given its settings when it was created keeps them over a restart, so it
    has to be created anew.
    """
    if isinstance(app, Known) and app.value.task is not None:
        return _start_tasks_anew(app.value.task)
    if not isinstance(app, Known) or not isinstance(probe, Known) or not probe.value.containers:
        return ()
    container = probe.value.containers[0]
    password = container.setting("password")
    if password is not None and password.source == "config":
        if not container.project_directory:
            return ()
        return (on_instance(app.value.instance.instance_id, recreate(container)),)
    command = f"docker restart {shlex.quote(container.name)}"
    return (on_instance(app.value.instance.instance_id, command),)


def _start_tasks_anew(task: EcsTask) -> tuple[str, ...]:
    """A deployment of the same definition; a task without a service is run again by whoever ran it."""
    place = task.place
    if not place.service:
        return ()
    named = {"cluster": place.cluster, "service": place.service}
    return (aws("ecs", "update-service", **named, force_new_deployment=True),)


def restart_if_unhealthy(app: Fact[AppInstance], probe: Fact[InstanceProbe]) -> tuple[str, ...]:
    """The restart of an app that says it is not healthy: it may have started without settings."""
    if isinstance(probe, Known) and probe.value.health and probe.value.health.status != 200:
        return restart_commands(app, probe)
    return ()


def recreate(container: Container) -> str:
    """Create a compose service's container anew."""
    directory, service = shlex.quote(container.project_directory), shlex.quote(container.service)
    return (
        f"docker compose --project-directory {directory} up -d --force-recreate {service}".rstrip()
    )
