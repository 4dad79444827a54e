"""The agent's end of a port session: smux version 1, or one stream of plain bytes."""

from __future__ import annotations

import contextlib
import queue
import socket
import struct
import threading
import time
from collections.abc import Callable

Dial = Callable[[str, int], socket.socket]
"""Connects from the instance; called in a thread of its own."""
Say = Callable[[int, bytes], None]
"""Sends a payload to the client: payload type and bytes; waits while too much is under way."""

OPEN, CLOSE, DATA = 0, 1, 2
FLAG, UNREACHABLE, TERMINATE = 10, struct.pack(">I", 3), struct.pack(">I", 2)


def frame(command: int, stream: int, data: bytes = b"") -> bytes:
    """One smux frame."""
    return bytes([1, command]) + struct.pack("<HI", len(data), stream) + data


class OneStream:
    """A session of AWS-StartSSHSession: one connection, whose end ends the session.

    A port that refuses ends the session without a message: the reason is only in the agent's log.
    """

    def __init__(self, dial: Dial, port: int, say: Say) -> None:
        self._say = say
        self._input: queue.Queue[bytes] = queue.Queue()
        self.is_ready, self.is_closed, self.failure = True, False, ""
        try:
            connection = dial("localhost", port)
        except OSError:
            self.is_closed = True
            return
        for work in (self._give, self._answer):
            threading.Thread(target=work, args=(connection,), daemon=True).start()

    def end(self) -> None:
        """Close the connection."""
        self.is_closed = True
        self._input.put(b"")

    def take(self, kind: int, payload: bytes) -> None:
        """Process a payload of the client."""
        if kind == 1:
            self._input.put(payload)
        elif payload == TERMINATE:
            self.end()

    def _give(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := self._input.get():
                connection.sendall(data)
            connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := connection.recv(1024):
                self._say(1, data)
        connection.close()
        self.end()


class Ports:
    """All streams of one session.

    Args:
        host, port: the destination of every stream.
    """

    def __init__(self, dial: Dial, host: str, port: int, say: Say) -> None:
        self._dial = dial
        self._host, self._port = host, port
        self._say = say
        self._rest = b""
        self._inputs: dict[int, queue.Queue[bytes]] = {}
        self.is_closed = False
        self.failure = ""

    @property
    def is_ready(self) -> bool:
        """Whether input is accepted: always, since each stream waits for itself."""
        return True

    def end(self) -> None:
        """Close all streams, so that an ended session leaves no connection open."""
        self.is_closed = True
        for entrance in list(self._inputs.values()):
            entrance.put(b"")

    def take(self, kind: int, payload: bytes) -> None:
        """Process a payload of the client."""
        if kind != 1:
            if payload == TERMINATE:
                self.end()
            return
        self._rest += payload
        while len(self._rest) >= 8:
            command = self._rest[1]
            length, stream = struct.unpack("<HI", self._rest[2:8])
            if len(self._rest) < 8 + length:
                return
            data, self._rest = self._rest[8 : 8 + length], self._rest[8 + length :]
            if command == OPEN:
                entrance: queue.Queue[bytes] = queue.Queue()
                self._inputs[stream] = entrance
                threading.Thread(target=self._serve, args=(stream, entrance), daemon=True).start()
            elif command == DATA and stream in self._inputs:
                self._inputs[stream].put(data)
            elif command == CLOSE and stream in self._inputs:
                self._inputs.pop(stream).put(b"")

    def _serve(self, stream: int, entrance: queue.Queue[bytes]) -> None:
        try:
            connection = self._dial(self._host, self._port)
        except OSError:
            self._say(FLAG, UNREACHABLE)
            self._say(1, frame(CLOSE, stream))
            return
        threading.Thread(target=self._answer, args=(stream, connection), daemon=True).start()
        try:
            while data := entrance.get():
                connection.sendall(data)
            # The client reads the data before it sees the end.
            time.sleep(0.05)
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def _answer(self, stream: int, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := connection.recv(1016):
                if self.is_closed:
                    break
                self._say(1, frame(DATA, stream, data))
        connection.close()
        entrance = self._inputs.pop(stream, None)
        if entrance is not None:
            entrance.put(b"")
            self._say(1, frame(CLOSE, stream))
