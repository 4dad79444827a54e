"""A Session Manager session: starts it, resumes it over new WebSockets, always terminates it."""

from __future__ import annotations

import contextlib
import logging
import queue
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Protocol
from urllib.parse import urlsplit

from opskit.aws_protocols import AwsClient
from opskit.errors import AwsError, NotExecuted, OutcomeUnknown, TargetError, TransportError
from opskit.transport.session_manager.data_channel import Channel, Closed, Event
from opskit.transport.session_manager.encryption import MakeKey
from opskit.transport.session_manager.managed_session import ManagedSession, guarded, start
from opskit.transport.session_manager.message import LARGEST_MESSAGE

OPEN_WITHIN_S, CLOSE_WITHIN_S = 10, 2
READY_WITHIN_S = 20.0
"""The agent itself waits 15 s for the handshake; if nothing has come by now, the path is blocked."""
PING_EVERY_S = 40
"""Middleboxes drop connections that are silent for about a minute."""
RECONNECT_WITHIN_S = 60.0
"""The gateway closes every connection about once an hour; reconnecting takes moments."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
UNSENT_WITHIN_S = 30
"""A connection that accepts no bytes for this time is dead; the kernel alone would wait 15 minutes."""
MOST_WAITING = 64
"""Frames: beyond it the connection is not read, so that the agent slows down."""
LOST = "the session's connection was lost"


log = logging.getLogger("opskit.transport.session")


class SessionGateway(Protocol):
    """Signs the WebSocket upgrade of the data channel."""

    def upgrade_headers(self, url: str) -> dict[str, str]:
        """The headers that authenticate the caller."""


class Session:
    """A session with an instance.

    Args:
        parameters: of the document; every value is a list, as the API wants it.
        begin: another operation that starts the session, in place of StartSession with the document.

    Raises:
        NotExecuted: the session could not be started, or its connection was rejected; nothing has run.
    """

    def __init__(
        self,
        ssm: AwsClient,
        gateway: SessionGateway,
        target: str,
        document: str,
        parameters: Mapping[str, list[str]],
        make_key: MakeKey | None = None,
        begin: Callable[[], Mapping[str, Any]] | None = None,
    ) -> None:
        self._ssm, self._gateway, self._target = ssm, gateway, target
        self._started = ManagedSession(
            ssm, begin or (lambda: start(ssm, target, document, parameters))
        )
        reply = self._started.reply
        self.session_id = str(reply["SessionId"])
        log.debug("session %s with %s, document %s", self.session_id, target, document)
        self.channel = Channel(self.session_id, target, make_key)
        self._url = ""
        self._connection = ExitStack()
        self._incoming: _Frames | None = None
        self._is_ended = threading.Event()
        self._is_proven, self._lost_at, self._pause_s = True, 0.0, FIRST_PAUSE_S
        try:
            self._connect(reply)
        except BaseException:
            self._started.end()
            raise

    def __enter__(self) -> Session:
        """The session itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Terminate the session, also after an error."""
        self.close()

    def send(self, data: bytes) -> None:
        """Send input."""
        self.channel.send(data, time.monotonic())

    def events(self, deadline: float) -> Iterator[Event]:
        """Yield events, until the session ends or the deadline passes.

        Args:
            deadline: by the monotonic clock.

        Raises:
            OutcomeUnknown: the session went silent, or could not be resumed.
        """
        ready_by = time.monotonic() + READY_WITHIN_S
        while not self.channel.is_closed:
            now = time.monotonic()
            if now >= deadline:
                return
            if not self.channel.is_ready and now >= ready_by:
                host = urlsplit(self._url).hostname
                raise OutcomeUnknown(
                    f"the session with {self._target} was started, but nothing came through {host}",
                    missing="a way to ssmmessages for this machine and for the agent",
                )
            yield from self._step(deadline if self.channel.is_ready else min(deadline, ready_by))

    def read(self, lock: threading.Condition, stop: threading.Event) -> Iterator[Event]:
        """Yield events, for a thread that only reads; another one calls `write`.

        Args:
            lock: guards every use of the channel.
            stop: ends the reading.

        Raises:
            OutcomeUnknown: the connection was lost and could not be resumed.
        """
        from websockets.exceptions import ConnectionClosed

        while not self.channel.is_closed and not stop.is_set():
            try:
                # Without a limit: the thread that sets `stop` closes the session, which ends this wait too.
                frame = self._socket.recv()
            except ConnectionClosed:
                if self.channel.is_closed or stop.is_set():
                    return
                events = self._reconnect(time.monotonic() + RECONNECT_WITHIN_S)
                with lock:
                    self.channel.reconnected(time.monotonic())
                yield from events
                continue
            if isinstance(frame, bytes):
                self._is_proven = True
                with lock:
                    events = self.channel.receive(frame, time.monotonic())
                    lock.notify_all()
                yield from events

    def write(self, lock: threading.Condition) -> list[Event]:
        """Write due frames, and run the timers."""
        with lock:
            events = self.channel.tick(time.monotonic())
            frames = self.channel.frames()
        self._write(frames)
        return events

    def close(self) -> None:
        """Terminate the session, and close its connection."""
        self._is_ended.set()
        log.debug("session %s is terminated", self.session_id)
        # The session first, so that an agent that is still sending stops.
        self._started.end()
        self._connection.close()

    def _step(self, deadline: float) -> list[Event]:
        """Write due frames, and wait for a frame or for the next timer."""
        from websockets.exceptions import ConnectionClosed

        now = time.monotonic()
        events = self.channel.tick(now)
        try:
            self._write(self.channel.frames())
            until = min(deadline, self.channel.next_at() or deadline)
            frame = self._frames().take(max(0.0, until - now))
            if isinstance(frame, bytes):
                self._is_proven = True
                events += self.channel.receive(frame, time.monotonic())
                self._write(self.channel.frames())
        except ConnectionClosed:
            if not self.channel.is_closed:
                events += self._reconnect(deadline)
                self.channel.reconnected(time.monotonic())
        return events

    def _frames(self) -> _Frames:
        """The frames of the current connection."""
        if self._incoming is None:
            self._incoming = _Frames(self._socket)
            self._connection.callback(self._incoming.stop)
        return self._incoming

    def _write(self, frames: list[bytes]) -> None:
        """Write frames; those that a lost connection drops are sent again later.

        The reader detects a lost connection, after it has read everything before its end: an agent that
        ends a session gives the reason in the last frame.
        """
        from websockets.exceptions import ConnectionClosed

        with contextlib.suppress(ConnectionClosed):
            for frame in frames:
                self._socket.send(frame)

    def _connect(self, reply: Mapping[str, Any]) -> None:
        from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
        from websockets.sync.client import connect

        self._url = str(reply.get("StreamUrl") or self._url)
        host = urlsplit(self._url).hostname
        log.debug("connects to %s", host)
        self._connection.close()
        self._incoming = None
        try:
            connection = self._connection.enter_context(
                connect(
                    self._url,
                    additional_headers=self._gateway.upgrade_headers(self._url),
                    open_timeout=OPEN_WITHIN_S,
                    close_timeout=CLOSE_WITHIN_S,
                    ping_interval=PING_EVERY_S,
                    compression=None,
                    max_size=LARGEST_MESSAGE,
                    ssl=_tls(self._url),
                )
            )
            limit_sending(connection.socket)
            connection.send(self.channel.open_data_channel_message(str(reply["TokenValue"])))
            log.debug("connected to %s; the data channel is requested", host)
            # Not earlier: another thread writes to it, and the opening message must be the first.
            self._socket = connection
        except InvalidStatus as error:
            log.debug("%s answers HTTP %d", host, error.response.status_code)
            message = " ".join((error.response.body or b"").decode("utf-8", "replace").split())
            refusal = f"HTTP {error.response.status_code} {message[:200]}".strip()
            raise NotExecuted(
                f"{host} refused the session's connection ({refusal})",
                missing="ssmmessages:OpenDataChannel on the session",
            ) from None
        except (OSError, InvalidHandshake, ConnectionClosed) as error:
            log.debug("the connection to %s failed: %s", host, type(error).__name__)
            raise NotExecuted(
                f"the session's connection to {host} failed: {type(error).__name__}",
                missing=f"a way to {host} on port 443",
            ) from None

    def _reconnect(self, deadline: float) -> list[Event]:
        """Resume over a new connection; an ordinary end looks like a lost one until that is tried."""
        if self._is_proven:
            self._lost_at, self._pause_s, self._is_proven = time.monotonic(), FIRST_PAUSE_S, False
        limit = min(deadline, self._lost_at + RECONNECT_WITHIN_S)
        log.debug("the connection is lost; %s is resumed", self.session_id)
        why = ""
        if "X-Amz-Signature=" in self._url:
            # The URL was signed in advance, for one connection.
            raise OutcomeUnknown(f"{LOST}, and its address was good for one only")
        while True:
            # Also after a connection that opened and brought nothing: it was closed at once.
            if time.monotonic() + self._pause_s >= limit:
                raise OutcomeUnknown(f"{LOST} and could not be resumed in time{why}")
            if self._is_ended.wait(self._pause_s * random.uniform(1, 2)):  # noqa: S311  jitter
                return [Closed("")]
            self._pause_s = min(LONGEST_PAUSE_S, self._pause_s * 2)
            try:
                reply = guarded(self._ssm.resume_session(SessionId=self.session_id))
                if not reply.get("TokenValue"):
                    self.channel.is_closed = True
                    return [Closed("")]
                self._connect(reply)
            except AwsError as error:
                if error.code == "DoesNotExistException":
                    self.channel.is_closed = True
                    return [Closed("")]
                why = f" ({error.permission}: {error.code})"
                continue
            except TransportError as error:
                why = f" ({error.sentence})"
                continue
            except TargetError as error:
                # Usually expired credentials: waiting does not help.
                raise OutcomeUnknown(
                    f"{LOST} and cannot be resumed: {error.sentence}", error.next_step
                ) from None
            if self._is_ended.is_set():
                self._connection.close()
            return []


class _Frames:
    """The frames of one connection, for callers that wait for them with a limit.

    The library's `recv` has a limit too, but waits by `queue.SimpleQueue`, whose `get` blocks for ever in
    Python 3.11 and 3.12 if its time is over before it begins to wait.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._queue: queue.Queue[Any] = queue.Queue(MOST_WAITING)
        self._is_stopped = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def take(self, timeout_s: float) -> Any:
        """The next frame; None when none came in time.

        Raises:
            ConnectionClosed: there are no more.
        """
        try:
            frame = self._queue.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if isinstance(frame, Exception):
            raise frame
        return frame

    def stop(self) -> None:
        """Stop reading: the caller takes no more frames."""
        self._is_stopped.set()

    def _read(self) -> None:
        from websockets.exceptions import ConnectionClosed

        frame: Any = None
        while not isinstance(frame, Exception):
            try:
                frame = self._connection.recv()
            except ConnectionClosed as error:
                frame = error
            while not self._is_stopped.is_set():
                try:
                    self._queue.put(frame, timeout=1)
                    break
                except queue.Full:
                    continue


def limit_sending(connection: socket.socket) -> None:
    """Let unacknowledged bytes break the connection: until then not even a ping could be sent."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        with contextlib.suppress(OSError):
            milliseconds = 1000 * UNSENT_WITHIN_S
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


def _tls(url: str) -> Any:
    """The TLS settings for a URL; AWS_CA_BUNDLE is respected, for a company's own CA."""
    import os
    import ssl

    if not url.startswith("wss:"):
        return None
    return ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE"))
