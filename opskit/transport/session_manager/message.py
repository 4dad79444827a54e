"""The binary messages of the data channel.

A header of 116 bytes, four bytes of length, and the payload; all integers are big-endian. Messages that
the gateway itself creates have a header of 112 bytes, without a payload type, and pad names with NUL.
"""

from __future__ import annotations

import hashlib
import struct
import uuid
from dataclasses import dataclass
from enum import IntEnum

INPUT, OUTPUT, ACKNOWLEDGE = "input_stream_data", "output_stream_data", "acknowledge"
CLOSED = "channel_closed"
PAUSE, START = "pause_publication", "start_publication"

HEADER, SHORT_HEADER = 116, 112
PREFIX = struct.Struct(">I32sIQqQ16s32s")
"""Header length, type, schema version, created, sequence number, flags, id, digest."""
MOST_PAYLOAD = 1024
"""Bytes: both official sides read in pieces of this size, and no larger ones are known to pass."""
LARGEST_MESSAGE = 1 << 20
"""A safety limit: real messages are far smaller."""


class PayloadType(IntEnum):
    """The kind of a stream message's payload."""

    NONE = 0
    OUTPUT = 1
    ERROR = 2
    SIZE = 3
    PARAMETER = 4
    HANDSHAKE_REQUEST = 5
    HANDSHAKE_RESPONSE = 6
    HANDSHAKE_COMPLETE = 7
    ENCRYPTION_CHALLENGE = 8
    ENCRYPTION_ANSWER = 9
    FLAG = 10
    STDERR = 11
    EXIT_CODE = 12


class MalformedMessage(ValueError):
    """A frame is no message of this protocol."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        payload_type: a number of `PayloadType`, or an unknown one; 0 where the message has none.
        created_ms: Unix time in milliseconds, never 0.
    """

    message_type: str
    sequence: int
    payload_type: int
    payload: bytes
    message_id: uuid.UUID
    created_ms: int
    flags: int = 0


def encode(message: Message) -> bytes:
    """A message as a frame with the full header."""
    raw = message.message_id.bytes
    head = PREFIX.pack(
        HEADER,
        message.message_type.encode("ascii").ljust(32),
        1,
        message.created_ms,
        message.sequence,
        message.flags,
        # On the wire, the two halves of the UUID are swapped.
        raw[8:] + raw[:8],
        hashlib.sha256(message.payload).digest(),
    )
    return head + struct.pack(">II", message.payload_type, len(message.payload)) + message.payload


def decode(frame: bytes) -> Message:
    """A frame as a message.

    Raises:
        MalformedMessage: it is truncated, its lengths contradict each other, or its payload is damaged.
    """
    if not PREFIX.size <= len(frame) <= LARGEST_MESSAGE:
        raise MalformedMessage(f"a frame of {len(frame)} bytes")
    header, name, _, created_ms, sequence, flags, raw_id, digest = PREFIX.unpack_from(frame)
    message_type = name.strip(b" \0").decode("ascii", "replace")
    message_id = uuid.UUID(bytes=raw_id[8:] + raw_id[:8])
    if message_type in (PAUSE, START):
        # The message type is sufficient; how the gateway fills in the other fields is not documented.
        return Message(message_type, sequence, 0, b"", message_id, created_ms, flags)
    if not SHORT_HEADER <= header <= len(frame) - 4:
        raise MalformedMessage(f"a header of {header} bytes in a frame of {len(frame)}")
    (length,) = struct.unpack_from(">I", frame, header)
    payload = frame[header + 4 :]
    if length != len(payload):
        raise MalformedMessage(f"a payload of {len(payload)} bytes is said to have {length}")
    if payload and hashlib.sha256(payload).digest() != digest:
        raise MalformedMessage(f"the digest of a {message_type} does not fit its payload")
    kind = struct.unpack_from(">I", frame, SHORT_HEADER)[0] if header >= HEADER else 0
    return Message(message_type, sequence, kind, payload, message_id, created_ms, flags)
