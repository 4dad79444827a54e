"""Selects the transport to the instance or task."""

from __future__ import annotations

from dataclasses import dataclass

from opskit.config import Target
from opskit.facts.app_instance import AppInstance
from opskit.facts.ecs_task import EcsTask
from opskit.facts.interface import (
    Ec2,
    Ecs,
    Fact,
    FactUnavailable,
    InstanceConnect,
    Kms,
    Known,
    Ssm,
    SsmMessages,
)
from opskit.transport.factory import create_transport, named_transport
from opskit.transport.interface import InstanceLocation, Transport, TransportContext


@dataclass(frozen=True, slots=True)
class TransportChoice:
    """The transport, or why there is none."""

    transport: Transport | None
    why_none: str = ""


@dataclass(frozen=True, slots=True)
class TaskTransport:
    """The transport to an ECS task."""

    transport: Transport


def select_task(
    target: Target, ecs: Ecs, ssm: Ssm, kms: Kms, messages: SsmMessages, task: EcsTask
) -> TaskTransport:
    """Create the transport to a task. Only a task needs ECS's client."""
    clients = {"ecs": ecs, "ssm": ssm, "kms": kms, "ssmmessages": messages}
    context = TransportContext(target, clients.__getitem__, task.location)
    return TaskTransport(create_transport(context))


def select(
    target: Target,
    ssm: Ssm,
    kms: Kms,
    messages: SsmMessages,
    connect: InstanceConnect,
    ec2: Ec2,
    app: AppInstance,
    to_task: Fact[TaskTransport],
) -> TransportChoice:
    """Select the transport that `--via` names; `auto` tries them in order until one is not refused."""
    if named_transport(target) == "none":
        return TransportChoice(None, f"{target.workload_noun} was not asked (--via none)")
    if app.task is not None:
        if not isinstance(to_task, Known):
            raise FactUnavailable(to_task.reason, *to_task.missing)
        return TransportChoice(to_task.value.transport)
    clients = {
        "ssm": ssm,
        "kms": kms,
        "ssmmessages": messages,
        "ec2-instance-connect": connect,
        "ec2": ec2,
    }
    location = InstanceLocation(app.instance.instance_id)
    context = TransportContext(target, clients.__getitem__, location)
    return TransportChoice(create_transport(context))
