"""Which way leads to the instance: for commands, and for connections to the database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opskit.config import Target
from opskit.errors import Refused, UsageError
from opskit.facts.app_instance import AppInstance
from opskit.facts.ecs_task import EcsTask
from opskit.facts.interface import (
    Ec2,
    Ecs,
    Fact,
    InstanceConnect,
    Kms,
    Known,
    NotThere,
    Ssm,
    SsmMessages,
)
from opskit.transport import ROADS
from opskit.transport.interface import OnProblem, Road, Tunnel

if TYPE_CHECKING:
    from opskit.transport.ssh.dialers import Route

CHOICES = ("auto", *ROADS, "none")
Client = Callable[[str], Any]
"""The client of a service, by its name."""


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
    from opskit.transport.ecs_exec import EcsExec

    return TaskRoad(EcsExec(ecs, ssm, messages, kms, task.place))


def choose(
    target: Target,
    ssm: Ssm,
    kms: Kms,
    messages: SsmMessages,
    connect: InstanceConnect,
    ec2: Ec2,
    app: AppInstance,
    to_task: Fact[TaskRoad],
) -> RoadChoice:
    """The road that `--via` names; `auto` tries them in order, until one is not refused."""
    if _named(target) == "none":
        return RoadChoice(None, f"{target.workload_noun} was not asked (--via none)")
    if app.task is not None:
        if not isinstance(to_task, Known):
            raise NotThere(to_task.reason, *to_task.missing)
        return RoadChoice(to_task.value.road)
    clients = {
        "ssm": ssm,
        "kms": kms,
        "ssmmessages": messages,
        "ec2-instance-connect": connect,
        "ec2": ec2,
    }
    return RoadChoice(make_road(target, clients.__getitem__, app.instance.instance_id))


def make_road(target: Target, client: Client, instance_id: str) -> Road:
    """The road for commands that `--via` names."""
    made = [_makers(target, client, instance_id)[name] for name in _names(target)]
    if len(made) == 1:
        return made[0]()
    from opskit.transport.fallback import Auto

    return Auto([make() for make in made])


def make_tunnel(
    target: Target, client: Client, place: str, host: str, port: int, on_problem: OnProblem
) -> Tunnel:
    """Open the road for connections that `--via` names, as far as the database's port.

    Args:
        place: the instance, or a task as Session Manager names it.
        host, port: as the instance knows the database.
        on_problem: told in a sentence what happened to a connection.

    Raises:
        Refused: it cannot be gone; under `auto` no road can, and every refusal is told.
        UsageError: there is no such road.
    """
    if _named(target) == "none":
        raise Refused(
            f"no road to {target.workload_noun} was to be used (--via none)",
            missing="a road (--via)",
        )
    from opskit.transport.fallback import told_together

    refusals: list[Refused] = []
    # A task has neither an SSH server nor a key of EC2's.
    for name in ("session-manager",) if place.startswith("ecs:") else _names(target):
        try:
            if name in ("ssh-session", "ssh"):
                from opskit.transport.ssh.tunnel import SshTunnel

                connection = _route(name, target, client, place).open()
                return SshTunnel(connection, host, port, on_problem)
            if name == "plugin":
                from opskit.transport.session_manager.plugin_tunnel import PluginTunnel

                messages = client("ssmmessages")
                return PluginTunnel(client("ssm"), messages, place, host, port, on_problem)
            if name == "session-manager" or target.via != "auto":
                from opskit.transport.session_manager import tunnel

                messages = client("ssmmessages")
                session = tunnel.start_session(client("ssm"), messages, place, host, port)
                return tunnel.Tunnel(session, on_problem)
        except Refused as error:
            refusals.append(error)
    raise told_together(refusals)


def _named(target: Target) -> str:
    """What `--via` says.

    Raises:
        UsageError: there is no such road.
    """
    if target.via not in CHOICES:
        raise UsageError(f"--via '{target.via}' is not one of {', '.join(CHOICES)}")
    return target.via


def _names(target: Target) -> tuple[str, ...]:
    """The roads that are tried, in this order: what is audited and allowed most often comes first."""
    if _named(target) != "auto":
        return (target.via,)
    has_ssh = bool(target.ssh_host or target.ssh_bastion)
    return ("run-command", "session-manager", "ssh-session", *(["ssh"] if has_ssh else []))


def _makers(target: Target, client: Client, instance_id: str) -> dict[str, Callable[[], Road]]:
    def local() -> Road:
        from opskit.transport.local import Local

        return Local()

    def run_command() -> Road:
        from opskit.transport.run_command import RunCommand

        return RunCommand(client("ssm"), instance_id)

    def session_manager() -> Road:
        from opskit.transport.session_manager.commands import SessionManager

        return SessionManager(client("ssm"), client("ssmmessages"), client("kms"), instance_id)

    def plugin() -> Road:
        from opskit.transport.session_manager.plugin import Plugin

        return Plugin(client("ssm"), client("ssmmessages"), instance_id)

    def ssh(name: str) -> Callable[[], Road]:
        def make() -> Road:
            from opskit.transport.ssh.commands import Ssh

            return Ssh(_route(name, target, client, instance_id))

        return make

    return {
        "local": local,
        "run-command": run_command,
        "session-manager": session_manager,
        "plugin": plugin,
        "ssh-session": ssh("ssh-session"),
        "ssh": ssh("ssh"),
    }


def _route(name: str, target: Target, client: Client, instance_id: str) -> Route:
    from opskit.transport.ssh.dialers import OverSession, Plain

    if name == "ssh":
        return Plain(target, client("ec2"), instance_id)
    connect = client("ec2-instance-connect")
    return OverSession(
        target, client("ssm"), client("ssmmessages"), connect, client("ec2"), instance_id
    )
