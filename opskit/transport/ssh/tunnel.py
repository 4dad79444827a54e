"""A local port forwarded through an SSH server: one direct-tcpip channel for each connection.

The server resolves the database's name again for each connection. Each channel has its own window, so
that a slow reader delays no other connection. Each direction can be closed by itself.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

from opskit.transport.interface import ProblemCallback, TransportContext
from opskit.transport.ssh.connection import SshConnection, broken, why_no_channel
from opskit.transport.ssh.dialers import create_direct_dialer, create_session_dialer

OPEN_WITHIN_S = 20.0
"""A port whose packets are dropped is reported after this time; kernels try for two minutes."""
PIECE = 32_768


class SshTunnel:
    """The SSH connection and its local port.

    Args:
        connection: authenticated; it is closed with the tunnel.
        host, port: the database, as the instance resolves it.
        on_problem: called with a sentence when a connection fails.
    """

    def __init__(
        self, connection: SshConnection, host: str, port: int, on_problem: ProblemCallback
    ) -> None:
        self._connection, self._host, self._port = connection, host, port
        self._on_problem = on_problem
        self._lock = threading.Lock()
        self._locals: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._is_closing = False
        self.failure = ""
        self.is_closed = threading.Event()
        for notice in connection.notices:
            on_problem(notice)

    def start(self, local_port: int) -> int:
        """Listen, and forward every connection (`interface.Tunnel`)."""
        self._listener = socket.create_server(("127.0.0.1", local_port))
        for work in (self._accept, self._watch):
            threading.Thread(target=work, daemon=True).start()
        return int(self._listener.getsockname()[1])

    def close(self) -> None:
        """Close all forwarded connections and the SSH connection."""
        self._is_closing = True
        self._connection.close()
        self._end("")

    def _watch(self) -> None:
        """Detect a closed SSH connection: without clients nothing else uses it."""
        transport = self._connection.transport
        transport.join()
        why = self._connection.why_over() or "the SSH connection was lost"
        self._end("" if self._is_closing else why)

    def _accept(self) -> None:
        assert self._listener is not None  # noqa: S101  start has made it
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._carry, args=(connection,), daemon=True).start()

    def _carry(self, connection: socket.socket) -> None:
        """Forward one connection from its beginning to its end."""
        with self._lock:
            self._locals.add(connection)
        channel = self._open(connection)
        if channel is not None:
            back = threading.Thread(target=_give, args=(channel, connection), daemon=True)
            back.start()
            _take(connection, channel)
            back.join()
            with contextlib.suppress(*broken()):
                channel.close()
        with self._lock:
            self._locals.discard(connection)
        connection.close()

    def _open(self, connection: socket.socket) -> Any | None:
        try:
            caller = connection.getpeername()
        except OSError:
            # The client has gone already.
            return None
        try:
            return self._connection.transport.open_channel(
                "direct-tcpip",
                (self._host, self._port),
                caller,
                timeout=OPEN_WITHIN_S,
            )
        except broken() as error:
            if not self.is_closed.is_set() and not self._is_closing:
                self._on_problem(
                    f"the instance could not connect to the database: {why_no_channel(error)}"
                )
            return None

    def _end(self, failure: str) -> None:
        self.failure = self.failure or failure
        self.is_closed.set()
        if self._listener is not None:
            # Only this wakes a thread that waits in accept.
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        with self._lock:
            for local in self._locals:
                with contextlib.suppress(OSError):
                    local.shutdown(socket.SHUT_RDWR)


def _take(connection: socket.socket, channel: Any) -> None:
    """Forward the local client's bytes to the database, and its end of file."""
    with contextlib.suppress(*broken()):
        while data := connection.recv(PIECE):
            channel.sendall(data)
    with contextlib.suppress(*broken()):
        channel.shutdown_write()


def _give(channel: Any, connection: socket.socket) -> None:
    """Forward the database's bytes to the local client, and its end of file."""
    try:
        while data := channel.recv(PIECE):
            connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
    except broken():
        # The client reads no more: later bytes are discarded with the channel.
        with contextlib.suppress(*broken()):
            channel.close()
    with contextlib.suppress(OSError):
        if channel.closed:
            connection.shutdown(socket.SHUT_RDWR)


def open_tunnel(
    context: TransportContext, host: str, port: int, on_problem: ProblemCallback
) -> SshTunnel:
    """Open a tunnel through the instance's SSH server or a bastion.

    Raises:
        NotExecuted: the SSH connection failed.
    """
    return SshTunnel(create_direct_dialer(context).open(), host, port, on_problem)


def open_tunnel_over_session(
    context: TransportContext, host: str, port: int, on_problem: ProblemCallback
) -> SshTunnel:
    """Open a tunnel through SSH over a Session Manager session.

    Raises:
        NotExecuted: the session or the SSH connection failed.
    """
    return SshTunnel(create_session_dialer(context).open(), host, port, on_problem)
