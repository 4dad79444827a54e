"""The factory of transports: which are tried, in which order, and that each can be created."""

from __future__ import annotations

import inspect
import pkgutil
from typing import Any

import pytest

from opskit.config import Target
from opskit.errors import AwsError, NotExecuted, OpskitError, UsageError
from opskit.rotation.connections import TargetConnections
from opskit.transport import CHOICES, TRANSPORTS, TUNNELS
from opskit.transport.factory import create_transport, create_tunnel
from opskit.transport.interface import TransportContext
from opskit.transport.ssh.commands import Ssh
from opskit.workload.ec2_instance import InstanceLocation
from opskit.workload.ecs_task import TaskLocation
from opskit.workload.interface import Location


class Denied:
    """AWS for a caller without any permission; it records what was tried."""

    def __init__(self) -> None:
        self.tried: list[str] = []

    def __getattr__(self, operation: str) -> Any:
        def call(**arguments: Any) -> Any:
            self.tried.append(str(arguments.get("DocumentName", operation)))
            raise AwsError(f"any:{operation}", "AccessDeniedException", "no")

        return call


TASK = TaskLocation("c", "t", "app", "r", "", is_enabled=True, agent="RUNNING")


def context(aws: object, location: Location | None = None, **settings: Any) -> TransportContext:
    """The inputs for a transport, with one client for every service."""
    target = Target("linkbox", {}, **settings)
    return TransportContext(target, lambda _: aws, location or InstanceLocation("i-1"))


DOCUMENTS = ["AWS-RunShellScript", "AWS-StartNonInteractiveCommand", "AWS-StartSSHSession"]


@pytest.mark.parametrize(
    ("settings", "tried"),
    [
        ({}, DOCUMENTS),
        ({"ssh_bastion": "door"}, [*DOCUMENTS, "describe_instances"]),
        ({"via": "ssh-session"}, DOCUMENTS[2:]),
        ({"via": "ssh"}, ["describe_instances"]),
        ({"via": "session-manager"}, DOCUMENTS[1:2]),
    ],
)
def test_the_order_of_commands(settings: dict[str, Any], tried: list[str]) -> None:
    aws = Denied()
    transport = create_transport(context(aws, **settings))
    with pytest.raises(NotExecuted) as caught:
        transport.run("true", timeout_s=1)
    assert aws.tried == tried
    assert len(caught.value.sentence.split("; ")) == len(set(tried)) - (
        {*DOCUMENTS[1:]} <= {*tried}
    )


def test_a_tunnel_needs_no_command() -> None:
    aws = Denied()
    with pytest.raises(NotExecuted) as caught:
        create_tunnel(context(aws), "db", 5432, lambda _: None)
    assert aws.tried == ["AWS-StartPortForwardingSessionToRemoteHost", "AWS-StartSSHSession"]
    assert "AWS-StartSSHSession" in str(caught.value.missing)


def test_a_tunnel_to_a_task_tries_no_ssh() -> None:
    aws = Denied()
    with pytest.raises(NotExecuted):
        create_tunnel(context(aws, TASK), "db", 5432, lambda _: None)
    assert aws.tried == ["AWS-StartPortForwardingSessionToRemoteHost"]


@pytest.mark.parametrize(
    ("via", "error", "words"),
    [("shh", UsageError, "'shh' is not one of auto, "), ("none", NotExecuted, "--via none")],
)
def test_a_tunnel_uses_no_transport_that_was_not_named(
    via: str, error: type[OpskitError], words: str
) -> None:
    aws = Denied()
    with pytest.raises(error, match=words):
        create_tunnel(context(aws, via=via), "db", 5432, lambda _: None)
    assert aws.tried == []


@pytest.mark.parametrize(("instance", "host"), [("i-app", "app.example"), ("i-other", None)])
def test_the_named_host_is_one_instance(instance: str, host: str | None) -> None:
    """A group that is restarted has others, which are gone to by their own addresses."""

    class Accounts:
        region = "us-east-1"

        def client(self, service: str) -> Any:
            return Denied()

        def write_client(self, service: str, before_send: Any) -> Any:
            return Denied()

    parameters = {"password": "/linkbox/db-password"}
    connections = TargetConnections(
        Target("linkbox", parameters, via="ssh", ssh_host="app.example"),
        Accounts(),  # type: ignore[arg-type]
        lambda _: None,
    )
    connections.connector(None, "db", 5432, "linkbox", InstanceLocation("i-app"), "app")  # type: ignore[arg-type]
    transport = connections.transport(InstanceLocation(instance))
    assert isinstance(transport, Ssh)
    assert transport._route._target.ssh_host == host  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", TRANSPORTS)
def test_every_transport_is_created_and_has_its_name(name: str) -> None:
    location = TASK if name == "ecs-exec" else None
    transport = create_transport(context(Denied(), location, via=name))
    assert transport.name == name
    parameters = inspect.signature(transport.run).parameters
    assert list(parameters) == ["script", "timeout_s", "on_output"]


@pytest.mark.parametrize("name", TUNNELS)
def test_every_tunnel_can_be_opened_by_the_same_arguments(name: str) -> None:
    assert name in TRANSPORTS
    function = pkgutil.resolve_name(TUNNELS[name])
    assert list(inspect.signature(function).parameters) == ["context", "host", "port", "on_problem"]


def test_ecs_exec_leads_to_no_instance() -> None:
    with pytest.raises(UsageError, match="does not run in one"):
        create_transport(context(Denied(), via="ecs-exec"))


@pytest.mark.parametrize("location", [TASK, InstanceLocation("i-1")])
def test_auto_tries_only_known_transports(location: Location) -> None:
    assert set(location.transports) <= set(TRANSPORTS) < set(CHOICES)
    assert set(location.tunnels) <= set(TUNNELS)
