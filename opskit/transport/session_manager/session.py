"""One session: started, carried over as many connections as it takes, and always terminated."""

from __future__ import annotations

import contextlib
import queue
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Protocol
from urllib.parse import urlsplit

from opskit.errors import AwsError, NotExecuted, OutcomeUnknown, TargetError, TransportError
from opskit.transport.run_command import SendCommandClient
from opskit.transport.session_manager.channel import Channel, Closed, Event
from opskit.transport.session_manager.encryption import MakeKey
from opskit.transport.session_manager.message import LARGEST_MESSAGE
from opskit.transport.session_manager.session_lifecycle import ManagedSession, guarded, start

OPEN_WITHIN_S, CLOSE_WITHIN_S = 10, 2
READY_WITHIN_S = 20.0
"""The agent itself waits 15 s for the handshake; with nothing after that the way is blocked."""
PING_EVERY_S = 40
"""Middleboxes drop connections that are silent for about a minute."""
RECONNECT_WITHIN_S = 60.0
"""The gateway closes every connection about once an hour; a new one takes moments."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
UNSENT_WITHIN_S = 30
"""A connection that takes no bytes for so long is gone; the kernel alone would wait a quarter of an hour."""
MOST_WAITING = 64
"""Frames: beyond it the connection is not read, so that the agent slows down."""
LOST = "the session's connection was lost"


class SessionGateway(Protocol):
    """What signs the upgrade to the data channel."""

    def upgrade_headers(self, url: str) -> dict[str, str]:
        """The headers that prove who asks."""


class Session:
    """A session with an instance.

    Args:
        parameters: of the document; every value is a list, as the API wants it.
        begin: another operation that starts it, in place of StartSession with the document.

    Raises:
        Refused: it could not be started, or its connection was refused; nothing has run.
    """

    def __init__(
        self,
        ssm: SendCommandClient,
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
        """End it, whatever happened."""
        self.close()

    def send(self, data: bytes) -> None:
        """Send input."""
        self.channel.send(data, time.monotonic())

    def events(self, deadline: float) -> Iterator[Event]:
        """What happens, until the session ends or the time is over.

        Args:
            deadline: by the monotonic clock.

        Raises:
            Lost: the session went silent, or could not be resumed.
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
                    missing="a way to ssmmessages for this machine and for the instance",
                )
            yield from self._step(deadline if self.channel.is_ready else min(deadline, ready_by))

    def read(self, lock: threading.Condition, stop: threading.Event) -> Iterator[Event]:
        """What happens, for a thread that does nothing but read; another one calls `write`.

        Args:
            lock: around every use of the channel.
            stop: ends the reading.

        Raises:
            Lost: the connection was lost and could not be resumed.
        """
        from websockets.exceptions import ConnectionClosed

        while not self.channel.is_closed and not stop.is_set():
            try:
                # Without a limit: whoever sets `stop` closes the session, which ends this too.
                got = self._socket.recv()
            except ConnectionClosed:
                if self.channel.is_closed or stop.is_set():
                    return
                events = self._reconnect(time.monotonic() + RECONNECT_WITHIN_S)
                with lock:
                    self.channel.reconnected(time.monotonic())
                yield from events
                continue
            if isinstance(got, bytes):
                self._is_proven = True
                with lock:
                    events = self.channel.receive(got, time.monotonic())
                    lock.notify_all()
                yield from events

    def write(self, lock: threading.Condition) -> list[Event]:
        """Write what is due and let time pass."""
        with lock:
            events = self.channel.tick(time.monotonic())
            frames = self.channel.frames()
        self._write(frames)
        return events

    def close(self) -> None:
        """End the session and its connection."""
        self._is_ended.set()
        # First the session, so that an agent in the middle of a word stops.
        self._started.end()
        self._connection.close()

    def _step(self, deadline: float) -> list[Event]:
        """Write what is due, and wait for a frame or for the next thing to do."""
        from websockets.exceptions import ConnectionClosed

        now = time.monotonic()
        events = self.channel.tick(now)
        try:
            self._write(self.channel.frames())
            until = min(deadline, self.channel.next_at() or deadline)
            got = self._frames().take(max(0.0, until - now))
            if isinstance(got, bytes):
                self._is_proven = True
                events += self.channel.receive(got, time.monotonic())
                self._write(self.channel.frames())
        except ConnectionClosed:
            if not self.channel.is_closed:
                events += self._reconnect(deadline)
                self.channel.reconnected(time.monotonic())
        return events

    def _frames(self) -> _Frames:
        """The present connection's frames."""
        if self._incoming is None:
            self._incoming = _Frames(self._socket)
            self._connection.callback(self._incoming.stop)
        return self._incoming

    def _write(self, frames: list[bytes]) -> None:
        """Write frames; what a lost connection swallows is repeated later.

        That it is lost is for the reader to find, after all that came before its end: an agent that
        ends a session says why in the last frame.
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
        self._connection.close()
        self._incoming = None
        try:
            made = self._connection.enter_context(
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
            limit_sending(made.socket)
            made.send(self.channel.open_data_channel_message(str(reply["TokenValue"])))
            # Not sooner: another thread writes to it, and nothing may come before the opening.
            self._socket = made
        except InvalidStatus as error:
            message = " ".join((error.response.body or b"").decode("utf-8", "replace").split())
            words = f"HTTP {error.response.status_code} {message[:200]}".strip()
            raise NotExecuted(
                f"{host} refused the session's connection ({words})",
                missing="ssmmessages:OpenDataChannel on the session",
            ) from None
        except (OSError, InvalidHandshake, ConnectionClosed) as error:
            raise NotExecuted(
                f"the session's connection to {host} failed: {type(error).__name__}",
                missing=f"a way to {host} on port 443",
            ) from None

    def _reconnect(self, deadline: float) -> list[Event]:
        """Resume over a new connection; an ordinary end looks the same until it is asked for."""
        if self._is_proven:
            self._lost_at, self._pause_s, self._is_proven = time.monotonic(), FIRST_PAUSE_S, False
        limit = min(deadline, self._lost_at + RECONNECT_WITHIN_S)
        why = ""
        if "X-Amz-Signature=" in self._url:
            # Signed beforehand, for one connection.
            raise OutcomeUnknown(f"{LOST}, and its address was good for one only")
        while True:
            # Also after a connection that was made and brought nothing: it is closed at once.
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
                # Most often credentials that have expired: waiting does not help.
                raise OutcomeUnknown(
                    f"{LOST} and cannot be resumed: {error.sentence}", error.next_step
                ) from None
            if self._is_ended.is_set():
                self._connection.close()
            return []


class _Frames:
    """The frames of one connection, for those who wait for them with a limit.

    `recv` of the library has one too, but waits by `queue.SimpleQueue`, whose `get` waits for ever in
    Python 3.11 and 3.12 when its time is over before it begins to wait.
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
            got = self._queue.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if isinstance(got, Exception):
            raise got
        return got

    def stop(self) -> None:
        """Nobody takes frames any more."""
        self._is_stopped.set()

    def _read(self) -> None:
        from websockets.exceptions import ConnectionClosed

        got: Any = None
        while not isinstance(got, Exception):
            try:
                got = self._connection.recv()
            except ConnectionClosed as error:
                got = error
            while not self._is_stopped.is_set():
                try:
                    self._queue.put(got, timeout=1)
                    break
                except queue.Full:
                    continue


def limit_sending(connection: socket.socket) -> None:
    """Let bytes that nobody takes break the connection: meanwhile not even a ping could be sent."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        with contextlib.suppress(OSError):
            milliseconds = 1000 * UNSENT_WITHIN_S
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


def _tls(url: str) -> Any:
    """The TLS settings for a URL; AWS's own variable for a company's authority counts."""
    import os
    import ssl

    if not url.startswith("wss:"):
        return None
    return ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE"))
