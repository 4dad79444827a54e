"""The conversation that the probe holds with a server before any login, message by message."""

from __future__ import annotations

import base64
import importlib
from typing import Any

import pytest

from opskit.engine.postgresql.engine import ENGINE

exchange: Any = importlib.import_module("opskit.engine.postgresql.stdlib_exchange")


class Conversation:
    """A server's replies, one for each `recv`; `events` is what the client does, in order."""

    def __init__(self, *replies: bytes) -> None:
        self.connection, self.parts = self, []  # type: ignore[var-annotated]
        self._replies = list(replies)
        self.events: list[Any] = []

    def sendall(self, data: bytes) -> None:
        self.events.append(data)

    def recv(self, count: int) -> bytes:
        self.events.append(count)
        return self._replies.pop(0)

    def start_tls(self) -> None:
        self.events.append("tls")


WITH_TLS, PLAIN = ENGINE.exchanges("app", "shop")
REQUEST, START = (
    base64.b64decode(str(WITH_TLS.arguments[name])) for name in ("ssl_request", "startup")
)


def test_over_tls_the_startup_message_follows_the_handshake() -> None:
    talk = Conversation(b"S", b"answer")
    exchange.converse(talk, WITH_TLS.arguments)
    assert talk.events == [REQUEST, 1, "tls", START, 2048]
    assert talk.parts == [b"S", b"answer"]


@pytest.mark.parametrize("reply", [b"N", b"s", b"H", b""])
def test_a_server_without_tls_gets_no_startup_message(reply: bytes) -> None:
    talk = Conversation(reply)
    exchange.converse(talk, WITH_TLS.arguments)
    assert talk.events == [REQUEST, 1]
    assert talk.parts == [reply]


def test_without_tls_the_startup_message_is_the_first() -> None:
    talk = Conversation(b"answer")
    exchange.converse(talk, PLAIN.arguments)
    assert talk.events == [START, 2048]
    assert talk.parts == [b"answer"]
