"""Shared state of a port session and its forwarder: lock, flow control, end, and local sockets."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from opskit.transport.session_manager.data_channel import Event
from opskit.transport.session_manager.session import Session

TICK_S = 0.05
MOST_UNSENT = 256
"""Messages on their way to the agent; beyond it local senders wait."""
MOST_HELD = 4 * 1024 * 1024
"""Bytes that wait for slow local readers; beyond it nothing more is taken from the session."""


class PortSession:
    """Sends to the agent at the pace of its acknowledgements, and limits the bytes held for local readers.

    Attributes:
        lock: guards every use of the channel; notified on every change that a thread may wait for.
        is_closed: set at the end of the session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.lock = threading.Condition()
        self.is_closed = threading.Event()
        self._held = 0

    @property
    def is_flushed(self) -> bool:
        """Whether the agent has acknowledged everything, and none of its messages is missing."""
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
        """Count bytes for a local reader; block while too many bytes are held.

        This alone stops the session from being read: the agent notices and stops reading too. Its
        acknowledgements wait as well, so that their absence means nothing.
        """
        with self.lock:
            while self._held > MOST_HELD and not self.is_closed.is_set():
                self._session.channel.suspend_liveness_timeout(time.monotonic())
                self.lock.wait(1)
            self._held += count

    def release(self, count: int) -> None:
        """Record that a local reader has taken bytes."""
        with self.lock:
            self._held -= count
            self.lock.notify_all()

    def write_due(self) -> list[Event]:
        """Write due frames, or wait a moment for them, and run the timers."""
        with self.lock:
            # A notification during the last write has woken no thread, so check before waiting.
            if not self._session.channel.has_frames and not self.is_closed.is_set():
                self.lock.wait(TICK_S)
        events = self._session.write(self.lock)
        with self.lock:
            self.lock.notify_all()
        return events

    def end(self) -> None:
        """Close the session: no bytes are forwarded any more."""
        self.is_closed.set()
        with self.lock:
            self.lock.notify_all()


class Forwarder(Protocol):
    """Forwards local connections over the session."""

    def take(self, connection: socket.socket) -> None:
        """Forward a local connection; returns at once."""

    def receive(self, data: bytes) -> None:
        """Process bytes of the agent, in order."""

    def tick(self, now: float) -> None:
        """Run the timers."""

    def end(self) -> None:
        """Close all local connections."""


class LocalSocket:
    """One local connection: a queue of bytes for it, and the thread that writes them."""

    def __init__(self, connection: socket.socket, released: Callable[[int], None]) -> None:
        self._connection = connection
        self._released = released
        self._parts: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._is_finished = self._is_over = False
        threading.Thread(target=self._give, daemon=True).start()

    def put(self, data: bytes) -> None:
        """Queue bytes of the peer."""
        with self._changed:
            if not self._is_over:
                self._parts.append(data)
                self._changed.notify()
                return
        # No thread writes them any more, and held bytes count for all connections.
        self._released(len(data))

    def finish(self) -> None:
        """Close after all queued bytes were written."""
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
    """Close a connection in both directions, regardless of its state."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
