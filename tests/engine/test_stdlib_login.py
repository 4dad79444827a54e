"""The login with Python's library alone, message by message."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import importlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.engine.servers import HOST, OK, PASSWORD, READY, USER, message, request

wire: Any = importlib.import_module("opskit.engine.postgresql.stdlib_login")

ASKS_SCRAM = request(10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")
NOT_POSTGRESQL = "the answer is not PostgreSQL's"


class Connection:
    """A server that has written all its messages beforehand, and keeps what the client sends."""

    def __init__(self, *messages: bytes, at_once: int = 65536) -> None:
        self._rest, self._at_once = b"".join(messages), at_once
        self.sent: list[bytes] = []

    def recv(self, count: int) -> bytes:
        part = self._rest[: min(count, self._at_once)]
        self._rest = self._rest[len(part) :]
        return part

    def sendall(self, data: bytes) -> None:
        self.sent.append(data)


def authenticate(*messages: bytes, verified: bool = False, **more: Any) -> Connection:
    connection = Connection(*messages, **more)
    wire._authenticate(connection, USER, PASSWORD, "linkbox", verified)
    return connection


def refusal(*messages: bytes, verified: bool = False) -> str:
    """The message of the error with which a login ends; the password is never sent."""
    connection = Connection(*messages)
    with pytest.raises(wire.ServerError) as caught:
        wire._authenticate(connection, USER, PASSWORD, "linkbox", verified)
    assert PASSWORD.encode() not in b"".join(connection.sent)
    assert caught.value.sqlstate == "", "the refusal is the client's own"
    return str(caught.value.message)


class TestScram:
    """RFC 7677, section 3, whose client names its user."""

    NONCE = "rOprNGfwEbeRWgbNEkqO"
    CHALLENGE = (
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    )
    SIGNATURE = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

    def scram(self) -> Any:
        scram = wire._Scram("pencil", 4096)
        scram._nonce, scram._bare = self.NONCE, f"n=user,r={self.NONCE}"
        return scram

    def test_the_example_of_the_rfc(self) -> None:
        scram = self.scram()
        assert scram.first() == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
        assert scram.final(self.CHALLENGE) == (
            b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
            b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        )
        assert scram.verify(self.SIGNATURE)

    @pytest.mark.parametrize(
        "answer",
        [
            b"v=",
            b"e=invalid-proof",
            b"v=AAAATRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        ],
    )
    def test_a_server_that_does_not_know_the_verifier(self, answer: bytes) -> None:
        scram = self.scram()
        scram.final(self.CHALLENGE)
        assert not scram.verify(answer)

    def test_no_signature_is_right_before_the_challenge(self) -> None:
        assert not self.scram().verify(b"v=")
        assert not self.scram().verify(self.SIGNATURE)

    @pytest.mark.parametrize(
        "challenge",
        [
            b"",
            b"r=a",
            b"r=a,s=W22Z,i=many",
            b"r=a,s=not base64!,i=4096",
            b"no fields",
            "r=ä,s=W22Z,i=4096".encode(),
        ],
    )
    def test_a_challenge_of_another_form(self, challenge: bytes) -> None:
        with pytest.raises(wire.ServerError, match=NOT_POSTGRESQL):
            self.scram().final(challenge)

    @pytest.mark.parametrize("answer", [b"v", b"v=A", b"\xff"])
    def test_a_signature_of_another_form(self, answer: bytes) -> None:
        scram = self.scram()
        scram.final(self.CHALLENGE)
        with pytest.raises(wire.ServerError, match=NOT_POSTGRESQL):
            scram.verify(answer)

    def test_a_challenge_for_another_client(self) -> None:
        with pytest.raises(wire.ServerError) as caught:
            self.scram().final(self.CHALLENGE.replace(b"r=rOpr", b"r=xOpr"))
        assert (caught.value.sqlstate, caught.value.message) == (
            "", "the server answered another client's nonce",
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("fewest", "rounds", "is_accepted"),
        [(4096, 4095, False), (4096, 4096, True), (1, 1, True), (1, 0, False), (1, -5, False)],
    )
    def test_the_least_rounds(self, fewest: int, rounds: int, is_accepted: bool) -> None:
        scram = self.scram()
        scram._fewest_rounds = fewest
        challenge = self.CHALLENGE.replace(b"i=4096", b"i=%d" % rounds)
        if is_accepted:
            assert scram.final(challenge)
        else:
            with pytest.raises(wire.ServerError) as caught:
                scram.final(challenge)
            text = f"authentication method not allowed: SCRAM with {rounds} rounds"
            assert (caught.value.sqlstate, caught.value.message) == ("", text)

    def test_every_login_has_a_nonce_of_its_own(self) -> None:
        first, second = (wire._Scram("pencil", 4096).first() for _ in range(2))
        assert first != second
        assert len(base64.b64decode(first.rpartition(b"r=")[2])) >= 18


class TestMessages:
    def test_the_start_names_user_and_database(self) -> None:
        connection = Connection()
        with pytest.raises(wire.ServerError, match="closed the connection unexpectedly"):
            wire._authenticate(connection, USER, PASSWORD, "linkbox", False)
        [start] = connection.sent
        length, version = struct.unpack("!ii", start[:8])
        assert (length, version) == (len(start), 3 << 16)
        words = start[8:].split(b"\0")
        assert words == [
            *(b"user", USER.encode(), b"database", b"linkbox"),
            *(b"application_name", b"opskit", b"", b""),
        ]

    @pytest.mark.parametrize("at_once", [1, 3, 65536])
    def test_a_login_by_hash_byte_by_byte(self, at_once: int) -> None:
        notice = message(b"N", b"SNOTICE\0Mhello\0\0")
        status = message(b"S", b"server_version\x0017.4\0")
        key = message(b"K", b"\0" * 8)
        connection = authenticate(
            notice, request(5, b"salt"), OK, status, key, READY, verified=True, at_once=at_once
        )
        inner = hashlib.md5((PASSWORD + USER).encode()).hexdigest().encode()
        hashed = b"md5" + hashlib.md5(inner + b"salt").hexdigest().encode() + b"\0"
        assert connection.sent[1:] == [message(b"p", hashed), message(b"X")]

    def test_the_server_s_error(self) -> None:
        fields = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for \xff\0\0"
        with pytest.raises(wire.ServerError) as caught:
            authenticate(message(b"E", fields))
        assert caught.value.sqlstate == "28P01"
        assert (
            caught.value.message == "password authentication failed for \N{REPLACEMENT CHARACTER}"
        )

    def test_an_error_without_fields(self) -> None:
        assert refusal(message(b"E", b"\0")) == ""

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"R" + struct.pack("!i", 3),
            b"R" + struct.pack("!i", -1),
            message(b"R", b"\0\0"),
        ],
    )
    def test_another_protocol(self, answer: bytes) -> None:
        assert refusal(answer) == NOT_POSTGRESQL

    @pytest.mark.parametrize("answer", [b"", b"R\0", message(b"R", b"\0\0\0\5salt")[:-2]])
    def test_a_server_that_leaves(self, answer: bytes) -> None:
        assert "closed the connection" in refusal(answer)

    def test_a_server_that_never_comes_to_an_end(self) -> None:
        assert refusal(*[message(b"N", b"\0")] * 200) == "the server did not finish the login"

    @pytest.mark.parametrize(("notices", "is_read"), [(99, True), (100, False)])
    def test_the_hundredth_message_is_the_last(self, notices: int, is_read: bool) -> None:
        answer = refusal(*[message(b"N", b"\0")] * notices, request(3))
        assert ("in clear text" in answer) is is_read


class TestProofs:
    @pytest.mark.parametrize("verified", [True, False])
    def test_a_server_that_wants_none_is_not_believed(self, verified: bool) -> None:
        assert refusal(OK, READY, verified=verified) == (
            "authentication method not allowed: the server wants no proof of the password"
        )

    @pytest.mark.parametrize("verified", [True, False])
    def test_clear_text_is_never_sent(self, verified: bool) -> None:
        assert refusal(request(3), OK, READY, verified=verified) == (
            "authentication method not allowed: the server asks for the password in clear text, as "
            "for IAM's tokens (rds_iam)"
        )

    def test_a_hash_goes_to_a_verified_server_only(self) -> None:
        assert refusal(request(5, b"salt"), OK, READY) == (
            "authentication method not allowed: the server asks for an MD5 hash and was not verified"
        )

    def test_ready_before_the_login_is_not_the_end(self) -> None:
        assert "closed the connection" in refusal(READY)

    @pytest.mark.parametrize(
        ("asked", "code"),
        [
            ((request(7),), 7),
            ((request(9),), 9),
            ((request(10, b"SCRAM-SHA-256-PLUS\0\0"),), 10),
            ((ASKS_SCRAM, ASKS_SCRAM), 10),
            ((request(11, TestScram.CHALLENGE),), 11),
            ((request(12, TestScram.SIGNATURE),), 12),
            ((request(99),), 99),
        ],
    )
    def test_other_methods_and_steps_out_of_order(
        self, asked: tuple[bytes, ...], code: int
    ) -> None:
        assert refusal(*asked, OK, READY) == (
            f"authentication method not allowed: the server asks for code {code}"
        )

    def test_scram_that_ends_without_a_signature(self) -> None:
        assert "wants no proof" in refusal(ASKS_SCRAM, OK, READY)

    def test_scram_with_a_signature_before_the_challenge(self) -> None:
        answer = refusal(ASKS_SCRAM, request(12, b"v="), OK, READY)
        assert answer == "the server does not know the password's verifier"

    def test_scram_s_first_message(self) -> None:
        connection = Connection(ASKS_SCRAM)
        with pytest.raises(wire.ServerError, match="closed"):
            wire._authenticate(connection, USER, PASSWORD, "linkbox", False)
        method, _, rest = connection.sent[1][5:].partition(b"\0")
        assert method == b"SCRAM-SHA-256", "without channel binding"
        assert struct.unpack("!i", rest[:4])[0] == len(rest) - 4
        assert rest[4:].startswith(b"n,,n=,r="), "the server knows the user from the start"


Serve = Callable[..., int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server on loopback that reads one message, answers and keeps the connection; its port."""
    listeners: list[socket.socket] = []

    def start(answer: bytes) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def talk() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(5)
                    connection.recv(65536)
                    connection.sendall(answer)
                    while connection.recv(65536):
                        pass

        threading.Thread(target=talk, daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for listener in listeners:
        listener.close()


def login(port: int, mode: str, ca_file: str = "", timeout_s: float = 5.0) -> dict[str, Any]:
    done = wire.login(HOST, "127.0.0.1", port, USER, PASSWORD, "linkbox", mode, ca_file, timeout_s)
    assert set(done) == {"ok", "code", "message", "ms", "tls"}
    return dict(done)


class TestConnection:
    ERROR = message(b"E", b"SFATAL\0C28000\0Mno pg_hba.conf entry\0\0")

    @pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
    def test_a_server_without_tls(self, serve: Serve, mode: str) -> None:
        done = login(serve(b"N"), mode, "bundle.pem")
        assert (done["ok"], done["message"]) == (
            False,
            "server does not support SSL, but SSL was required",
        )

    @pytest.mark.parametrize("mode", ["allow", "prefer"])
    def test_modes_that_go_on_without(self, serve: Serve, mode: str) -> None:
        done = login(serve(b"N" + self.ERROR), mode)
        assert (done["code"], done["tls"]) == ("28000", "")

    def test_without_tls_it_is_not_asked_for(self, serve: Serve) -> None:
        done = login(serve(self.ERROR), "disable")
        assert (done["code"], done["message"]) == ("28000", "no pg_hba.conf entry")

    @pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
    def test_to_verify_it_needs_a_file(self, serve: Serve, mode: str) -> None:
        assert login(serve(b"S"), mode)["message"] == "root certificate file is not named"

    def test_a_file_that_does_not_exist(self, serve: Serve) -> None:
        done = login(serve(b"S"), "verify-full", "/nowhere/bundle.pem")
        assert done["message"] == "No such file or directory"

    def test_what_is_no_tls(self, serve: Serve) -> None:
        done = login(serve(b"SHTTP/1.1 400 Bad Request\r\n\r\n"), "require")
        assert done["message"].startswith("SSL error: ")

    def test_nothing_listens(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        listener.close()
        assert login(port, "disable")["message"] == "Connection refused"

    def test_a_server_that_does_not_answer(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(wire, "REPLY_S", 0.1)
        answer = login(serve(b""), "disable", timeout_s=0.05)
        assert answer["message"] == "timeout expired"
        assert answer["ms"] >= 100, "the limit of a connection is not that of a reply"
