"""Connects to the database for logins: directly, or through a tunnel via the app's instance."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable

from opskit.endpoint import may_connect
from opskit.engine.interface import Engine, LoginFailure, LoginResult, Server, ServerTrust
from opskit.errors import CannotProceed, TransportError
from opskit.secret import Secret
from opskit.transport.interface import ProblemCallback, Tunnel

REACH_S = 1.0
"""A private database answers a laptop within one round trip, or usually never."""
LOGIN_S = 5.0
REOPEN_AFTER_S = 2.0
"""A tunnel that could not be opened is not tried again before this time."""
LOOPBACK = "127.0.0.1"


class DatabaseConnector:
    """Connects to the database directly, or through a tunnel if it is unreachable from here.

    The connection is made at the first use, and made again when it is lost.

    Args:
        trust: how the server is verified, on a direct connection and through a tunnel.
        open_tunnel: opens a tunnel through the instance, given the callback for its problems; None where
            there is no instance.
        through: the instance's name, for sentences.
        on_notice: receives the transport's notices while it is opened, such as an unknown host key.
        is_from_rds: whether RDS itself names the host; another host is not connected to on this machine.
    """

    def __init__(
        self,
        engine: Engine,
        host: str,
        port: int,
        database: str,
        trust: ServerTrust,
        open_tunnel: Callable[[ProblemCallback], Tunnel] | None,
        through: str,
        on_notice: Callable[[str], None] = lambda _: None,
        *,
        is_from_rds: bool = True,
    ) -> None:
        self.engine = engine
        self._host, self._port, self._database = host, port, database
        self._trust, self._open_transport, self._through = trust, open_tunnel, through
        self._on_notice = on_notice
        self._is_from_rds = is_from_rds
        self._lock = threading.Lock()
        self._direct: str | None = None
        self._is_unreachable_directly = False
        self._tunnel: Tunnel | None = None
        self._tunnel_port = 0
        self._failed: tuple[float, str] | None = None

    @property
    def description(self) -> str:
        """The connection in use, for sentences."""
        return "from this machine" if self._direct else f"through {self._through}"

    def try_login(self, user: str, password: Secret) -> LoginResult:
        """Log in and disconnect; without a connection the result says nothing about the password."""
        try:
            server = self.server()
        except (TransportError, CannotProceed) as error:
            return LoginResult(False, LoginFailure.NO_ANSWER, error.sentence, 0.0)
        return self.engine.login(server, user, password, timeout_s=LOGIN_S)

    def server(self) -> Server:
        """The address to connect to from here.

        Raises:
            TransportError: no transport to the instance works.
            CannotProceed: the database is unreachable from here, and there is no instance.
        """
        with self._lock:
            address, port = self._resolve()
        return Server(self._host, address, port, self._database, self._trust)

    def close(self) -> None:
        """Close the tunnel, if there is one."""
        if self._tunnel is not None:
            self._tunnel.close()

    def _resolve(self) -> tuple[str, int]:
        if self._direct is None and not self._is_unreachable_directly:
            self._direct = self._try_direct()
            self._is_unreachable_directly = self._direct is None
        if self._direct is not None:
            return self._direct, self._port
        if self._tunnel is None or self._tunnel.is_closed.is_set():
            self._open_tunnel()
        return LOOPBACK, self._tunnel_port

    def _try_direct(self) -> str | None:
        """The address at which the database answers this machine."""
        with contextlib.suppress(OSError):
            for address_info in socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM):
                address = str(address_info[4][0])
                if may_connect(address, is_from_rds=self._is_from_rds) and self.engine.is_reachable(
                    address, self._port, timeout_s=REACH_S
                ):
                    return address
        return None

    def _on_tunnel_problem(self, text: str) -> None:
        """Ignore the problem of a single connection: the login that failed by it reports it."""
        if self._tunnel is None or self._tunnel.is_closed.is_set():
            self._on_notice(text)

    def _open_tunnel(self) -> None:
        if self._failed and time.monotonic() - self._failed[0] < REOPEN_AFTER_S:
            raise CannotProceed(self._failed[1])
        if self._open_transport is None:
            raise CannotProceed(
                f"{self._host} cannot be reached from this machine, and no instance leads to it"
            )
        try:
            tunnel = self._open_transport(self._on_tunnel_problem)
            try:
                self._tunnel_port = tunnel.start(0)
            except BaseException:
                tunnel.close()
                raise
        except TransportError as error:
            self._failed = (time.monotonic(), error.sentence)
            raise
        self._tunnel = tunnel
