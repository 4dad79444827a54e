from __future__ import annotations

import base64
import shlex
import socket
import struct
import threading
import time
from typing import Any

import psycopg
import pytest

from opskit import engine
from opskit.engine.interface import (
    ClientSettings,
    ExchangeResult,
    LoginFailure,
    Server,
    ServerAnswer,
    ServerHandshake,
    ServerTrust,
)
from opskit.engine.postgresql import roles
from opskit.engine.postgresql.engine import ENGINE, parse_answer
from opskit.redaction import redact
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
    version = "TLSv1.3" if len(tls) > 1 else ""
    return {"tls": ExchangeResult("tls", tls, version), "plain": ExchangeResult("plain", plain)}


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


REQUEST = ServerAnswer(True, "SCRAM-SHA-256-PLUS, SCRAM-SHA-256")
STARTING = error("57P03", "starting up")


def test_both_exchanges_are_read() -> None:
    with_tls = ExchangeResult("tls", (b"S", ASKS), "TLSv1.3", (b"certificate",))
    plain = ExchangeResult("plain", (PLAIN_REFUSED,))
    assert ENGINE.greeting({"tls": with_tls, "plain": plain}) == ServerHandshake(
        is_engine=True,
        offers_tls=True,
        tls_version="TLSv1.3",
        certificates=(b"certificate",),
        with_tls=REQUEST,
        without_tls=parse_answer(PLAIN_REFUSED),
    )


@pytest.mark.parametrize(
    ("tls", "plain", "is_engine", "offers_tls"),
    [
        ((b"S",), (), None, None),
        ((b"N",), (), None, None),
        ((b"S",), (ASKS,), True, True),
        ((b"N",), (ASKS,), True, False),
        ((b"S",), (b"SSH-2.0-OpenSSH_9.6\r\n",), False, None),
        ((b"N",), (b"NOTICE",), False, None),
        ((b"R",), (b"RFB 003.008\n",), False, None),
        ((b"E",), (b"EHLO who are you?",), False, None),
        ((b"H",), (), False, None),
        ((), (ASKS,), True, None),
        ((), (b"HTTP/1.1 400",), False, None),
        ((b"H",), (ASKS,), True, None),
        ((), (), None, None),
    ],
)
def test_each_exchange_alone(
    tls: tuple[bytes, ...], plain: tuple[bytes, ...], is_engine: object, offers_tls: object
) -> None:
    greeting = ENGINE.greeting(heard(tls, plain))
    assert (greeting.is_engine, greeting.offers_tls) == (is_engine, offers_tls)
    assert greeting.with_tls is None


def request(code: int, *more: bytes) -> bytes:
    body = struct.pack("!i", code) + b"".join(more)
    return b"R" + struct.pack("!i", len(body) + 4) + body


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (ASKS, REQUEST),
        (request(0), ServerAnswer(True, "no proof")),
        (request(3), ServerAnswer(True, "cleartext")),
        (request(5, b"salt"), ServerAnswer(True, "md5")),
        (request(7), ServerAnswer(True, "7")),
        (request(10, b"SCR\xc4M\0\0"), ServerAnswer(True, "SCR\ufffdM")),
        (PLAIN_REFUSED, ServerAnswer(False, "", "28000", 'no pg_hba.conf entry for host "a", user "u", database "d", no encryption')),
        (error("28P01", "no"), ServerAnswer(False, "", "28P01", "no")),
        (STARTING, ServerAnswer(None, "", "57P03", "starting up")),
        (b"E\0\0\0\x0fC57P03\0M\xfc\0", ServerAnswer(None, "", "57P03", "\ufffd")),
        (b"E\0\0\0\x0bC53300", ServerAnswer(None, "", "53300", "")),
        (b"E\0\0\0\xffj\x04Host is not allowed", None),
        (b"E\0\0\0\x04", None),
        (b"R\0\0\0\x04....", None),
        (request(13), None),
        (b"RFB 003.008\n", None),
        (b"E" + b"\x7f" * 40, None),
        (request(0)[:8], None),
        (b"S" + request(0)[1:], None),
        (b"X" + STARTING[1:], None),
    ],
)  # fmt: skip
def test_an_answer(reply: bytes, answer: ServerAnswer | None) -> None:
    assert parse_answer(reply) == answer


@pytest.mark.parametrize(
    ("code", "message", "failure"),
    [
        ("28P01", "certificate", LoginFailure.PASSWORD),
        ("53300", "", LoginFailure.SLOTS),
        ("28000", "no pg_hba.conf entry for host", LoginFailure.NOT_ADMITTED),
        ("XX000", "starting up", LoginFailure.NOT_READY),
        ("", "\n  something\nstarting up", LoginFailure.OTHER),
    ],
)
def test_a_code_that_has_one_meaning_decides_before_the_text(
    code: str, message: str, failure: LoginFailure
) -> None:
    assert ENGINE.classify(message, code) is failure


class TestClient:
    def settings(self, trust: ServerTrust, **more: Any) -> Any:
        place = {
            "host": "db.ex",
            "address": "10.0.0.5",
            "port": 5433,
            "user": "app",
            "database": "shop",
        }
        return ENGINE.client(trust=trust, **{**place, **more})

    def test_a_verified_server(self) -> None:
        client = self.settings(ServerTrust(("db.ex",), "/ca.pem"))
        assert client.environment == {
            "PGHOST": "db.ex",
            "PGHOSTADDR": "10.0.0.5",
            "PGPORT": "5433",
            "PGUSER": "app",
            "PGDATABASE": "shop",
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": "/ca.pem",
        }
        assert client.example == (
            "psql 'host=db.ex hostaddr=10.0.0.5 port=5433 user=app dbname=shop sslmode=verify-full "
            "sslrootcert=/ca.pem'"
        )

    def test_an_unverified_server(self) -> None:
        client = self.settings(UNVERIFIED)
        assert (
            client.environment["PGCHANNELBINDING"] == client.environment["PGSSLMODE"] == "require"
        )
        assert "PGSSLROOTCERT" not in client.environment
        assert client.example.endswith("sslmode=require channel_binding=require'")

    @pytest.mark.parametrize(
        ("user", "quoted"),
        [("app", "app"), ("", "''"), ("a b", "'a b'"), ("a'b", "'a\\'b'"), ("a\\b", "'a\\\\b'")],
    )
    def test_values_are_quoted_for_libpq(self, user: str, quoted: str) -> None:
        [psql, text] = shlex.split(self.settings(UNVERIFIED, user=user).example)
        assert psql == "psql"
        assert f" user={quoted} dbname=" in text

    def test_the_password_file_is_one_line_with_its_signs_escaped(self) -> None:
        content = ENGINE.password_file(
            host="db.ex", port=5433, user="a:b", database="shop", password=Secret("c\\d:e")
        )
        assert content.reveal() == "db.ex:5433:shop:a\\:b:c\\\\d\\:e\n"

    def test_the_names_in_the_password_file_stay_readable(self) -> None:
        place = {"host": "readable.example", "port": 5433, "user": "app", "database": "inventory"}
        ENGINE.password_file(password=Secret("c-d"), **place)  # type: ignore[arg-type]
        assert redact("inventory on readable.example") == "inventory on readable.example"

    def test_a_command_gets_the_variables_and_perhaps_the_file(self) -> None:
        client = ClientSettings({"PGHOST": "h"}, "")
        command, variables = ENGINE.client_command(client, ("pg_dump", "-s"), "/f")
        assert (command, variables) == (("pg_dump", "-s"), {"PGHOST": "h", "PGPASSFILE": "/f"})
        assert ENGINE.client_command(client, ("pg_dump",), "")[1] == {"PGHOST": "h"}


def test_a_port_is_reachable_while_it_is_listened_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert ENGINE.is_reachable("127.0.0.1", port, timeout_s=5)
    assert not ENGINE.is_reachable("127.0.0.1", port, timeout_s=5)


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
    assert [*engine.all_engines()] == [*dict.fromkeys(engine.ENGINES.values())]
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
