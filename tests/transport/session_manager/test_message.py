"""Frames, against the worked examples of the format and against damage."""

from __future__ import annotations

import struct
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opskit.sandbox.session_manager import agent
from opskit.transport.session_manager import message as wire
from opskit.transport.session_manager.message import MalformedMessage, Message, decode, encode

ID = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")
EXAMPLE = bytes.fromhex(
    "00000074696e7075745f73747265616d5f646174612020202020202020202020202020200000000100"
    "00018bcfe5687b000000000000000700000000000000008899aabbccddeeff00112233445566771d"
    "887ce0f8672e4914d9000e801cd74ecd805dd9366c0bc42dc16adc0197dc2f00000001000000036c730d"
)


def test_the_worked_example() -> None:
    message = Message(wire.INPUT, 7, 1, b"ls\r", ID, 1_700_000_000_123)
    assert encode(message) == EXAMPLE
    assert decode(EXAMPLE) == message


@given(
    st.sampled_from((wire.INPUT, wire.OUTPUT, wire.ACKNOWLEDGE, "something_new")),
    st.integers(0, 2**62),
    st.integers(0, 2**31),
    st.binary(max_size=1100),
    st.uuids(),
)
def test_what_is_encoded_is_decoded(
    name: str, sequence: int, kind: int, payload: bytes, message_id: uuid.UUID
) -> None:
    message = Message(name, sequence, kind, payload, message_id, 1_700_000_000_000, 3)
    assert decode(encode(message)) == message


def test_the_gateways_short_header_with_nul_padding() -> None:
    got = decode(agent.pack_closed("bye"))
    assert (got.message_type, got.payload_type) == ("channel_closed", 0)
    assert b'"bye"' in got.payload


def test_publication_is_taken_without_a_digest() -> None:
    frame = bytearray(agent.pack("pause_publication", 0, 0, b"{}"))
    frame[80:112] = bytes(32)
    assert decode(bytes(frame)).message_type == wire.PAUSE


@pytest.mark.parametrize("header", [0, 112, 116])
@pytest.mark.parametrize("length", [112, 114, 116, 120])
def test_publication_is_taken_whatever_follows_its_name(header: int, length: int) -> None:
    """How the gateway fills in the rest is not documented."""
    frame = struct.pack(">I", header) + b"start_publication".ljust(32, b"\0")
    assert decode(frame.ljust(length, b"\0")).message_type == wire.START


@given(st.binary(max_size=300))
def test_noise_is_never_more_than_malformed(noise: bytes) -> None:
    try:
        decode(noise)
    except MalformedMessage:
        return


@pytest.mark.parametrize("at", [0, 3, 85, 119, 122])
def test_a_damaged_frame_is_refused(at: int) -> None:
    frame = bytearray(EXAMPLE)
    frame[at] ^= 0xFF
    with pytest.raises(MalformedMessage):
        decode(bytes(frame))


def test_a_cut_frame_is_refused() -> None:
    for length in (0, 4, 115, 119, len(EXAMPLE) - 1):
        with pytest.raises(MalformedMessage):
            decode(EXAMPLE[:length])
    longer = struct.pack(">I", 200) + EXAMPLE[4:]
    with pytest.raises(MalformedMessage):
        decode(longer)
