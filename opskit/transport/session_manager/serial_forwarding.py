"""Forwards one TCP connection at a time, for agents up to 3.0.196.0, which do not multiplex.

The bytes have no frames. A flag closes the agent's connection to the database, and the next bytes make the
agent connect again. The agent never reports that the database has closed a connection. Late bytes of a
closed connection must not reach the next one: the agent connects for the next one only at its first bytes,
so everything that comes before these belongs to an earlier connection.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable

from opskit.transport.session_manager.port_session import TICK_S, LocalSocket, PortSession, shut

DISCONNECT = 1
"""The flag that closes the agent's connection."""
SETTLE_S = 1.0
"""The silence required after a closed connection before the next one sends: the agent's last bytes may
have been in flight when it acknowledged the flag."""
WAIT_S = 30.0
"""The wait of a second connection for its turn: common clients wait as long for a connection."""
SILENT_S = 30.0
"""After this time without an answer the user is told what it may mean; queries may take longer."""
MOST_DATA = 16 * 1024
MOST_EARLY = 64 * 1024
"""Bytes of a server that sends first, before a client has connected here."""


class TurnGate:
    """Decides which connection is active, and whose the agent's bytes are; sans I/O."""

    def __init__(self) -> None:
        self._is_taken = False
        self._is_connected = True
        """The agent connects at the start of the session, before any client has sent bytes."""
        self._early = bytearray()
        self._quiet_since: float | None = None
        self._is_first = True

    def may_begin(self, now: float, *, is_flushed: bool) -> bool:
        """Whether the next connection may begin.

        Args:
            is_flushed: whether the agent has acknowledged everything, including the flag.
        """
        if self._is_taken:
            return False
        if self._is_first:
            return True
        if not is_flushed:
            self._quiet_since = None
            return False
        if self._quiet_since is None:
            self._quiet_since = now
        return now - self._quiet_since >= SETTLE_S

    def begin(self) -> bytes:
        """Begin a connection, and return the bytes that have already come for it."""
        self._is_taken = True
        early, self._early = bytes(self._early), bytearray()
        return early

    def spoke(self) -> None:
        """Record that the connection sends its first bytes: the agent has then connected for it."""
        self._is_connected = True

    def receive(self, data: bytes) -> bytes:
        """The part of the bytes that belongs to the active connection."""
        if self._is_taken and self._is_connected:
            return data
        if self._is_first and not self._is_taken and len(self._early) < MOST_EARLY:
            self._early += data
        self._quiet_since = None
        return b""

    def end(self) -> None:
        """Record that the connection has ended here; the flag is on its way."""
        self._is_taken = self._is_first = self._is_connected = False
        self._quiet_since = None


class SerialForwarder:
    """Forwards the connections of a session that carries one at a time.

    Args:
        on_problem: called with a sentence when a connection fails.
    """

    def __init__(self, line: PortSession, on_problem: Callable[[str], None]) -> None:
        self._line = line
        self._on_problem = on_problem
        self._turns = TurnGate()
        self._turn = threading.Lock()
        self._waiting: set[socket.socket] = set()
        self._local: LocalSocket | None = None
        self._asked_at: float | None = None

    def take(self, connection: socket.socket) -> None:
        """Forward a local connection as soon as it is its turn."""
        threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def receive(self, data: bytes) -> None:
        """Pass bytes on to the active connection, if they belong to it."""
        with self._line.lock:
            own, local = self._turns.receive(data), self._local
            self._asked_at = None
        if own and local is not None:
            self._line.reserve(len(own))
            local.put(own)

    def tick(self, now: float) -> None:
        """Report a missing answer: the agent itself would not report an unreachable database."""
        if self._asked_at is not None and now - self._asked_at > SILENT_S:
            self._asked_at = None
            self._on_problem(
                f"the database has not answered for {SILENT_S:.0f} s; if it closed the connection, "
                "this old agent does not tell: end the client and connect again"
            )

    def end(self) -> None:
        """Close all local connections."""
        with self._line.lock:
            for connection in self._waiting:
                shut(connection)
            if self._local is not None:
                self._local.close()

    def _serve(self, connection: socket.socket) -> None:
        self._waiting.add(connection)
        has_turn = self._wait_for_turn(time.monotonic() + WAIT_S)
        with self._line.lock:
            self._waiting.discard(connection)
        if not has_turn:
            if not self._line.is_closed.is_set():
                self._on_problem(
                    "a second connection was closed: the agent on the instance carries one at a time, "
                    f"and that one did not end within {WAIT_S:.0f} s"
                )
            shut(connection)
            return
        try:
            self._carry(connection)
        finally:
            self._turn.release()

    def _wait_for_turn(self, limit: float) -> bool:
        """Wait until no connection is active and no late bytes of the last one can arrive."""
        while not self._turn.acquire(timeout=TICK_S):
            if self._line.is_closed.is_set() or time.monotonic() > limit:
                return False
        while not self._line.is_closed.is_set() and time.monotonic() < limit:
            with self._line.lock:
                now = time.monotonic()
                if self._turns.may_begin(now, is_flushed=self._line.is_flushed):
                    return True
                self._line.lock.wait(TICK_S)
        self._turn.release()
        return False

    def _carry(self, connection: socket.socket) -> None:
        """Forward one connection to its end."""
        with self._line.lock:
            self._local = local = LocalSocket(connection, self._line.release)
            early = self._turns.begin()
        if early:
            self._line.reserve(len(early))
            local.put(early)
        while not self._line.is_closed.is_set():
            data = b""
            with contextlib.suppress(OSError):
                data = connection.recv(MOST_DATA)
            if not data:
                break
            with self._line.lock:
                self._line.wait_for_room()
                self._turns.spoke()
                self._asked_at = self._asked_at or time.monotonic()
                self._line.send(data)
        with self._line.lock:
            self._line.send_flag(DISCONNECT)
            self._turns.end()
            self._local = self._asked_at = None
        local.finish()
