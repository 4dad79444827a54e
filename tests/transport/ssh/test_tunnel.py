"""A tunnel over SSH, to a server of our own on loopback."""

from __future__ import annotations

import os
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from opskit.sandbox.loopback import free_port
from opskit.sandbox.ssh.server import SshServer
from opskit.transport.interface import Tunnel
from opskit.transport.ssh.tunnel import SshTunnel
from tests.transport.session_manager.scene import echo, exchange, server
from tests.transport.ssh.scene import Scene

OVERS = ["session", "plain"]


@contextmanager
def tunnel(scene: Scene, port: int, over: str) -> Iterator[tuple[int, list[str], Tunnel]]:
    """A tunnel to a port of this machine: its local port, what it complained of, and itself."""
    problems: list[str] = []
    route = scene.over_session() if over == "session" else scene.plain()
    carried: Tunnel = SshTunnel(route.open(), "127.0.0.1", port, problems.append)
    try:
        yield carried.start(0), problems, carried
    finally:
        carried.close()
    assert carried.failure == ""


@pytest.mark.parametrize("over", OVERS)
def test_bytes_go_there_and_back(scene: Scene, over: str) -> None:
    with server(echo) as there, tunnel(scene, there, over) as (port, problems, _):
        for size in (1, 1016, 300_000):
            data = os.urandom(size)
            assert exchange(port, data) == data
    assert problems == []


@pytest.mark.parametrize("over", OVERS)
def test_many_at_once_and_one_that_dies(scene: Scene, over: str) -> None:
    answers: list[bool] = []

    def one(port: int, number: int) -> None:
        data = random.Random(number).randbytes(20_000)
        answers.append(exchange(port, data) == data)

    with server(echo) as there, tunnel(scene, there, over) as (port, problems, _carried):
        dying = socket.create_connection(("127.0.0.1", port), 5)
        dying.sendall(b"x" * 1000)
        threads = [threading.Thread(target=one, args=(port, n)) for n in range(20)]
        for thread in threads:
            thread.start()
        dying.close()
        for thread in threads:
            thread.join(60)
    assert answers == [True] * 20
    assert problems == []


def test_each_direction_ends_by_itself(scene: Scene) -> None:
    def sum_up(connection: socket.socket) -> None:
        count = 0
        while data := connection.recv(65536):
            count += len(data)
        connection.sendall(f"{count} bytes\n".encode())

    with (
        server(sum_up) as there,
        tunnel(scene, there, "plain") as (port, *_),
        socket.create_connection(("127.0.0.1", port), 5) as connection,
    ):
        connection.sendall(bytes(100_000))
        connection.shutdown(socket.SHUT_WR)
        assert connection.makefile("rb").read() == b"100000 bytes\n"


def test_a_refused_port_closes_the_connection_and_is_told(scene: Scene) -> None:
    with tunnel(scene, free_port(), "plain") as (port, problems, carried):
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.settimeout(5)
            assert connection.recv(10) == b""
        assert problems == ["the instance could not connect to the database: refused, or no answer"]
        assert not carried.is_closed.is_set(), "the next connection may do better"


def test_a_server_that_forbids_forwarding_is_named(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SshServer, "check_channel_direct_tcpip_request", lambda *_: 1)
    with tunnel(scene, 1, "plain") as (port, problems, _):
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.settimeout(5)
            assert connection.recv(10) == b""
        assert "AllowTcpForwarding" in problems[0]


def test_a_slow_reader_holds_up_nobody_else(scene: Scene) -> None:
    def pour(connection: socket.socket) -> None:
        if connection.recv(1) == b"e":
            echo(connection)
        for _ in range(64):
            connection.sendall(bytes(1 << 20))

    with (
        server(pour) as there,
        tunnel(scene, there, "plain") as (port, *_),
        socket.create_connection(("127.0.0.1", port), 5) as slow,
    ):
        slow.sendall(b"p")
        with socket.create_connection(("127.0.0.1", port), 5) as quick:
            quick.settimeout(5)
            quick.sendall(b"e")
            for _ in range(20):
                quick.sendall(b"x")
                assert quick.recv(1) == b"x"


@pytest.mark.parametrize("over", OVERS)
def test_the_end_of_the_connection_is_told_and_closes_everything(scene: Scene, over: str) -> None:
    problems: list[str] = []
    route = scene.over_session() if over == "session" else scene.plain()
    opened = route.open()
    with server(echo) as there:
        carried = SshTunnel(opened, "127.0.0.1", there, problems.append)
        port = carried.start(0)
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as connection:
                connection.sendall(b"x")
                assert connection.recv(1) == b"x"
                if over == "session":
                    for session in list(scene.sessions._all.values()):
                        scene.sessions.end(session)
                else:
                    opened.transport.sock.shutdown(socket.SHUT_RDWR)
                connection.settimeout(5)
                assert connection.recv(1) == b""
            assert carried.is_closed.wait(5)
            assert ("session ended" if over == "session" else "was lost") in carried.failure
        finally:
            carried.close()


def test_an_unknown_host_key_is_said(scene: Scene) -> None:
    scene.aws.console = ""
    with server(echo) as there, tunnel(scene, there, "session") as (_, problems, _carried):
        assert "for this session only" in problems[0]
