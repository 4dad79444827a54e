"""An SSH connection: verifies the server's key, authenticates, and closes the connections below it."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

from opskit.errors import NotExecuted
from opskit.transport.session_manager.session import limit_sending
from opskit.transport.ssh.host_keys import ConsoleFingerprints, known_keys, verify_host_key
from opskit.transport.ssh.jump_hosts import SshHost

HANDSHAKE_WITHIN_S = 20.0
"""A busy small instance computes its part in a second or two; after this limit no one answers."""
AUTHENTICATED_WITHIN_S = 20.0
"""EC2 Instance Connect asks the instance's metadata at every login."""
ALIVE_EVERY_S = 30
"""Middleboxes drop connections that are silent for about a minute."""


class SshConnection:
    """A connection to the last host.

    Attributes:
        transport: paramiko's; its channels carry commands and streams.
        notices: reports about the connection, such as an unknown host key.
        why_over: asks the layer below why the connection ended; returns an empty text if unknown.
    """

    def __init__(
        self,
        transport: Any,
        below: ExitStack,
        notices: tuple[str, ...],
        why_over: Callable[[], str],
    ) -> None:
        self.transport, self.notices, self.why_over = transport, notices, why_over
        self._below = below

    def __enter__(self) -> SshConnection:
        """The connection itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection, also after an error."""
        self.close()

    def close(self) -> None:
        """Close the connection and everything below it."""
        self._below.close()


log = logging.getLogger("opskit.transport.ssh")


def broken() -> tuple[type[Exception], ...]:
    """The errors by which paramiko reports that a connection or a channel is closed."""
    from paramiko import SSHException

    return OSError, EOFError, SSHException


def verify_server(
    stream: Any, host: SshHost, ask_console: Callable[[], ConsoleFingerprints], *, is_session: bool
) -> tuple[Any, str]:
    """Begin SSH over a stream, up to the verified server key.

    Args:
        stream: a socket, or a channel of another connection; it is closed with the transport.

    Returns:
        paramiko's transport, not yet authenticated, and a notice about the key.

    Raises:
        NotExecuted: no SSH server answers, or its key is wrong.
    """
    from paramiko import Transport

    # paramiko logs errors with tracebacks; without a handler they would go to standard error.
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    log.debug("SSH handshake with %s", host.known_as)
    transport = Transport(stream)
    transport.daemon = True
    transport.banner_timeout = transport.handshake_timeout = HANDSHAKE_WITHIN_S
    transport.auth_timeout = AUTHENTICATED_WITHIN_S
    try:
        _prefer(transport, {key.get_name() for key in known_keys(host)})
        transport.start_client(timeout=HANDSHAKE_WITHIN_S)
        message = verify_host_key(
            host, transport.get_remote_server_key(), ask_console, is_session=is_session
        )
    except broken() as error:
        transport.close()
        raise NotExecuted(
            f"no SSH server answers at {host.known_as} ({_words(error)})",
            missing=f"an SSH server at {host.known_as}",
        ) from None
    except BaseException:
        transport.close()
        raise
    transport.set_keepalive(ALIVE_EVERY_S)
    return transport, message


def authenticate(transport: Any, host: SshHost, keys: Iterable[Any], hint: str) -> None:
    """Authenticate with the first key that the server accepts.

    Args:
        hint: the next step where it accepts none.

    Raises:
        NotExecuted: the server accepts no key, or closes the connection.
    """
    from paramiko import AuthenticationException

    tried: list[str] = []
    try:
        for key in keys:
            tried.append(key.fingerprint)
            log.debug("offers key %s for %s at %s", key.fingerprint, host.user, host.known_as)
            with contextlib.suppress(AuthenticationException):
                if not transport.auth_publickey(host.user, key):
                    return
            if not transport.is_active():
                break
    except broken() as error:
        raise NotExecuted(
            f"the login as {host.user} at {host.known_as} failed ({_words(error)})"
        ) from None
    what = f"took none of {len(tried)} keys" if tried else "was offered no key"
    raise NotExecuted(
        f"the SSH server at {host.known_as} {what} for {host.user}",
        hint,
        missing=f"a key that {host.known_as} takes for {host.user}",
    )


def dial(host: SshHost) -> socket.socket:
    """Connect to the first host.

    Raises:
        NotExecuted: nothing answers there.
    """
    log.debug("connects to %s:%d", host.address, host.port)
    try:
        connection = socket.create_connection((host.address, host.port), HANDSHAKE_WITHIN_S / 2)
    except OSError as error:
        raise NotExecuted(
            f"no connection to {host.address}:{host.port}: {_words(error)}",
            "OPSKIT_SSH_BASTION names a host that leads there, OPSKIT_SSH_HOST another address; "
            "--via ssh-session needs neither",
            missing=f"a way to {host.address} on port {host.port}",
        ) from None
    connection.settimeout(None)
    # Keepalives ask for no answer, so nothing else would notice that the peer is gone.
    limit_sending(connection)
    return connection


def dial_through(transport: Any, host: SshHost, over: SshHost) -> Any:
    """Connect to a host through the one before it.

    Raises:
        NotExecuted: the host before it cannot connect, or does not allow it.
    """
    log.debug("connects to %s:%d through %s", host.address, host.port, over.known_as)
    try:
        return transport.open_channel(
            "direct-tcpip", (host.address, host.port), ("127.0.0.1", 0), timeout=HANDSHAKE_WITHIN_S
        )
    except broken() as error:
        raise NotExecuted(
            f"{over.known_as} does not lead to {host.address}:{host.port}: {why_no_channel(error)}",
            missing=f"a way from {over.known_as} to {host.address} on port {host.port}",
        ) from None


def why_no_channel(error: Exception) -> str:
    """The meaning of a server's refusal to open a channel. Source: RFC 4254, section 5.1."""
    code = getattr(error, "code", 0)
    return {
        1: "its SSH server forbids it (AllowTcpForwarding, PermitOpen)",
        2: "refused, or no answer",
        3: "its SSH server carries no connections",
        4: "it has no room for another connection",
    }.get(code, _words(error))


def _prefer(transport: Any, known: set[str]) -> None:
    """Prefer the type of the known host key: a key of another type could not be compared."""
    options = transport.get_security_options()
    names = {"ssh-rsa", "rsa-sha2-256", "rsa-sha2-512"} if "ssh-rsa" in known else set()
    wanted = known | names
    offered = tuple(options.key_types)
    options.key_types = tuple(t for t in offered if t in wanted) + tuple(
        t for t in offered if t not in wanted
    )


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
