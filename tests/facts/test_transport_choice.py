"""Which roads are tried, and in which order."""

from __future__ import annotations

from typing import Any

import pytest

from opskit.config import Target
from opskit.errors import AwsError, NotExecuted, OpskitError, UsageError
from opskit.facts.transport_choice import create_transport, create_tunnel
from opskit.rotation.protocol.fence import Fence
from opskit.rotation.service import Service
from opskit.transport.ssh.commands import Ssh


class Denied:
    """AWS for somebody who may do nothing; it notes what was tried."""

    def __init__(self) -> None:
        self.tried: list[str] = []

    def __getattr__(self, operation: str) -> Any:
        def call(**arguments: Any) -> Any:
            self.tried.append(str(arguments.get("DocumentName", operation)))
            raise AwsError(f"any:{operation}", "AccessDeniedException", "no")

        return call


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
def test_the_order_of_commands(settings: dict[str, str], tried: list[str]) -> None:
    aws = Denied()
    transport = create_transport(Target("linkbox", {}, **settings), lambda _: aws, "i-1")  # type: ignore[arg-type]
    with pytest.raises(NotExecuted) as caught:
        transport.run("true", timeout_s=1)
    assert aws.tried == tried
    assert len(caught.value.sentence.split("; ")) == len(set(tried)) - (
        {*DOCUMENTS[1:]} <= {*tried}
    )


def test_a_tunnel_needs_no_command() -> None:
    aws = Denied()
    with pytest.raises(NotExecuted) as caught:
        create_tunnel(Target("linkbox", {}), lambda _: aws, "i-1", "db", 5432, lambda _: None)
    assert aws.tried == ["AWS-StartPortForwardingSessionToRemoteHost", "AWS-StartSSHSession"]
    assert "AWS-StartSSHSession" in caught.value.missing


def test_a_tunnel_to_a_task_tries_no_ssh() -> None:
    aws = Denied()
    with pytest.raises(NotExecuted):
        create_tunnel(Target("linkbox", {}), lambda _: aws, "ecs:c_t_r", "db", 5432, lambda _: None)
    assert aws.tried == ["AWS-StartPortForwardingSessionToRemoteHost"]


@pytest.mark.parametrize(
    ("via", "error", "words"),
    [("shh", UsageError, "'shh' is not one of auto, "), ("none", NotExecuted, "--via none")],
)
def test_a_tunnel_goes_no_road_that_was_not_named(
    via: str, error: type[OpskitError], words: str
) -> None:
    aws = Denied()
    with pytest.raises(error, match=words):
        create_tunnel(Target("x", {}, via=via), lambda _: aws, "i-1", "db", 5432, lambda _: None)
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
    service = Service(
        Target("linkbox", parameters, via="ssh", ssh_host="app.example"),
        Accounts(),  # type: ignore[arg-type]
        Fence(2.0),
        stall_timeout_s=1.0,
        health_timeout_s=1.0,
        stops_on_unhealthy=False,
        on_event=lambda _: None,
    )
    service._connections.connector(None, "db", 5432, "linkbox", "i-app", "app")  # type: ignore[arg-type]
    transport = service._connections.transport(instance)
    assert isinstance(transport, Ssh)
    assert transport._route._target.ssh_host == host  # type: ignore[attr-defined]
