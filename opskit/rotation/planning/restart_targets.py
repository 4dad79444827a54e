"""Selects the restart targets and their order: from the running containers, or as named by the user."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from opskit.aws_protocols import AwsClient
from opskit.errors import CannotProceed, UsageError
from opskit.facts.probe import InstanceProbe
from opskit.probe.response import Container
from opskit.rotation.steps.restart import command_of
from opskit.workload import RESTARTS
from opskit.workload.interface import RestartTarget, Workload
from opskit.workload.restart import ServiceRestart

FORMS = "auto, none, container:NAME, container:NAME=HEALTH_URL, ecs:CLUSTER/SERVICE, asg:NAME"
NOTHING = ("none",)


def select(
    options: Sequence[str],
    app: Workload,
    probe: InstanceProbe,
    fingerprint: str,
    group_members: Callable[[str], Sequence[str]],
) -> tuple[RestartTarget, ...]:
    """Select the restart targets, in the order of the options.

    Args:
        fingerprint: the fingerprint of the parameter's password.
        group_members: name of an Auto Scaling group -> ids of its instances in service.

    Raises:
        UsageError: an option has another format, or names a target that does not exist.
    """
    names = [c.name for c in probe.containers if _uses(c, fingerprint)]
    users = app.restart_targets(names, _health_url(probe))
    targets: list[RestartTarget] = []
    for option in options:
        kind, _, name = option.partition(":")
        if option == "auto":
            targets += users
        elif kind == "container" and name:
            targets += _named(name, app, probe)
        elif kind == "asg" and name:
            targets += [replace(user, where=m) for m in group_members(name) for user in users]
        elif name and isinstance(RESTARTS.get(kind), ServiceRestart):
            targets.append(service(option))
        else:
            raise UsageError(f"--restart '{option}' is none of {FORMS}")
    return tuple(targets)


def needs_instance(options: Sequence[str]) -> bool:
    """Return whether an option names something that no AWS service restarts."""
    return any(
        not isinstance(RESTARTS.get(option.partition(":")[0]), ServiceRestart) for option in options
    )


def service(option: str) -> RestartTarget:
    """Parse a thing that an AWS service restarts, such as `ecs:CLUSTER/SERVICE`."""
    kind, _, text = option.partition(":")
    restart = RESTARTS[kind]
    assert isinstance(restart, ServiceRestart)  # noqa: S101  the options were told apart before
    return RestartTarget(kind, *restart.parse(text))


def _uses(container: Container, fingerprint: str) -> bool:
    own = container.setting("password")
    return own is not None and own.value == fingerprint


def _named(text: str, app: Workload, probe: InstanceProbe) -> tuple[RestartTarget, ...]:
    name, _, url = text.partition("=")
    container = next((c for c in probe.containers if c.name == name), None)
    if container is None:
        raise UsageError(
            f"{app.label} has no container {name} with database settings",
            f"containers there: {', '.join(c.name for c in probe.containers) or 'none'}",
        )
    return app.restart_targets((name,), url or _health_url(probe))


def in_service(autoscaling: AwsClient, name: str) -> Sequence[str]:
    """Return the ids of the instances in service of an Auto Scaling group.

    Raises:
        CannotProceed: there is no group of that name.
    """
    groups = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])
    group = groups["AutoScalingGroups"]
    if not group:
        raise CannotProceed(f"there is no Auto Scaling group {name}")
    return [i["InstanceId"] for i in group[0]["Instances"] if i["LifecycleState"] == "InService"]


def describe_command(restart_target: RestartTarget, probe: InstanceProbe) -> str:
    """Return the restart command of a container, as far as it is known now; empty for other kinds."""
    same = (
        c
        for c in probe.containers
        if restart_target.kind == "container" and c.name == restart_target.name
    )
    return next((command_of(c) for c in same), "")


def _health_url(probe: InstanceProbe) -> str:
    return probe.health.url if probe.health else ""
