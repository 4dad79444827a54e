from __future__ import annotations

import base64
import socket
import struct
import threading
import time
from typing import Any

import psycopg
import pytest

from opskit import engine
from opskit.engine.interface import ExchangeResult, LoginFailure, Server, ServerTrust
from opskit.engine.postgresql import roles
from opskit.engine.postgresql.engine import ENGINE, parse_answer
from opskit.secret import Secret

UNVERIFIED = ServerTrust(("localhost",), None, reason="nothing is known of it")


def error(code: str, message: str) -> bytes:
    body = f"SFATAL\0C{code}\0M{message}\0\0".encode()
    return b"E" + struct.pack("!i", len(body) + 4) + body


SASL = b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"
ASKS = b"R" + struct.pack("!ii", 8 + len(SASL), 10) + SASL
PLAIN_REFUSED = error(
    "28000", 'no pg_hba.conf entry for host "a", user "u", database "d", no encryption'
)


def test_the_bytes_are_those_of_the_protocol() -> None:
    tls, plain = ENGINE.exchanges("u", "d")
    arguments = {name: base64.b64decode(str(text)) for name, text in tls.arguments.items()}
    assert arguments["ssl_request"].hex() == "0000000804d2162f"
    start = arguments["startup"]
    assert struct.unpack("!i", start[:4])[0] == len(start)
    assert start[4:] == bytes.fromhex("00030000") + b"user\0u\0database\0d\0\0"
    assert plain.arguments == {"startup": tls.arguments["startup"]}
    assert base64.b64decode(tls.shell_argument) == arguments["ssl_request"]
    assert base64.b64decode(plain.shell_argument) == start


def heard(tls: tuple[bytes, ...], plain: tuple[bytes, ...]) -> dict[str, ExchangeResult]:
    return {"tls": ExchangeResult("tls", tls, "TLSv1.3"), "plain": ExchangeResult("plain", plain)}


@pytest.mark.parametrize(
    ("tls", "plain", "required", "is_engine"),
    [
        ((b"S", ASKS), (PLAIN_REFUSED,), True, True),
        ((b"S", ASKS), (ASKS,), False, True),
        ((b"N",), (ASKS,), False, True),
        ((b"S", error("57P03", "starting up")), (error("57P03", "starting up"),), None, True),
        ((b"H",), (b"HTTP/1.1 400",), None, False),
        ((), (), None, None),
    ],
)
def test_greeting(
    tls: tuple[bytes, ...], plain: tuple[bytes, ...], required: object, is_engine: object
) -> None:
    greeting = ENGINE.greeting(heard(tls, plain))
    assert greeting.requires_tls is required
    assert greeting.is_engine is is_engine


@pytest.mark.parametrize("junk", [b"", b"R", b"E\0\0", b"R\0\0\0\x08\0\0", b"\xff" * 40])
def test_junk_is_no_answer(junk: bytes) -> None:
    answer = parse_answer(junk)
    assert answer is None or not answer.allows_authentication


@pytest.mark.parametrize(
    ("message", "failure"),
    [
        (
            'password authentication failed for user "u"\nno pg_hba.conf entry for host "a", no encryption',
            LoginFailure.PASSWORD,
        ),
        (
            'no pg_hba.conf entry for host "a", user "u", database "d", no encryption',
            LoginFailure.TLS_REQUIRED,
        ),
        (
            'no pg_hba.conf entry for host "a", user "u", database "d", SSL off',
            LoginFailure.TLS_REQUIRED,
        ),
        (
            'no pg_hba.conf entry for host "a", user "u", database "d", SSL encryption',
            LoginFailure.NOT_ADMITTED,
        ),
        ('database "d" does not exist', LoginFailure.DATABASE_MISSING),
        (
            "remaining connection slots are reserved for roles with the SUPERUSER attribute",
            LoginFailure.SLOTS,
        ),
        ("the database system is starting up", LoginFailure.NOT_READY),
        ("SSL error: certificate verify failed", LoginFailure.CERTIFICATE),
        ("Connection refused", LoginFailure.REFUSED),
        ("connection timeout expired", LoginFailure.NO_ANSWER),
        ('PAM authentication failed for user "u"', LoginFailure.IAM_AUTH),
        ('role "u" is not permitted to log in', LoginFailure.ROLE_REFUSED),
        ('permission denied for database "d"', LoginFailure.DATABASE_DENIED),
        ("cannot execute INSERT in a read-only transaction", LoginFailure.READ_ONLY),
        ("terminating connection due to idle-session timeout", LoginFailure.IDLE_CLOSED),
        ("something new", LoginFailure.OTHER),
        ("authentication method 10 not supported", LoginFailure.METHOD_UNKNOWN),
        (
            'authentication method requirement "scram-sha-256" failed: server requested a hashed password',
            LoginFailure.METHOD,
        ),
    ],
)
def test_the_first_line_decides(message: str, failure: LoginFailure) -> None:
    assert ENGINE.classify(message) is failure


def test_a_failed_login_shows_no_password() -> None:
    nobody = Server("localhost", "127.0.0.1", 1, "d", UNVERIFIED)
    done = ENGINE.login(nobody, "u", Secret("hunter2hunter2"), timeout_s=2)
    assert not done.succeeded
    assert done.failure is LoginFailure.REFUSED
    assert "hunter2" not in repr(done)


def test_an_engine_that_is_not_spoken() -> None:
    assert engine.for_rds_engine("aurora-postgresql").default_port == 5432
    with pytest.raises(engine.UnknownEngine):
        engine.for_rds_engine("oracle-ee")


def test_an_answer_that_is_swallowed_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A way may be lost in the middle of a question, with the connection still there."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        connection.recv(4096)
        connection.sendall(b"R" + struct.pack("!ii", 8, 0) + b"Z" + struct.pack("!i", 5) + b"I")
        while connection.recv(4096):
            pass
        connection.close()

    thread = threading.Thread(target=serve)
    thread.start()

    def connect(server: Server, user: str, *_: object) -> psycopg.Connection:
        there: dict[str, Any] = {
            "host": server.host,
            "port": server.port,
            "user": user,
            "sslmode": "disable",
        }
        return psycopg.connect(**there, dbname=server.database)

    monkeypatch.setattr(roles, "_connect", connect)
    server = Server("127.0.0.1", "127.0.0.1", listener.getsockname()[1], "d", UNVERIFIED)
    started = time.monotonic()
    done = ENGINE.login(server, "u", Secret("p"), timeout_s=0.3)
    assert (done.succeeded, done.failure) == (False, LoginFailure.NO_ANSWER), done
    assert time.monotonic() - started < 60, "the server itself never ends it"
    thread.join(60)
    assert not thread.is_alive()
    listener.close()
