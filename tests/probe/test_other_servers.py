"""The probe brings the first bytes of a server that is no database: one that speaks, one that has to be asked."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from opskit.engine.other_server import recognize
from opskit.engine.postgresql.engine import ENGINE
from opskit.probe.request import script
from opskit.probe.response import parse
from tests.probe.test_probe import request, run

Answer = Callable[[socket.socket], None]


@contextmanager
def server(answer: Answer) -> Iterator[int]:
    """A server on this machine that treats every connection alike."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def one(connection: socket.socket) -> None:
            with connection:
                connection.settimeout(8)
                try:
                    answer(connection)
                except OSError:
                    return

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=one, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)


def greets(banner: bytes) -> Answer:
    def answer(connection: socket.socket) -> None:
        connection.sendall(banner)
        connection.recv(4096)

    return answer


def web(connection: socket.socket) -> None:
    """Waits for a whole line, as most web servers do."""
    received = b""
    while b"\n" not in received:
        more = connection.recv(4096)
        if not more:
            return
        received += more
    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")


def behind_tls(connection: socket.socket) -> None:
    """Takes nothing but TLS, and tells no one else what is wrong."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("db.example").configure_cert(context)
    if connection.recv(1, socket.MSG_PEEK) != b"\x16":
        return
    with context.wrap_socket(connection, server_side=True) as encrypted:
        encrypted.recv(10)


def silent(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def closing(connection: socket.socket) -> None:
    connection.recv(4096)


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (greets(b"SSH-2.0-OpenSSH_9.6\r\n"), "an SSH server"),
        (greets(b"J\0\0\0\n8.0.40\0\x08\0\0\0salt"), "a MySQL or MariaDB server"),
        (web, "an HTTP server"),
        (behind_tls, "a TLS server"),
        (closing, "a server that says nothing"),
        pytest.param(silent, "a server that says nothing", marks=pytest.mark.full),
    ],
)
def test_a_server_is_recognized_from_the_instance(
    answer: Answer, what: str, tmp_path: Path
) -> None:
    with server(answer) as port:
        location = ("127.0.0.1", port)
        asked = request(tcp_targets=(location,), exchange_with=location)
        result = parse(run(script(asked), tmp_path / "bin", "python3").stdout)
    assert result.connections[0].is_connected
    assert ENGINE.greeting(result.heard).is_engine is not True
    found = recognize(result.heard)
    assert found is not None
    assert found.what == what
