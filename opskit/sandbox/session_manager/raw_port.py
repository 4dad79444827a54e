"""The agent's end of a port session without multiplexing: one connection and raw bytes."""

from __future__ import annotations

import contextlib
import queue
import socket
import struct
import threading

from opskit.sandbox.session_manager.smux_port import FLAG, TERMINATE, Dial, Say

DISCONNECT = struct.pack(">I", 1)


class RawPort:
    """The one connection of a session, as old agents forward it.

    It connects at the start; after a disconnect by either side the next payload makes it connect again. The
    client is not told that the server has closed the connection.

    Args:
        host, port: the destination.
    """

    def __init__(self, dial: Dial, host: str, port: int, say: Say) -> None:
        self._dial = dial
        self._host, self._port = host, port
        self._say = say
        self._connection: _Connection | None = None
        self.is_closed = False
        self.failure = ""
        self._connect(is_first=True)

    @property
    def is_ready(self) -> bool:
        """Whether input is accepted: not while it connects."""
        return self._connection is None or self._connection.is_decided.is_set()

    def take(self, kind: int, payload: bytes) -> None:
        """Process a payload of the client."""
        if kind == FLAG and payload == TERMINATE:
            self.end()
        elif kind == FLAG and payload == DISCONNECT:
            if self._connection is not None:
                self._connection.close()
            self._connection = None
        elif kind == 1:
            if self._connection is None or self._connection.is_closed.is_set():
                self._connect(is_first=False)
            assert self._connection is not None
            self._connection.inputs.put(payload)

    def end(self) -> None:
        """Close the connection, so that an ended session leaves none open."""
        self.is_closed = True
        if self._connection is not None:
            self._connection.close()

    def _connect(self, *, is_first: bool) -> None:
        self._connection = _Connection()
        threading.Thread(target=self._serve, args=(self._connection, is_first), daemon=True).start()

    def _serve(self, client: _Connection, is_first: bool) -> None:
        try:
            connection = self._dial(self._host, self._port)
        except OSError as error:
            # At the start the worker dies in its clean-up, and no one learns the reason.
            location = f"dial tcp {self._host}:{self._port}"
            if not is_first:
                self.failure = f"Unable to connect to specified port: {location}: {error.strerror}"
            client.is_closed.set()
            client.is_decided.set()
            self.is_closed = True
            return
        client.is_decided.set()
        threading.Thread(target=self._answer, args=(client, connection), daemon=True).start()
        with contextlib.suppress(OSError):
            while data := client.inputs.get():
                connection.sendall(data)
            connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, client: _Connection, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := connection.recv(1024):
                if self.is_closed:
                    break
                self._say(1, data)
        connection.close()
        client.close()


class _Connection:
    """The queued bytes of one connection, and its state."""

    def __init__(self) -> None:
        self.inputs: queue.Queue[bytes] = queue.Queue()
        self.is_decided = threading.Event()
        self.is_closed = threading.Event()

    def close(self) -> None:
        """Send the queued bytes, then close."""
        self.is_closed.set()
        self.inputs.put(b"")
