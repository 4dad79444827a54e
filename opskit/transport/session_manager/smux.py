"""Multiplexed streams: smux version 1, sans I/O.

Frames are eight bytes of header (version, command, length and stream id, both little-endian) and data;
the channel may split and join them. There is no flow control per stream.
Source: xtaci/smux, as the official plugin and agent use it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

HEADER = struct.Struct("<BBHI")
VERSION = 1
SYN, FIN, PSH, NOP = range(4)
ALIVE = HEADER.pack(VERSION, NOP, 0, 0)
"""A keepalive frame, without effect."""
MOST_DATA = 1016
"""Bytes of data in a frame: with its header it is one payload of the channel."""


class ProtocolViolation(ValueError):
    """The peer does not follow smux version 1; the session cannot be used any more."""


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes of a stream."""

    stream: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Finished:
    """The peer closed both directions of a stream: smux has no half-close."""

    stream: int


class Mux:
    """The client's side, which alone opens streams."""

    def __init__(self) -> None:
        self._last = 1
        self._buffer = bytearray()
        self._open: set[int] = set()

    def open(self) -> tuple[int, bytes]:
        """A new stream, and the frame that opens it at the peer."""
        self._last += 2
        self._open.add(self._last)
        return self._last, HEADER.pack(VERSION, SYN, 0, self._last)

    def write(self, stream: int, data: bytes) -> bytes:
        """Frames with a stream's data; empty for a closed stream."""
        if stream not in self._open:
            return b""
        parts = (data[i : i + MOST_DATA] for i in range(0, len(data), MOST_DATA))
        return b"".join(HEADER.pack(VERSION, PSH, len(p), stream) + p for p in parts)

    def close(self, stream: int) -> bytes:
        """The frame that closes a stream at the peer; empty if it is already closed."""
        if stream not in self._open:
            return b""
        self._open.discard(stream)
        return HEADER.pack(VERSION, FIN, 0, stream)

    def receive(self, data: bytes) -> list[Received | Finished]:
        """Parse bytes of the channel.

        Raises:
            ProtocolViolation: they are not frames of this version.
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
                # After our FIN, frames of the peer may still be in flight.
                continue
            if command == PSH and content:
                events.append(Received(stream, content))
            elif command == FIN:
                events.append(Finished(stream))
        return events

    @property
    def open_streams(self) -> frozenset[int]:
        """The streams that are open on both sides."""
        return frozenset(self._open)
