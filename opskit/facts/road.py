"""Which way leads to the instance."""

from __future__ import annotations

from dataclasses import dataclass

from opskit.config import Target
from opskit.errors import UsageError
from opskit.facts.app_instance import AppInstance
from opskit.facts.ecs_task import EcsTask
from opskit.facts.interface import Ecs, Fact, Kms, Known, NotThere, Ssm, SsmMessages
from opskit.instance import ROADS
from opskit.instance.interface import Road

CHOICES = ("auto", *ROADS, "none")


@dataclass(frozen=True, slots=True)
class RoadChoice:
    """The road, or why there is none."""

    road: Road | None
    why_none: str = ""


@dataclass(frozen=True, slots=True)
class TaskRoad:
    """The road to an ECS task."""

    road: Road


def choose_task(ecs: Ecs, ssm: Ssm, kms: Kms, messages: SsmMessages, task: EcsTask) -> TaskRoad:
    """A task has one road."""
    from opskit.instance.ecs_exec import EcsExec

    return TaskRoad(EcsExec(ecs, ssm, messages, kms, task.place))


def choose(
    target: Target,
    ssm: Ssm,
    kms: Kms,
    messages: SsmMessages,
    app: AppInstance,
    to_task: Fact[TaskRoad],
) -> RoadChoice:
    """The road that `--via` names; `auto` tries Run Command first, and a session where it is refused."""
    if target.via not in CHOICES:
        raise UsageError(f"--via '{target.via}' is not one of {', '.join(CHOICES)}")
    if target.via == "none":
        return RoadChoice(None, "the instance was not asked (--via none)")
    if app.task is not None:
        if not isinstance(to_task, Known):
            raise NotThere(to_task.reason, *to_task.missing)
        return RoadChoice(to_task.value.road)
    return RoadChoice(make_road(target.via, ssm, kms, messages, app.instance.instance_id))


def make_road(via: str, ssm: Ssm, kms: Kms, messages: SsmMessages, instance_id: str) -> Road:
    """The road of a name to an instance."""
    if via == "local":
        from opskit.instance.local import Local

        return Local()
    if via == "plugin":
        from opskit.instance.session_manager.plugin import Plugin

        return Plugin(ssm, messages, instance_id)
    from opskit.instance.auto import Auto
    from opskit.instance.run_command import RunCommand
    from opskit.instance.session_manager.commands import SessionManager

    by_command = RunCommand(ssm, instance_id)
    by_session = SessionManager(ssm, messages, kms, instance_id)
    if via == "auto":
        return Auto((by_command, by_session))
    return by_command if via == "run-command" else by_session
