"""The way to the database for logins: from here, else through the app's instance."""

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
"""A private database answers a laptop within one round trip or, mostly, never."""
LOGIN_S = 5.0
REOPEN_AFTER_S = 2.0
"""A way that could not be opened is not tried again at once."""
LOOPBACK = "127.0.0.1"


class DatabaseConnector:
    """Opens the way at the first use, and again when it is lost.

    Args:
        trust: how the database is verified, whichever way is used.
        open_tunnel: opens the instance's road for connections to the database, told whom to tell of
            what happens to them; None: no instance.
        through: the instance's name, for sentences.
        on_notice: told what the road says of itself while it is opened, such as a host key that
            nobody knows.
        is_from_rds: RDS itself names the host; another one is not connected to on this machine.
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
        """Which way is used."""
        return "from this machine" if self._direct else f"through {self._through}"

    def try_login(self, user: str, password: Secret) -> LoginResult:
        """Log in and leave. A way that cannot be opened gives a result that judges nothing."""
        try:
            server = self.server()
        except (TransportError, CannotProceed) as error:
            return LoginResult(False, LoginFailure.NO_ANSWER, error.sentence, 0.0)
        return self.engine.login(server, user, password, timeout_s=LOGIN_S)

    def server(self) -> Server:
        """Where to connect from here.

        Raises:
            TransportError: no road can be gone.
            Incomplete: the database cannot be reached from here, and there is no instance.
        """
        with self._lock:
            address, port = self._resolve()
        return Server(self._host, address, port, self._database, self._trust)

    def close(self) -> None:
        """End the tunnel, if there is one."""
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
            for found in socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM):
                address = str(found[4][0])
                if may_connect(address, is_from_rds=self._is_from_rds) and self._answers(address):
                    return address
        return None

    def _answers(self, address: str) -> bool:
        try:
            socket.create_connection((address, self._port), REACH_S).close()
        except OSError:
            return False
        return True

    def _on_tunnel_problem(self, text: str) -> None:
        """A single connection's misfortune is told by the login that failed by it."""
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
