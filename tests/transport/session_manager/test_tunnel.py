"""A tunnel over the sandbox's gateway, to a server of our own on loopback."""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from collections.abc import Callable

import pytest

from opskit.errors import TargetError
from opskit.sandbox.loopback import free_port
from opskit.sandbox.session_manager.smux_port import Ports
from opskit.transport.session_manager import data_channel, port_session, smux_forwarding
from opskit.transport.session_manager.data_channel import GIVE_UP_AFTER_S, Channel
from opskit.transport.session_manager.tunnel import speaks_smux
from tests.transport.session_manager import figures
from tests.transport.session_manager.scene import echo, exchange, server, tunnel

Serve = Callable[[socket.socket], None]
MEGABYTE = 1 << 20


def test_bytes_go_there_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    with server(echo) as there, tunnel(there, monkeypatch) as (port, problems, _):
        for size in (1, 1016, 1017, 100_000):
            data = os.urandom(size)
            assert exchange(port, data) == data
    assert problems == []


def test_many_at_once_and_one_that_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[bool] = []

    def one(port: int, number: int) -> None:
        data = random.Random(number).randbytes(20_000)
        answers.append(exchange(port, data) == data)

    with server(echo) as there, tunnel(there, monkeypatch) as (port, _, _carried):
        dying = socket.create_connection(("127.0.0.1", port), 60)
        dying.sendall(b"x" * 1000)
        threads = [threading.Thread(target=one, args=(port, n)) for n in range(50)]
        for thread in threads:
            thread.start()
        dying.close()
        for thread in threads:
            thread.join(60)
    assert answers == [True] * 50


def test_a_server_that_speaks_first_and_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        server(lambda c: c.sendall(b"go away\n")) as there,
        tunnel(there, monkeypatch) as (port, *_),
        socket.create_connection(("127.0.0.1", port), 60) as connection,
    ):
        assert connection.makefile("rb").read() == b"go away\n"


def test_a_refused_port_closes_the_connection_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with tunnel(free_port(), monkeypatch) as (port, problems, carried):
        with socket.create_connection(("127.0.0.1", port), 60) as connection:
            connection.settimeout(60)
            assert connection.recv(10) == b""
        assert "could not connect" in problems[0]
        assert not carried.is_closed.is_set(), "the next connection may do better"


@pytest.mark.parametrize("kind", ["lost", "disorder"])
def test_a_bad_connection_of_the_session_loses_nothing(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {"kind": kind, "action": "DataChannel", "times": 3 if kind == "lost" else None}
    data = os.urandom(40_000)
    with server(echo) as there, tunnel(there, monkeypatch, wrong) as (port, *_):
        assert exchange(port, data) == data


@pytest.mark.parametrize("megabytes", [10, pytest.param(200, marks=pytest.mark.full)])
def test_large_transfers_arrive_whole(megabytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    figures.download(megabytes, monkeypatch)


@pytest.mark.parametrize("megabytes", [10, pytest.param(200, marks=pytest.mark.full)])
def test_large_uploads_arrive_whole(megabytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    figures.upload(megabytes, monkeypatch)


def test_a_reader_that_sleeps_holds_up_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = 0

    def pour(connection: socket.socket) -> None:
        nonlocal sent
        while True:
            sent += connection.send(bytes(65536))

    monkeypatch.setattr(port_session, "MOST_HELD", 65536)
    with (
        server(pour) as there,
        tunnel(there, monkeypatch) as (port, *_),
        socket.create_connection(("127.0.0.1", port), 60),
    ):
        before, limit = -1, time.monotonic() + 60
        while (before != sent or not sent) and time.monotonic() < limit:
            before = sent
            time.sleep(0.4)
        assert before == sent > 0, "it would go on for ever"
    # What stands in the buffers of the kernel's sockets, in messages under way and with us.
    assert sent < figures.MOST_GROWTH


@pytest.mark.full
def test_a_slow_reader_costs_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert figures.slow_reader(20.0, 256 * 1024, monkeypatch) < figures.MOST_GROWTH


def test_a_byte_there_and_back_waits_for_no_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wake-up that is lost costs a tick, which is longer here than a busy machine takes."""
    monkeypatch.setattr(port_session, "TICK_S", 60.0)
    monkeypatch.setattr(figures, "WAIT_S", 20)
    assert len(figures.round_trips(60, monkeypatch)) == 60


def test_the_end_of_the_session_is_told_and_closes_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with server(echo) as there, tunnel(there, monkeypatch) as (port, _, carried):
        with socket.create_connection(("127.0.0.1", port), 60) as connection:
            connection.sendall(b"x")
            assert connection.recv(1) == b"x"
            carried._session._started.end()
            connection.settimeout(60)
            assert connection.recv(1) == b""
        assert carried.is_closed.wait(60)


@pytest.mark.parametrize(
    ("version", "speaks"),
    [("3.3.987.0", True), ("3.0.222.0", True), ("3.0.196.0", False), ("2.3.50.0", False),
     ("3.1", False), ("new", False), ("", False)],
)  # fmt: skip
def test_only_agents_that_carry_many_streams_are_taken(version: str, speaks: bool) -> None:
    assert speaks_smux(version) is speaks


def test_nothing_is_written_to_a_new_connection_before_its_opening(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    openings: list[str] = []
    original = Channel.open_data_channel_message

    def slow(self: Channel, token: str) -> str:
        openings.append(token)
        # What the thread that writes repeats meanwhile must not go first.
        time.sleep(0.4)
        return original(self, token)

    monkeypatch.setattr(Channel, "open_data_channel_message", slow)
    lost = {"kind": "lost", "action": "DataChannel", "times": 1}
    data = os.urandom(40_000)
    with server(echo) as there, tunnel(there, monkeypatch, lost) as (port, *_):
        assert exchange(port, data) == data
    assert len(openings) == 2


def test_a_session_that_cannot_be_resumed_ends_the_tunnel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The hourly change of connections comes when the credentials of the morning have expired."""

    def refuse(**_: str) -> None:
        raise TargetError("your AWS credentials are expired")

    with server(echo) as there, tunnel(there, monkeypatch) as (port, _, carried):
        assert exchange(port, b"x") == b"x"
        monkeypatch.setattr(carried._session._ssm, "resume_session", refuse, raising=False)
        carried._session._socket.close()
        assert carried.is_closed.wait(60)
        assert "your AWS credentials are expired" in carried.failure


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux alone has it")
def test_bytes_that_nobody_takes_break_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    with server(echo) as there, tunnel(there, monkeypatch) as (_, _problems, carried):
        under = carried._session._socket.socket
        limit_ms = under.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert 0 < limit_ms / 1000 < GIVE_UP_AFTER_S


@pytest.mark.parametrize(("version", "wants"), [("3.1.1511.0", True), ("3.1.1575.0", False)])
def test_agents_that_end_a_silent_session_hear_something(
    version: str, wants: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    came: list[bytes] = []
    monkeypatch.setattr(Ports, "take", lambda _, kind, payload: came.append(payload))
    monkeypatch.setattr(smux_forwarding, "ALIVE_EVERY_S", 0.2)
    with tunnel(free_port(), monkeypatch, version=version):
        started, alive = time.monotonic(), bytes.fromhex("0103000000000000")
        time.sleep(1)
        while wants and alive not in came and time.monotonic() < started + 60:
            time.sleep(0.05)
        assert (alive in came) is wants
        assert len(came) <= 3 + (time.monotonic() - started) / smux_forwarding.ALIVE_EVERY_S


def test_a_connection_that_nobody_reads_does_not_end_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It holds up the session, whose acknowledgements then come late: nobody is lost by that."""

    def pour(connection: socket.socket) -> None:
        while True:
            connection.sendall(bytes(65536))

    monkeypatch.setattr(port_session, "MOST_HELD", 65536)
    monkeypatch.setattr(data_channel, "GIVE_UP_AFTER_S", 3.0)
    with (
        server(pour) as there,
        tunnel(there, monkeypatch) as (port, *_, carried),
        socket.create_connection(("127.0.0.1", port), 60) as sleeper,
    ):
        time.sleep(1)
        with socket.create_connection(("127.0.0.1", port), 60) as other:
            for _ in range(25):
                other.sendall(b"x")
                time.sleep(0.2)
        assert not carried.is_closed.is_set(), carried.failure
        assert sleeper.recv(1)


def test_what_comes_for_a_closed_connection_is_held_no_longer() -> None:
    ours, theirs = socket.socketpair()
    released: list[int] = []
    local = port_session.LocalSocket(ours, released.append)
    local.finish()
    assert theirs.recv(1) == b""
    local.put(b"too late")
    assert sum(released) == len(b"too late")
    theirs.close()


def test_both_sides_choose_the_same_form_for_a_version_of_another_kind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with (
        server(echo) as there,
        tunnel(there, monkeypatch, version="3.3.987") as (port, problems, _),
    ):
        assert exchange(port, b"x" * 3000) == b"x" * 3000
    assert "one connection at a time" in problems[0]
