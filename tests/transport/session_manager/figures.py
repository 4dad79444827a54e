"""What a tunnel carries and what it costs: for the tests, and for `make bench`."""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.transport.session_manager.scene import echo, server, tunnel

MEGABYTE = 1 << 20
MOST_GROWTH = 64 * MEGABYTE
WAIT_S = 60


def download(megabytes: int, monkeypatch: pytest.MonkeyPatch) -> float:
    """Bytes from the server, compared by their digest: megabytes a second."""
    block = os.urandom(MEGABYTE)

    def pour(connection: socket.socket) -> None:
        for _ in range(megabytes):
            connection.sendall(block)

    with (
        server(pour) as there,
        tunnel(there, monkeypatch) as (port, *_),
        socket.create_connection(("127.0.0.1", port), WAIT_S) as connection,
    ):
        started = time.monotonic()
        assert digest_of(connection) == hashlib.sha256(block * megabytes).hexdigest()
        return megabytes / (time.monotonic() - started)


def upload(megabytes: int, monkeypatch: pytest.MonkeyPatch) -> float:
    """Bytes to the server, which answers with their digest: megabytes a second."""
    block = os.urandom(MEGABYTE)

    def take(connection: socket.socket) -> None:
        digest, rest = hashlib.sha256(), megabytes * MEGABYTE
        while rest:
            data = connection.recv(65536)
            digest.update(data)
            rest -= len(data)
        connection.sendall(digest.hexdigest().encode())

    with (
        server(take) as there,
        tunnel(there, monkeypatch) as (port, *_),
        socket.create_connection(("127.0.0.1", port), WAIT_S) as connection,
    ):
        connection.settimeout(WAIT_S)
        started = time.monotonic()
        for _ in range(megabytes):
            connection.sendall(block)
        message = connection.recv(64)
        took = time.monotonic() - started
        assert message.decode() == hashlib.sha256(block * megabytes).hexdigest()
        return megabytes / took


def digest_of(connection: socket.socket) -> str:
    """The digest of everything that comes until the end."""
    connection.settimeout(WAIT_S)
    digest = hashlib.sha256()
    while data := connection.recv(65536):
        digest.update(data)
    return digest.hexdigest()


def slow_reader(seconds: float, bytes_a_second: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """How much the process grows while a server pours and a client hardly reads: bytes."""

    def pour(connection: socket.socket) -> None:
        block = os.urandom(MEGABYTE)
        while True:
            connection.sendall(block)

    with (
        server(pour) as there,
        tunnel(there, monkeypatch) as (port, *_),
        socket.create_connection(("127.0.0.1", port), WAIT_S) as connection,
        growth() as peak,
    ):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.05)
            if bytes_a_second:
                connection.recv(bytes_a_second // 20)
    return peak()


@contextlib.contextmanager
def growth() -> Iterator[Callable[[], int]]:
    """Watches the resident memory of this process; gives its growth at the highest point."""
    before, seen, over = resident(), [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            seen.append(resident() - before)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield lambda: max(seen)
    finally:
        over.set()
        watcher.join()


def resident() -> int:
    """Resident memory of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def round_trips(count: int, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long one byte takes to an echo and back: seconds."""
    times = []
    with (
        server(echo) as there,
        tunnel(there, monkeypatch) as (port, *_),
        socket.create_connection(("127.0.0.1", port), WAIT_S) as connection,
    ):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count + 1):
            started = time.monotonic()
            connection.sendall(b"x")
            assert connection.recv(1) == b"x"
            times.append(time.monotonic() - started)
    # The first one opens the connection.
    return times[1:]
