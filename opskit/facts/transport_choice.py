"""Selects the transport to the instance or task, for commands and for tunnels to the database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opskit.config import Target
from opskit.errors import NotExecuted, UsageError
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
from opskit.transport import TRANSPORTS
from opskit.transport.interface import ProblemCallback, Transport, Tunnel

if TYPE_CHECKING:
    from opskit.transport.ssh.dialers import Dialer

CHOICES = ("auto", *TRANSPORTS, "none")
Client = Callable[[str], Any]
"""The client of a service, by its name."""


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
    ecs: Ecs, ssm: Ssm, kms: Kms, messages: SsmMessages, task: EcsTask
) -> TaskTransport:
    """Create the transport to a task; there is only one."""
    from opskit.transport.ecs_exec import EcsExec

    return TaskTransport(EcsExec(ecs, ssm, messages, kms, task.location))


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
    if _named(target) == "none":
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
    return TransportChoice(create_transport(target, clients.__getitem__, app.instance.instance_id))


def create_transport(target: Target, client: Client, instance_id: str) -> Transport:
    """Create the transport for commands that `--via` names."""
    made = [_makers(target, client, instance_id)[name] for name in _names(target)]
    if len(made) == 1:
        return made[0]()
    from opskit.transport.fallback import FallbackTransport

    return FallbackTransport([make() for make in made])


def create_tunnel(
    target: Target, client: Client, location: str, host: str, port: int, on_problem: ProblemCallback
) -> Tunnel:
    """Open a tunnel to the database's port, over the transport that `--via` names.

    Args:
        location: the instance id, or a task's name for Session Manager.
        host, port: the database as the instance resolves and reaches it.
        on_problem: called with a sentence about a failed connection.

    Raises:
        NotExecuted: the transport is refused; under `auto` all are, and every refusal is named.
        UsageError: there is no such transport.
    """
    if _named(target) == "none":
        raise NotExecuted(
            f"no transport to {target.workload_noun} was to be used (--via none)",
            missing="a transport (--via)",
        )
    from opskit.transport.fallback import merge_refusals

    refusals: list[NotExecuted] = []
    # A task has neither an SSH server nor an EC2 Instance Connect key.
    for name in ("session-manager",) if location.startswith("ecs:") else _names(target):
        try:
            if name in ("ssh-session", "ssh"):
                from opskit.transport.ssh.tunnel import SshTunnel

                connection = _route(name, target, client, location).open()
                return SshTunnel(connection, host, port, on_problem)
            if name == "plugin":
                from opskit.transport.session_manager.plugin_tunnel import PluginTunnel

                messages = client("ssmmessages")
                return PluginTunnel(client("ssm"), messages, location, host, port, on_problem)
            if name == "session-manager" or target.via != "auto":
                from opskit.transport.session_manager import tunnel

                messages = client("ssmmessages")
                session = tunnel.start_session(client("ssm"), messages, location, host, port)
                return tunnel.SessionTunnel(session, on_problem)
        except NotExecuted as error:
            refusals.append(error)
    raise merge_refusals(refusals)


def _named(target: Target) -> str:
    """The transport's name in `--via`.

    Raises:
        UsageError: there is no such transport.
    """
    if target.via not in CHOICES:
        raise UsageError(f"--via '{target.via}' is not one of {', '.join(CHOICES)}")
    return target.via


def _names(target: Target) -> tuple[str, ...]:
    """The transports to try, in order; those that are audited and allowed most often come first."""
    if _named(target) != "auto":
        return (target.via,)
    has_ssh = bool(target.ssh_host or target.ssh_bastion)
    return ("run-command", "session-manager", "ssh-session", *(["ssh"] if has_ssh else []))


def _makers(target: Target, client: Client, instance_id: str) -> dict[str, Callable[[], Transport]]:
    def local() -> Transport:
        from opskit.transport.local import LocalTransport

        return LocalTransport()

    def run_command() -> Transport:
        from opskit.transport.run_command import RunCommand

        return RunCommand(client("ssm"), instance_id)

    def session_manager() -> Transport:
        from opskit.transport.session_manager.commands import SessionManager

        return SessionManager(client("ssm"), client("ssmmessages"), client("kms"), instance_id)

    def plugin() -> Transport:
        from opskit.transport.session_manager.plugin import Plugin

        return Plugin(client("ssm"), client("ssmmessages"), instance_id)

    def ssh(name: str) -> Callable[[], Transport]:
        def make() -> Transport:
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


def _route(name: str, target: Target, client: Client, instance_id: str) -> Dialer:
    from opskit.transport.ssh.dialers import DirectDialer, SessionDialer

    if name == "ssh":
        return DirectDialer(target, client("ec2"), instance_id)
    connect = client("ec2-instance-connect")
    return SessionDialer(
        target, client("ssm"), client("ssmmessages"), connect, client("ec2"), instance_id
    )
