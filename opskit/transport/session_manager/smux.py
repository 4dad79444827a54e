"""Many streams in one: smux version 1, without I/O.

Frames of eight bytes of header (version, command, length and stream id, both little-endian) and data;
they may be split and joined as the channel likes. There is no flow control per stream.
Source: xtaci/smux, as the official plugin and agent carry it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

HEADER = struct.Struct("<BBHI")
VERSION = 1
SYN, FIN, PSH, NOP = range(4)
ALIVE = HEADER.pack(VERSION, NOP, 0, 0)
"""Means nothing but that we are there."""
MOST_DATA = 1016
"""Bytes of data in a frame: with its header it is one payload of the channel."""


class ProtocolViolation(ValueError):
    """The peer does not speak smux version 1; nothing on this session can be trusted any more."""


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes of a stream."""

    stream: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Finished:
    """The peer closed a stream, both directions at once: there is no half-close."""

    stream: int


class Mux:
    """The client's side: it alone opens streams."""

    def __init__(self) -> None:
        self._last = 1
        self._buffer = bytearray()
        self._open: set[int] = set()

    def open(self) -> tuple[int, bytes]:
        """A new stream, and what opens it at the peer."""
        self._last += 2
        self._open.add(self._last)
        return self._last, HEADER.pack(VERSION, SYN, 0, self._last)

    def write(self, stream: int, data: bytes) -> bytes:
        """Frames with data for a stream; nothing for one that is closed."""
        if stream not in self._open:
            return b""
        parts = (data[i : i + MOST_DATA] for i in range(0, len(data), MOST_DATA))
        return b"".join(HEADER.pack(VERSION, PSH, len(p), stream) + p for p in parts)

    def close(self, stream: int) -> bytes:
        """What closes a stream at the peer; nothing if that has happened."""
        if stream not in self._open:
            return b""
        self._open.discard(stream)
        return HEADER.pack(VERSION, FIN, 0, stream)

    def receive(self, data: bytes) -> list[Received | Finished]:
        """Take bytes of the channel.

        Raises:
            Broken: they are not frames of this version.
        """
        self._buffer += data
        events: list[Received | Finished] = []
        while len(self._buffer) >= HEADER.size:
            version, command, length, stream = HEADER.unpack_from(self._buffer)
            if version != VERSION or command > NOP:
                raise ProtocolViolation(f"smux version {version}, command {command}")
            end = HEADER.size + length
            if len(self._buffer) < end:
                break
            content = bytes(self._buffer[HEADER.size : end])
            del self._buffer[:end]
            if stream not in self._open:
                # After our own FIN the peer may still send what was under way.
                continue
            if command == PSH and content:
                events.append(Received(stream, content))
            elif command == FIN:
                events.append(Finished(stream))
        return events

    @property
    def open_streams(self) -> frozenset[int]:
        """The streams that neither side has closed."""
        return frozenset(self._open)
