"""A server that is no database is named by its first bytes, and shows no secret."""

from __future__ import annotations

import pytest

from opskit.engine.interface import ExchangeResult
from opskit.engine.other_server import HTTP_REQUEST, TLS_HELLO, OtherServer, recognize
from opskit.engine.postgresql.engine import ENGINE

MYSQL = b"J\0\0\0\n8.0.40\0\x08\0\0\0salt"
SENT = [
    (b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n", "an HTTP server"),
    (b"<!DOCTYPE HTML>\n<html>", "an HTTP server"),
    (b"\0\0\x12\x04\0\0\0\0\0\0\x03", "an HTTP/2 server"),
    (MYSQL, "a MySQL or MariaDB server"),
    (b"E\0\0\0\xffj\x04Host '10.0.2.45' is not allowed", "a MySQL or MariaDB server"),
    (b"-ERR wrong number of arguments for 'get' command\r\n", "a Redis server"),
    (b"-NOAUTH Authentication required.\r\n", "a Redis server"),
    (b"SSH-2.0-OpenSSH_9.6\r\n", "an SSH server"),
    (b"\x15\x03\x01\0\x02\x02\x46", "a TLS server"),
    (b"220 mail.example ESMTP\r\n", "a mail or FTP server"),
    (b"AMQP\0\0\x09\x01", "a message broker (AMQP)"),
    (b"RFB 003.008\n", "a VNC server"),
    (b"\x01\x02\x03", "a server of another protocol"),
]


@pytest.mark.parametrize(("sent", "what"), SENT)
def test_a_server_is_named_by_its_first_bytes(sent: bytes, what: str) -> None:
    heard = {
        "tls": ExchangeResult("tls", (sent[:1],), error="no TLS: WRONG_VERSION_NUMBER"),
        "plain": ExchangeResult("plain", (sent,)),
    }
    server = recognize(heard)
    assert server is not None
    assert (server.what, server.is_silent) == (what, False)
    assert server.evidence.isascii()
    assert server.evidence.isprintable()
    assert ENGINE.greeting(heard).is_engine is False


def test_a_server_that_says_nothing_is_asked_more() -> None:
    waits = {n: ExchangeResult(n, error="timeout") for n in ("tls", "plain")}
    silent = recognize(waits)
    assert silent is not None
    assert silent.is_silent
    assert "in 3 s" in silent.evidence
    closes = recognize({"plain": ExchangeResult("plain")})
    assert closes is not None
    assert "without a byte" in closes.evidence
    web = recognize(
        {**waits, HTTP_REQUEST: ExchangeResult(HTTP_REQUEST, (b"HTTP/1.0 200 OK\r\n",))}
    )
    assert web == OtherServer("an HTTP server", "its first bytes: HTTP/1.0 200 OK")
    tls = recognize({**waits, TLS_HELLO: ExchangeResult(TLS_HELLO, tls_version="TLSv1.3")})
    assert tls == OtherServer("a TLS server", "it begins with TLS at once (TLSv1.3)")
    assert recognize({}) is None


def test_what_is_shown_is_short_and_holds_no_secret() -> None:
    moved = b"HTTP/1.1 302 http://admin:hunter2hunter2@10.0.2.9/\r\n" + b"x" * 900
    server = recognize({"plain": ExchangeResult("plain", (moved,))})
    assert server is not None
    assert "hunter2" not in server.evidence
    assert len(server.evidence) < 250
    wild = recognize({"plain": ExchangeResult("plain", (bytes(range(256)),))})
    assert wild is not None
    assert wild.evidence.isprintable()
