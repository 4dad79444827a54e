"""A tunnel over the sandbox's gateway, to a server of our own on loopback."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from opskit.errors import AwsError
from opskit.instance.session_manager.session import Session
from opskit.instance.session_manager.tunnel import DOCUMENT, Tunnel, speaks_smux
from opskit.sandbox.aws.conduct import Conduct
from opskit.sandbox.loopback import free_port
from opskit.sandbox.session_manager.agent import VERSION
from opskit.sandbox.session_manager.gateway import Sessions

Serve = Callable[[socket.socket], None]
MEGABYTE = 1 << 20


class Api:
    """The API's side of sessions, as a client sees it."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def __getattr__(self, operation: str) -> Any:
        name = "".join(word.title() for word in operation.split("_"))

        def call(**body: Any) -> Any:
            status, reply = self._sessions.answer(name, body, "user/oncall")  # type: ignore[misc]
            if status != 200:
                raise AwsError(f"ssm:{name}", reply["__type"], "")
            return reply

        return call


class Unsigned:
    """Nobody checks signatures here."""

    def upgrade_headers(self, url: str) -> dict[str, str]:
        assert "data-channel" in url
        return {}


@contextmanager
def server(serve: Serve) -> Iterator[int]:
    """A TCP server on loopback, a thread for each connection."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=one, args=(connection,), daemon=True).start()

    def one(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            serve(connection)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.close()


@contextmanager
def tunnel(
    port: int,
    monkeypatch: pytest.MonkeyPatch,
    *injections: dict[str, Any],
    version: str = VERSION,
) -> Iterator[tuple[int, list[str], Tunnel]]:
    """A tunnel to a port of this machine: its local port, what it complained of, and itself."""
    monkeypatch.setattr(Sessions, "_admit", lambda *_: None)
    gateway = free_port()
    sessions = Sessions(
        lambda _: pytest.fail("no command runs here"),
        lambda host, there: socket.create_connection((host, there)),
        lambda _: True,
        f"ws://127.0.0.1:{gateway}",
        version=lambda: version,
    )
    sessions.conduct = Conduct()
    sessions.conduct.replace([{"service": "ssmmessages", **i} for i in injections])
    sessions.serve("127.0.0.1", gateway)
    parameters = {"host": ["127.0.0.1"], "portNumber": [str(port)], "localPortNumber": ["0"]}
    session = Session(Api(sessions), Unsigned(), "i-1", DOCUMENT, parameters)
    problems: list[str] = []
    carried = Tunnel(session, problems.append)
    try:
        yield carried.start(0), problems, carried
    finally:
        carried.close()
    # Nothing is left open at the service.
    assert Api(sessions).describe_sessions(State="Active")["Sessions"] == []


def echo(connection: socket.socket) -> None:
    while data := connection.recv(65536):
        connection.sendall(data)


def exchange(port: int, data: bytes) -> bytes:
    """What an echo server makes of some bytes."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        threading.Thread(target=connection.sendall, args=(data,), daemon=True).start()
        got = bytearray()
        connection.settimeout(30)
        while len(got) < len(data):
            piece = connection.recv(65536)
            assert piece, f"closed after {len(got)} of {len(data)} bytes"
            got += piece
        return bytes(got)


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
        dying = socket.create_connection(("127.0.0.1", port), 5)
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
        socket.create_connection(("127.0.0.1", port), 5) as connection,
    ):
        assert connection.makefile("rb").read() == b"go away\n"


def test_a_refused_port_closes_the_connection_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with tunnel(free_port(), monkeypatch) as (port, problems, carried):
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.settimeout(5)
            assert connection.recv(10) == b""
        assert "could not connect" in problems[0]
        assert not carried.is_over.is_set(), "the next connection may do better"


@pytest.mark.parametrize("kind", ["lost", "disorder"])
def test_a_bad_connection_of_the_session_loses_nothing(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {"kind": kind, "action": "DataChannel", "times": 3 if kind == "lost" else None}
    data = os.urandom(40_000)
    with server(echo) as there, tunnel(there, monkeypatch, wrong) as (port, *_):
        assert exchange(port, data) == data


def test_large_transfers_arrive_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    size = 8 * MEGABYTE
    block = os.urandom(MEGABYTE)

    def pour(connection: socket.socket) -> None:
        for _ in range(size // MEGABYTE):
            connection.sendall(block)

    with server(pour) as there, tunnel(there, monkeypatch) as (port, *_):
        digest, count = hashlib.sha256(), 0
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.settimeout(30)
            while data := connection.recv(65536):
                digest.update(data)
                count += len(data)
    assert count == size
    assert digest.digest() == hashlib.sha256(block * (size // MEGABYTE)).digest()


def test_a_slow_reader_costs_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def pour(connection: socket.socket) -> None:
        for _ in range(200):
            connection.sendall(bytes(MEGABYTE))

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with (
        server(pour) as there,
        tunnel(there, monkeypatch) as (port, *_),
        socket.create_connection(("127.0.0.1", port), 5),
    ):
        time.sleep(3)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def test_the_end_of_the_session_is_told_and_closes_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with server(echo) as there, tunnel(there, monkeypatch) as (port, _, carried):
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(b"x")
            assert connection.recv(1) == b"x"
            carried._session._terminate()
            connection.settimeout(5)
            assert connection.recv(1) == b""
        assert carried.is_over.wait(5)


@pytest.mark.parametrize(
    ("version", "speaks"),
    [("3.3.987.0", True), ("3.0.222.0", True), ("3.0.196.0", False), ("2.3.50.0", False),
     ("3.1", False), ("new", False), ("", False)],
)  # fmt: skip
def test_only_agents_that_carry_many_streams_are_taken(version: str, speaks: bool) -> None:
    assert speaks_smux(version) is speaks
