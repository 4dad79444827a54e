"""Forwards many connections over one port session: one smux stream each.

Agents up to 3.1.1511.0 may end the session when nothing came for 30 s; a keepalive prevents it.
"""

from __future__ import annotations

import socket
import threading

from opskit.transport.session_manager.port_session import LocalSocket, PortSession
from opskit.transport.session_manager.smux import ALIVE, MOST_DATA, Finished, Mux

ALIVE_EVERY_S = 10.0


class SmuxForwarder:
    """Forwards the connections of a session whose agent multiplexes with smux.

    Args:
        wants_life: whether the agent needs keepalives while nothing is sent.
    """

    def __init__(self, line: PortSession, *, wants_life: bool = False) -> None:
        self._line = line
        self._wants_life = wants_life
        self._alive_at = 0.0
        self._mux = Mux()
        self._locals: dict[int, LocalSocket] = {}

    def take(self, connection: socket.socket) -> None:
        """Open a stream for a local connection, and forward it."""
        with self._line.lock:
            stream, syn = self._mux.open()
            self._locals[stream] = LocalSocket(connection, self._line.release)
            self._line.send(syn)
        threading.Thread(target=self._send, args=(stream, connection), daemon=True).start()

    def receive(self, data: bytes) -> None:
        """Pass the agent's bytes on to the connections that they belong to.

        Raises:
            ProtocolViolation: they are not smux frames.
        """
        with self._line.lock:
            received = self._mux.receive(data)
        for frame in received:
            local = self._locals.get(frame.stream)
            if local is None:
                continue
            if isinstance(frame, Finished):
                self._close(frame.stream)
            else:
                self._line.reserve(len(frame.data))
                local.put(frame.data)

    def tick(self, now: float) -> None:
        """Send a keepalive where the agent needs one and few messages are under way."""
        if self._wants_life and now - self._alive_at >= ALIVE_EVERY_S and self._line.can_send:
            self._alive_at = now
            self._line.send(ALIVE)

    def end(self) -> None:
        """Close all local connections."""
        with self._line.lock:
            for local in self._locals.values():
                local.close()

    def _send(self, stream: int, connection: socket.socket) -> None:
        """Forward a local client's bytes, at the pace of the acknowledgements."""
        while not self._line.is_closed.is_set():
            try:
                data = connection.recv(16 * MOST_DATA)
            except OSError:
                data = b""
            if not data:
                break
            with self._line.lock:
                self._line.wait_for_room()
                self._line.send(self._mux.write(stream, data))
        self._close(stream)

    def _close(self, stream: int) -> None:
        with self._line.lock:
            result = self._mux.close(stream)
            if result:
                self._line.send(result)
            local = self._locals.pop(stream, None)
        if local is not None:
            local.finish()
