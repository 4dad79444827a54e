"""Streams in one: split and joined at will, opened and closed from both sides."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opskit.sandbox.session_manager.smux_port import CLOSE, DATA, frame
from opskit.transport.session_manager.smux import Finished, Mux, ProtocolViolation, Received


def test_the_observed_exchange() -> None:
    mux = Mux()
    stream, intent = mux.open()
    assert (stream, intent.hex()) == (3, "0100000003000000")
    assert mux.write(3, b"hello").hex() == "0102050003000000" + b"hello".hex()
    assert mux.receive(bytes.fromhex("0102020003000000") + b"hi") == [Received(3, b"hi")]
    assert mux.receive(bytes.fromhex("0101000003000000")) == [Finished(3)]
    assert mux.close(3).hex() == "0101000003000000"
    assert mux.close(3) == b""
    assert mux.write(3, b"late") == b""
    assert mux.open()[0] == 5


@given(
    st.lists(
        st.tuples(st.sampled_from((3, 5, 7)), st.binary(min_size=1, max_size=60)), max_size=20
    ),
    st.lists(st.integers(1, 50), max_size=40),
)
def test_frames_may_be_cut_anywhere(sent: list[tuple[int, bytes]], cuts: list[int]) -> None:
    mux = Mux()
    for _ in range(3):
        mux.open()
    wire = b"".join(frame(DATA, stream, data) for stream, data in sent)
    got: list[Received | Finished] = []
    for length in [*cuts, len(wire)]:
        got += mux.receive(wire[:length])
        wire = wire[length:]
    assert got == [Received(stream, data) for stream, data in sent]


def test_what_comes_for_a_closed_stream_is_dropped() -> None:
    mux = Mux()
    mux.open()
    mux.close(3)
    assert mux.receive(frame(DATA, 3, b"late") + frame(CLOSE, 3) + frame(DATA, 99, b"x")) == []


@pytest.mark.parametrize("wire", [b"\2\0\0\0\3\0\0\0", b"\1\7\0\0\3\0\0\0"])
def test_another_version_breaks_the_session(wire: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        Mux().receive(wire)


def test_large_writes_are_cut_to_one_payload_each() -> None:
    mux = Mux()
    mux.open()
    assert len(mux.write(3, bytes(3000))) == 3000 + 3 * 8
