"""A tunnel over the emulated gateway to a server of our own, all on loopback and in this process."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from opskit.errors import AwsError
from opskit.sandbox.aws.fault_injection import FaultInjector
from opskit.sandbox.loopback import free_port
from opskit.sandbox.session_manager.agent import VERSION
from opskit.sandbox.session_manager.gateway import Sessions
from opskit.transport.session_manager.session import Session
from opskit.transport.session_manager.tunnel import DOCUMENT, SessionTunnel

Serve = Callable[[socket.socket], None]


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
) -> Iterator[tuple[int, list[str], SessionTunnel]]:
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
    sessions.fault_injector = FaultInjector()
    sessions.fault_injector.replace([{"service": "ssmmessages", **i} for i in injections])
    sessions.serve("127.0.0.1", gateway)
    parameters = {"host": ["127.0.0.1"], "portNumber": [str(port)], "localPortNumber": ["0"]}
    session = Session(Api(sessions), Unsigned(), "i-1", DOCUMENT, parameters)
    problems: list[str] = []
    carried = SessionTunnel(session, problems.append, "the instance")
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
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        threading.Thread(target=connection.sendall, args=(data,), daemon=True).start()
        got = bytearray()
        connection.settimeout(60)
        while len(got) < len(data):
            part = connection.recv(65536)
            assert part, f"closed after {len(got)} of {len(data)} bytes"
            got += part
        return bytes(got)
