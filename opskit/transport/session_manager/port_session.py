"""One port session and what it carries shares: its lock, its pace, its end, and local sockets."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from opskit.transport.session_manager.channel import Event
from opskit.transport.session_manager.session import Session

TICK_S = 0.05
MOST_UNSENT = 256
"""Messages on their way to the agent; beyond it local senders wait."""
MOST_HELD = 4 * 1024 * 1024
"""Bytes that wait for slow local readers; beyond it nothing more is taken from the session."""


class PortSession:
    """What goes to the agent, at the pace at which it is acknowledged.

    Attributes:
        lock: around every use of the channel; notified whenever something may go on.
        is_closed: set at the end of the session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.lock = threading.Condition()
        self.is_closed = threading.Event()
        self._held = 0

    @property
    def is_flushed(self) -> bool:
        """Whether the agent has processed everything, and nothing of its answers is missing."""
        channel = self._session.channel
        return channel.unsent == 0 and not channel.has_gap

    def send(self, data: bytes) -> None:
        """Send bytes."""
        with self.lock:
            self._session.channel.send(data, time.monotonic())
            self.lock.notify_all()

    def send_flag(self, number: int) -> None:
        """Send a flag, after the bytes before it."""
        with self.lock:
            self._session.channel.send_flag(number, time.monotonic())
            self.lock.notify_all()

    @property
    def can_send(self) -> bool:
        """Whether few messages are under way."""
        return self._session.channel.unsent <= MOST_UNSENT

    def wait_for_room(self) -> None:
        """Wait until few messages are under way; the caller holds the lock."""
        while not self.can_send and not self.is_closed.is_set():
            self.lock.wait(1)

    def reserve(self, count: int) -> None:
        """Count bytes that a local reader is to take; wait while too many are not taken.

        Only here the session is held up: the agent notices, and stops reading too. Its
        acknowledgements wait with the rest, so that their absence means nothing.
        """
        with self.lock:
            while self._held > MOST_HELD and not self.is_closed.is_set():
                self._session.channel.suspend_liveness_timeout(time.monotonic())
                self.lock.wait(1)
            self._held += count

    def release(self, count: int) -> None:
        """A local reader has taken bytes."""
        with self.lock:
            self._held -= count
            self.lock.notify_all()

    def write_due(self) -> list[Event]:
        """Write what is due, or wait a moment for it, and let time pass."""
        with self.lock:
            # What came while the last frames were written has woken nobody.
            if not self._session.channel.has_frames and not self.is_closed.is_set():
                self.lock.wait(TICK_S)
        events = self._session.write(self.lock)
        with self.lock:
            self.lock.notify_all()
        return events

    def end(self) -> None:
        """Nothing goes over the line any more."""
        self.is_closed.set()
        with self.lock:
            self.lock.notify_all()


class Forwarder(Protocol):
    """How connections share the line."""

    def take(self, connection: socket.socket) -> None:
        """Carry a local connection; does not wait for it."""

    def receive(self, data: bytes) -> None:
        """Take bytes of the agent, in their order."""

    def tick(self, now: float) -> None:
        """Let time pass."""

    def end(self) -> None:
        """Close all local connections."""


class LocalSocket:
    """One local connection: what came for it, and the thread that gives it away."""

    def __init__(self, connection: socket.socket, released: Callable[[int], None]) -> None:
        self._connection = connection
        self._released = released
        self._parts: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._is_finished = self._is_over = False
        threading.Thread(target=self._give, daemon=True).start()

    def put(self, data: bytes) -> None:
        """Take bytes of the peer."""
        with self._changed:
            if not self._is_over:
                self._parts.append(data)
                self._changed.notify()
                return
        # Nobody gives it away any more, and what is held is counted for all connections.
        self._released(len(data))

    def finish(self) -> None:
        """Close after everything that came was given away."""
        with self._changed:
            self._is_finished = True
            self._changed.notify()

    def close(self) -> None:
        """Close at once."""
        self.finish()
        shut(self._connection)

    def _give(self) -> None:
        while True:
            with self._changed:
                while not self._parts and not self._is_finished:
                    self._changed.wait()
                parts, is_last = list(self._parts), self._is_finished
                self._parts.clear()
            data = b"".join(parts)
            try:
                self._connection.sendall(data)
            except OSError:
                is_last = True
            self._released(len(data))
            with self._changed:
                self._is_over = is_last and not self._parts
            if self._is_over:
                shut(self._connection)
                return


def shut(connection: socket.socket) -> None:
    """Close a connection in both directions, whatever state it is in."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
