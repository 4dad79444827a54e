"""Dialers of the instance's SSH server: over a Session Manager session, or directly and by jump hosts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Protocol

from opskit.aws_protocols import AwsClient
from opskit.config import Target
from opskit.errors import AwsError, NotExecuted
from opskit.transport.interface import TransportContext
from opskit.transport.session_manager.session import SessionGateway
from opskit.transport.ssh.connection import (
    SshConnection,
    authenticate,
    dial,
    dial_through,
    verify_server,
)
from opskit.transport.ssh.host_keys import ConsoleFingerprints, read_console
from opskit.transport.ssh.jump_hosts import resolve_jump_hosts, resolve_session_host
from opskit.transport.ssh.keys import identities, send_public_key
from opskit.transport.ssh.session_stream import SessionStream

NO_CONSOLE = ConsoleFingerprints(frozenset())
"""For a bastion: it is not known whether it is an EC2 instance, and which."""


class Dialer(Protocol):
    """Connects to the instance's SSH server; `name` is the value of `--via`."""

    name: str

    def open(self) -> SshConnection:
        """Connect and authenticate.

        Raises:
            NotExecuted: the connection failed; nothing has run.
        """


class SessionDialer:
    """Connects through AWS-StartSSHSession, with a key pushed by EC2 Instance Connect."""

    name = "ssh-session"

    def __init__(
        self,
        target: Target,
        ssm: AwsClient,
        gateway: SessionGateway,
        connect: AwsClient,
        ec2: AwsClient,
        instance_id: str,
    ) -> None:
        self._target, self._ssm, self._gateway = target, ssm, gateway
        self._connect, self._ec2, self._instance_id = connect, ec2, instance_id

    def open(self) -> SshConnection:
        """Start the session, verify the server's key, and only then push ours: it is valid for 60 seconds."""
        host = resolve_session_host(self._target, self._instance_id)
        with ExitStack() as below:
            stream = SessionStream(self._ssm, self._gateway, self._instance_id, host.port)
            below.callback(stream.close)
            try:
                transport, message = verify_server(
                    stream.socket, host, self._ask_console, is_session=True
                )
            except NotExecuted as error:
                raise _because(error, stream.why_over) from None
            below.callback(transport.close)
            if self._target.ssh_key_file:
                authenticate(
                    transport, host, identities(host), "OPSKIT_SSH_USER names another user"
                )
            else:
                key = send_public_key(self._connect, self._instance_id, host.user)
                authenticate(
                    transport,
                    host,
                    [key],
                    f"is {host.user} the image's user (OPSKIT_SSH_USER), and is the package "
                    "ec2-instance-connect on the instance? ssh_key_file names a key that it has",
                )
            return SshConnection(
                transport, below.pop_all(), (message,) if message else (), lambda: stream.why_over
            )

    def _ask_console(self) -> ConsoleFingerprints:
        return read_console(self._ec2, self._instance_id)


class DirectDialer:
    """Connects by TCP to the instance, or to a bastion in front of it.

    Args:
        instance_id: its private address is used where the settings name no host.
    """

    name = "ssh"

    def __init__(self, target: Target, ec2: AwsClient, instance_id: str) -> None:
        self._target, self._ec2, self._instance_id = target, ec2, instance_id

    def open(self) -> SshConnection:
        """Connect to each host through the one before it."""
        address = self._target.ssh_host or self._private_address()
        hosts = resolve_jump_hosts(self._target, address, self._instance_id)
        notices: list[str] = []
        with ExitStack() as below:
            stream: Any = dial(hosts[0])
            transport: Any = None
            for number, host in enumerate(hosts):
                if transport is not None:
                    stream = dial_through(transport, host, hosts[number - 1])
                below.callback(stream.close)
                transport, message = verify_server(
                    stream, host, self._asker(host.instance_id), is_session=False
                )
                below.callback(transport.close)
                notices += [message] if message else []
                authenticate(
                    transport,
                    host,
                    identities(host),
                    "OPSKIT_SSH_USER names another user, OPSKIT_SSH_KEY_FILE another key; "
                    "ssh-add -l   shows what the agent has",
                )
            return SshConnection(transport, below.pop_all(), tuple(notices), lambda: "")

    def _asker(self, instance_id: str) -> Callable[[], ConsoleFingerprints]:
        return lambda: read_console(self._ec2, instance_id) if instance_id else NO_CONSOLE

    def _private_address(self) -> str:
        try:
            reply = self._ec2.describe_instances(InstanceIds=[self._instance_id])
            instances = [i for r in reply["Reservations"] for i in r["Instances"]]
        except AwsError as error:
            raise NotExecuted(
                f"the address of {self._instance_id} is not known ({error.permission}: {error.code})",
                "ssh_host in opskit.toml or OPSKIT_SSH_HOST names it",
                missing=error.permission,
            ) from None
        address = str(instances[0].get("PrivateIpAddress") or "") if instances else ""
        if not address:
            raise NotExecuted(f"{self._instance_id} has no address")
        return address


def _because(error: NotExecuted, why: str) -> NotExecuted:
    """The same error, with the session's explanation added."""
    if not why:
        return error
    return NotExecuted(f"{error.sentence}; {why}", error.next_step, error.missing, error.symptoms)


def create_direct_dialer(context: TransportContext) -> DirectDialer:
    """Create the dialer that needs no AWS session."""
    return DirectDialer(context.target, context.client("ec2"), context.location.target)


def create_session_dialer(context: TransportContext) -> SessionDialer:
    """Create the dialer over a Session Manager session."""
    client = context.client
    return SessionDialer(
        context.target,
        client("ssm"),
        client("ssmmessages"),
        client("ec2-instance-connect"),
        client("ec2"),
        context.location.target,
    )
