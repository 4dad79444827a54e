"""A local port that leads through the instance: one session, many connections.

Three threads carry a session: one reads frames, one writes them and lets time pass, one accepts
connections; every connection has two more, one for each direction. What is on its way is bounded: a
reader that is slow stops the session from taking more, and a sender waits for acknowledgements.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import deque
from collections.abc import Callable

from opskit.errors import Lost
from opskit.instance.session_manager.channel import (
    TERMINATE,
    Closed,
    Data,
    Event,
    Flag,
    Notice,
    Ready,
    Stream,
)
from opskit.instance.session_manager.session import Gateway, Session, Ssm
from opskit.instance.session_manager.smux import MOST_DATA, Broken, Finished, Mux, Received

DOCUMENT = "AWS-StartPortForwardingSessionToRemoteHost"
UNREACHABLE = 3
"""The agent's flag for a target that refused or did not answer; it does not say for which stream."""
TICK_S = 0.05
MOST_UNSENT = 256
"""Messages on their way to the agent; beyond it local senders wait."""
MOST_HELD = 4 * 1024 * 1024
"""Bytes that wait for slow local readers; beyond it nothing more is taken from the session."""
READY_WITHIN_S = 20.0
SMUX_AFTER = (3, 0, 196, 0)
"""Agents up to this version carry one stream without frames, and never tell that it was closed."""


def start_session(ssm: Ssm, gateway: Gateway, instance_id: str, host: str, port: int) -> Session:
    """Start a session that carries connections from the instance to a host and port.

    Raises:
        Refused: it may not be started, or the agent is not there.
    """
    parameters = {"host": [host], "portNumber": [str(port)], "localPortNumber": ["0"]}
    return Session(ssm, gateway, instance_id, DOCUMENT, parameters)


class Tunnel:
    """The carried session and its local port.

    Args:
        session: a port session that was just started.
        on_problem: told in a sentence what happened to a connection.
    """

    def __init__(self, session: Session, on_problem: Callable[[str], None]) -> None:
        self._session = session
        self._on_problem = on_problem
        self._mux = Mux()
        self._lock = threading.Condition()
        self._streams: dict[int, _Local] = {}
        self._held = 0
        self.failure = ""
        self.is_over = threading.Event()
        self._ready = threading.Event()
        self._listener: socket.socket | None = None

    def start(self, local_port: int) -> int:
        """Carry the session from now on, and listen on 127.0.0.1.

        Args:
            local_port: 0 for any that is free.

        Returns:
            the port.

        Raises:
            Lost: the session did not become ready.
            OSError: the port is taken.
        """
        listener = socket.create_server(("127.0.0.1", local_port))
        for work in (self._carry, self._write):
            threading.Thread(target=work, daemon=True).start()
        if not self._ready.wait(READY_WITHIN_S) or self.is_over.is_set():
            listener.close()
            raise Lost(self.failure or "the session did not become ready in time")
        self._listener = listener
        threading.Thread(target=self._accept, daemon=True).start()
        return int(listener.getsockname()[1])

    def close(self) -> None:
        """End all connections and the session."""
        if self._listener is not None:
            # Closing alone would leave it listening for as long as a thread waits in accept.
            _shut(self._listener)
        with self._lock:
            for local in self._streams.values():
                local.close()
            if not self.is_over.is_set():
                self._session.channel.send_flag(TERMINATE, time.monotonic())
        self._end("")
        self._session.close()

    def _carry(self) -> None:
        """Read frames until the session is over."""
        try:
            for event in self._session.read(self._lock, self.is_over):
                self._take(event)
        except (Lost, Broken, OSError) as error:
            self._end(getattr(error, "sentence", str(error)))

    def _take(self, event: Event) -> None:
        if isinstance(event, Data) and event.stream is Stream.OUT:
            with self._lock:
                received = self._mux.receive(event.data)
            for one in received:
                self._deliver(one)
        elif isinstance(event, Flag) and event.number == UNREACHABLE:
            self._on_problem(
                "the instance could not connect to the database: refused, or no answer"
            )
        elif isinstance(event, Notice):
            self._on_problem(event.text)
        elif isinstance(event, Ready) and not speaks_smux(event.agent_version):
            self._end(
                f"the agent on the instance is too old for a tunnel ({event.agent_version}); "
                f"it needs {'.'.join(map(str, SMUX_AFTER))} or later"
            )
        elif isinstance(event, Closed):
            self._end(" ".join(event.reason.replace("-", " ").split()))
        if self._session.channel.is_ready:
            self._ready.set()

    def _deliver(self, one: Received | Finished) -> None:
        local = self._streams.get(one.stream)
        if local is None:
            return
        if isinstance(one, Finished):
            local.finish()
            self._close_stream(one.stream)
            return
        with self._lock:
            # Only here the session is held up: the agent notices, and stops reading too.
            while self._held > MOST_HELD and not self.is_over.is_set():
                self._lock.wait(1)
            self._held += len(one.data)
        local.put(one.data)

    def _write(self) -> None:
        """Write what is due, and let time pass."""
        while not self.is_over.is_set():
            with self._lock:
                self._lock.wait(TICK_S)
            try:
                for event in self._session.write(self._lock):
                    self._take(event)
            except (Lost, OSError) as error:
                self._end(getattr(error, "sentence", str(error)))
            with self._lock:
                self._lock.notify_all()

    def _accept(self) -> None:
        assert self._listener is not None  # noqa: S101  start has made it
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                stream, opening = self._mux.open()
                local = _Local(connection, self._released)
                self._streams[stream] = local
                self._session.channel.send(opening, time.monotonic())
                self._lock.notify_all()
            threading.Thread(target=self._send, args=(stream, connection), daemon=True).start()

    def _send(self, stream: int, connection: socket.socket) -> None:
        """Carry what a local client sends, at the pace of the acknowledgements."""
        while not self.is_over.is_set():
            try:
                data = connection.recv(16 * MOST_DATA)
            except OSError:
                data = b""
            if not data:
                break
            with self._lock:
                while self._session.channel.unsent > MOST_UNSENT and not self.is_over.is_set():
                    self._lock.wait(1)
                self._session.channel.send(self._mux.write(stream, data), time.monotonic())
                self._lock.notify_all()
        self._close_stream(stream)

    def _close_stream(self, stream: int) -> None:
        with self._lock:
            ending = self._mux.close(stream)
            if ending:
                self._session.channel.send(ending, time.monotonic())
            local = self._streams.pop(stream, None)
            self._lock.notify_all()
        if local is not None:
            local.finish()

    def _released(self, count: int) -> None:
        """A local reader has taken bytes."""
        with self._lock:
            self._held -= count
            self._lock.notify_all()

    def _end(self, failure: str) -> None:
        self.failure = self.failure or failure
        self.is_over.set()
        self._ready.set()
        with self._lock:
            for local in self._streams.values():
                local.close()
            self._lock.notify_all()


def speaks_smux(agent_version: str) -> bool:
    """Whether an agent carries many streams; a version that is no number is none that does."""
    try:
        parts = tuple(int(part) for part in agent_version.split("."))
    except ValueError:
        return False
    return len(parts) == len(SMUX_AFTER) and parts > SMUX_AFTER


class _Local:
    """One local connection: what came for it, and the thread that gives it away."""

    def __init__(self, connection: socket.socket, released: Callable[[int], None]) -> None:
        self._connection = connection
        self._released = released
        self._pieces: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._is_finished = False
        threading.Thread(target=self._give, daemon=True).start()

    def put(self, data: bytes) -> None:
        """Take bytes of the peer."""
        with self._changed:
            self._pieces.append(data)
            self._changed.notify()

    def finish(self) -> None:
        """Close after everything that came was given away."""
        with self._changed:
            self._is_finished = True
            self._changed.notify()

    def close(self) -> None:
        """Close at once."""
        self.finish()
        _shut(self._connection)

    def _give(self) -> None:
        while True:
            with self._changed:
                while not self._pieces and not self._is_finished:
                    self._changed.wait()
                pieces, is_last = list(self._pieces), self._is_finished
                self._pieces.clear()
            data = b"".join(pieces)
            try:
                self._connection.sendall(data)
            except OSError:
                is_last = True
            self._released(len(data))
            if is_last and not self._pieces:
                _shut(self._connection)
                return


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
