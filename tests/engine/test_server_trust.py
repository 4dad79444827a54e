"""What is sent to a server: nothing to one that is not verified but a SCRAM that binds the connection."""

from __future__ import annotations

import datetime
import importlib
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from opskit.engine.interface import LoginFailure, LoginResult, ServerTrust
from opskit.engine.interface import Server as Place
from opskit.engine.postgresql import roles
from opskit.engine.postgresql.engine import ENGINE
from opskit.errors import CannotProceed
from opskit.secret import Secret
from tests.engine.servers import (
    HOST,
    PASSWORD,
    USER,
    Server,
    clear_text,
    md5,
    nothing,
    scram,
    scram_without_challenge,
    serve,
)

wire: Any = importlib.import_module("opskit.engine.postgresql.stdlib_login")
Answer = Callable[[Server, ssl.SSLSocket], bool]
Make = Callable[..., Server]
ASKS = {"md5": md5, "clear text": clear_text, "nothing": nothing}


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Servers that end with the test."""
    made: list[Server] = []

    def one(answer: Answer, *names: str, **options: Any) -> Server:
        made.append(serve(tmp_path, answer, *names, **options))
        return made[-1]

    yield one
    for server in made:
        server.close()


def location(server: Server, trust: ServerTrust) -> Place:
    return Place(HOST, "127.0.0.1", server.port, "linkbox", trust)


def verified(ca_file: str, *names: str) -> ServerTrust:
    return ServerTrust(names or (HOST,), ca_file, "the test's bundle")


UNVERIFIED = ServerTrust((HOST,), None, reason="no CA bundle is carried for xx-test-1")


def by_libpq(server: Server, trust: ServerTrust) -> LoginResult:
    return ENGINE.login(location(server, trust), USER, Secret(PASSWORD), timeout_s=5)


def by_wire(server: Server, ca_file: str | None) -> dict[str, Any]:
    mode = "verify-full" if ca_file else "require"
    found = wire.login(HOST, "127.0.0.1", server.port, USER, PASSWORD, "linkbox", mode, ca_file, 5)
    return dict(found)


def failure(done: dict[str, Any]) -> LoginFailure:
    return ENGINE.classify(done["message"], done["code"])


@pytest.mark.parametrize("asks", ASKS)
class TestLibpqHere:
    def test_another_authority_gets_not_even_the_user(self, make: Make, asks: str) -> None:
        server, other = make(ASKS[asks]), make(nothing)
        done = by_libpq(server, verified(other.ca_file))
        assert (done.succeeded, done.failure) == (False, LoginFailure.CERTIFICATE), done
        assert "the test's bundle has no authority that issued it" in done.message
        assert (server.starts, server.heard) == (0, [])

    def test_an_unverified_server_gets_nothing(self, make: Make, asks: str) -> None:
        server = make(ASKS[asks])
        done = by_libpq(server, UNVERIFIED)
        wanted = LoginFailure.IAM_AUTH if asks == "clear text" else LoginFailure.METHOD
        assert (done.succeeded, done.failure) == (False, wanted), done
        assert server.heard == []
        assert PASSWORD not in repr(done)

    def test_a_verified_server_gets_a_hash_and_never_the_text(self, make: Make, asks: str) -> None:
        server = make(ASKS[asks])
        done = by_libpq(server, verified(server.ca_file))
        assert done.succeeded is (asks == "md5"), done
        assert len(server.heard) == (asks == "md5")
        assert done.failure is not LoginFailure.PASSWORD

    def test_an_old_libpq_needs_a_verified_server(
        self, make: Make, asks: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server = make(ASKS[asks])
        monkeypatch.setattr(psycopg.pq, "version", lambda: 150004)
        done = by_libpq(server, UNVERIFIED)
        assert (done.succeeded, done.failure) == (False, LoginFailure.METHOD), done
        assert "libpq 15 cannot refuse weak authentication" in done.message
        assert server.starts == 0
        options = roles.security_options(verified(server.ca_file), 150004)
        assert options == {"sslmode": "verify-full", "sslrootcert": server.ca_file}


@pytest.mark.parametrize("asks", ASKS)
class TestWire:
    """The login that is sent to the instance."""

    def test_another_authority(self, make: Make, asks: str) -> None:
        server, other = make(ASKS[asks]), make(nothing)
        done = by_wire(server, other.ca_file)
        assert failure(done) is LoginFailure.CERTIFICATE, done
        assert (server.starts, server.heard) == (0, [])

    def test_unverified(self, make: Make, asks: str) -> None:
        server = make(ASKS[asks])
        done = by_wire(server, None)
        wanted = LoginFailure.IAM_AUTH if asks == "clear text" else LoginFailure.METHOD
        assert (done["ok"], failure(done)) == (False, wanted), done
        assert server.heard == []

    def test_verified(self, make: Make, asks: str) -> None:
        server = make(ASKS[asks])
        done = by_wire(server, server.ca_file)
        assert done["ok"] is (asks == "md5"), done
        assert len(server.heard) == (asks == "md5")


def test_scram_that_does_not_bind_the_connection(make: Make) -> None:
    """A server in between could pass it on: libpq refuses it where nothing is verified."""
    server = make(scram())
    assert by_libpq(server, verified(server.ca_file)).succeeded
    done = by_libpq(server, UNVERIFIED)
    assert (done.succeeded, done.failure) == (False, LoginFailure.METHOD), done
    assert "does not bind SCRAM" in done.message
    assert by_wire(server, None)["ok"]


@pytest.mark.parametrize("rounds", [1, 4095, 100_000_000])
def test_rounds_that_help_who_searches_for_the_password(make: Make, rounds: int) -> None:
    server = make(scram(rounds))
    done = by_wire(server, None)
    assert failure(done) is LoginFailure.METHOD, done
    assert len(server.heard) == 1, "the first message, and no proof"


def test_an_exchange_that_ends_before_its_challenge_is_no_proof(make: Make) -> None:
    server = make(scram_without_challenge)
    done = by_wire(server, None)
    assert not done["ok"], done


def test_why_a_certificate_is_not_accepted(make: Make) -> None:
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    late = make(md5, not_before=past, not_after=past + datetime.timedelta(days=1))
    done = by_libpq(late, verified(late.ca_file))
    assert done.failure is LoginFailure.CERTIFICATE
    assert "it is out of date" in done.message
    other = make(md5, "another.example")
    done = by_libpq(other, verified(other.ca_file))
    assert done.failure is LoginFailure.CERTIFICATE
    assert "does not match host name" in done.message
    assert late.heard == other.heard == []
    with pytest.raises(CannotProceed, match="does not match host name"):
        ENGINE.role_facts(
            location(other, verified(other.ca_file)), USER, Secret(PASSWORD), "", timeout_s=5
        )


def test_one_of_the_names_is_enough(make: Make) -> None:
    """A name of one's own in front of RDS: the certificate has the endpoint's."""
    server = make(md5)
    assert by_libpq(server, verified(server.ca_file, "db.internal", HOST)).succeeded
    assert server.starts == 1
    assert not by_libpq(server, verified(server.ca_file, "db.internal")).succeeded


@pytest.mark.parametrize("is_verified", [False, True])
@pytest.mark.parametrize("is_token", [False, True])
def test_the_methods(is_verified: bool, is_token: bool) -> None:
    allowed = roles.allowed_methods(is_verified=is_verified, is_token=is_token)
    assert allowed[0] == "scram-sha-256"
    assert ("md5" in allowed) is is_verified
    assert ("password" in allowed) is (is_verified and is_token)
    assert "none" not in allowed


def test_what_clients_of_a_tunnel_are_told() -> None:
    there: Any = {"host": HOST, "address": "127.0.0.1", "port": 1, "user": "u", "database": "d"}
    known = ENGINE.client(**there, trust=verified("b.pem")).environment
    assert (known["PGSSLMODE"], known["PGSSLROOTCERT"]) == ("verify-full", "b.pem")
    unknown = ENGINE.client(**there, trust=UNVERIFIED).environment
    assert (unknown["PGSSLMODE"], unknown["PGCHANNELBINDING"]) == ("require", "require")
