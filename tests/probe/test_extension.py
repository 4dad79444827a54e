"""A second engine and a second credential source need no line in the probe.

Toys of both are registered here: a server that speaks first, and a store of one JSON document. The probe runs
as a program of this machine, in Python and in `sh`.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from opskit import credential_source, engine
from opskit.commands import AwsCall
from opskit.config import Target
from opskit.credential_source.interface import CredentialLocation, InstanceRead
from opskit.credential_source.ssm_parameters import SsmParameters
from opskit.engine.interface import (
    Exchange,
    ExchangeResult,
    InstanceProgram,
    ServerAnswer,
    ServerHandshake,
)
from opskit.engine.postgresql.engine import PostgreSql
from opskit.facts import probe as probe_facts
from opskit.facts.dns import DatabaseHost
from opskit.facts.given_facts import FingerprintKey
from opskit.facts.interface import Unknown
from opskit.facts.probe import InstanceProbe
from opskit.facts.region import Region
from opskit.facts.transport_choice import TransportChoice
from opskit.secret import fingerprint
from opskit.transport.interface import CommandResult, OnOutput, Transport, discard_output
from opskit.workload.interface import Workload
from tests import builders as b
from tests.probe.test_probe import KEY, PASSWORD, run

DOCUMENT = json.dumps({"login": {"n": 1}, "user": "app", "pass": PASSWORD, "db": "shop"})
MEMBERS = {"username": "user", "password": "pass", "database": "db"}
GREETING = b"toy 9.1, what is your name?\n"

PYTHON = """
def toy_line(connection):
    text = b""
    while text[-1:] != b"\\n":
        byte = connection.recv(1)
        if not byte:
            raise ConnectionResetError(104, "reset")
        text += byte
    return text


def converse(conversation, arguments):
    conversation.parts.append(toy_line(conversation.connection))
    answer = arguments["name"] + " of " + str(len(conversation.parts[0])) + "\\n"
    conversation.connection.sendall(answer.encode())
    conversation.parts.append(toy_line(conversation.connection))


def login(host, address, port, user, password, database, tls_mode, ca_file, timeout_s):
    message = "%s wants %s" % (user, database)
    return {"ok": password == "Correct-Horse_Battery~42", "code": "7", "message": message, "ms": 1, "tls": ""}
"""
SHELL = """
converse() {
  have bash && have base64 || { echo 'no bash and base64'; return 1; }
  bash -c "exec 3<>/dev/tcp/$1/$2; read -r line <&3; printf '%s\\n' \\"\\$line\\"" | base64
}
"""


class Toy(PostgreSql):
    """An engine whose server speaks first, and whose second message depends on the first."""

    name = "toy"
    bare_connect_is_safe = False

    def exchanges(self, user: str, database: str) -> tuple[Exchange, ...]:
        return (Exchange("hello", {"name": user}, "-"),)

    def greeting(self, heard: Mapping[str, ExchangeResult]) -> ServerHandshake:
        parts = heard["hello"].parts if "hello" in heard else ()
        answer = ServerAnswer(parts[1] == b"welcome\n") if len(parts) > 1 else None
        is_engine = parts[0] == GREETING if parts else None
        return ServerHandshake(is_engine, None, "", (), None, answer)

    def instance_program(self) -> InstanceProgram:
        return InstanceProgram(PYTHON, SHELL)


class ToyStore(SsmParameters):
    """A source that keeps the credential as one document of a service with other calls."""

    service = "toystore"

    @classmethod
    def select(cls, target: Target) -> Any:
        return cls({})

    @property
    def locations(self) -> tuple[CredentialLocation, ...]:
        return (CredentialLocation("shop/db", tuple(MEMBERS), "shop/db"),)

    def location(self, purpose: str) -> CredentialLocation:
        return self.locations[0]

    @property
    def instance_reads(self) -> tuple[InstanceRead, ...]:
        call = AwsCall(self.service, "GetDocument", {"Stage": "current", "Full": True})
        path = "Document", "Body"
        return (InstanceRead("shop/db", call, "DocumentId", "toy.GetDocument", path, MEMBERS),)


@contextmanager
def database_server() -> Iterator[tuple[int, list[bytes]]]:
    """A server that greets, and welcomes whoever names the length of its greeting."""
    lines: list[bytes] = []

    def serve() -> None:
        for _ in range(2):
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(GREETING)
                line = connection.makefile("rb").readline()
                lines.append(line)
                if line:
                    connection.sendall(b"welcome\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], lines
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


class Account(BaseHTTPRequestHandler):
    """The role's credentials, and the service of the source."""

    asked: list[tuple[str, str]]

    def do_PUT(self) -> None:
        self.reply("token")

    def do_GET(self) -> None:
        credentials = {"AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "x", "Token": "t"}
        is_list = self.path.endswith("/")
        self.reply("the-role" if is_list else json.dumps(credentials))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        operation = self.headers.get("x-amz-target")
        if operation:
            self.asked.append((operation, body))
            self.reply(json.dumps({"Document": {"Body": DOCUMENT}}))
        else:
            self.reply("<Arn>arn:aws:sts::1:assumed-role/the-role/i-1</Arn>")

    def reply(self, text: str) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def account() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    Account.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Account) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", Account.asked
        server.shutdown()
        thread.join(10)


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = Toy()
    monkeypatch.setattr(engine, "ENGINES", {**engine.ENGINES, "toy": toy})
    monkeypatch.setattr(
        credential_source, "CREDENTIAL_SOURCES", {"toy-store": f"{__name__}:ToyStore"}
    )


class ThisMachine(Transport):
    """Runs the script here, with the given tools alone."""

    name = "local"

    def __init__(self, directory: Path, *tools: str, **environment: str) -> None:
        self._directory, self._tools, self._environment = directory / "bin", tools, environment

    def run(
        self, script: str, *, timeout_s: float, on_output: OnOutput = discard_output
    ) -> CommandResult:
        done = run(script, self._directory, *self._tools, **self._environment)
        return CommandResult(done.returncode, done.stdout, done.stderr)


def probed(transport: Transport, port: int) -> InstanceProbe:
    database = b.database(engine="toy", host="127.0.0.1", port=port)
    return probe_facts.read(
        Target("shop", {}), FingerprintKey(KEY), Region("us-east-1"),
        TransportChoice(transport, ""), b.known(DatabaseHost("127.0.0.1", port, "rds", True)),
        b.known(database), Unknown("not read"), Unknown("none"), b.healthy(Workload),
        Unknown("not listed"),
    )  # fmt: skip


def test_python_holds_the_toys_conversation_and_reads_its_store(
    toys: None, account: tuple[str, list[tuple[str, str]]], tmp_path: Path
) -> None:
    url, asked = account
    aws = {"AWS_ENDPOINT_URL": url, "AWS_EC2_METADATA_SERVICE_ENDPOINT": url}
    with database_server() as (port, lines):
        result = probed(ThisMachine(tmp_path, "python3", **aws), port)
    user = b.database().instance.master_username
    assert lines == [f"{user} of {len(GREETING)}\n".encode()]
    assert result.greeting.is_engine
    assert result.greeting.without_tls == ServerAnswer(True)
    [connection] = result.result.connections
    assert (connection.outcome, connection.port) == ("connected", port)
    [(operation, body)] = asked
    assert operation == "toy.GetDocument"
    assert json.loads(body) == {"DocumentId": "shop/db", "Stage": "current", "Full": True}
    [read] = result.reads
    assert (read.name, read.fingerprint) == ("shop/db", fingerprint(KEY, DOCUMENT))
    assert result.read_password
    attempt = result.attempt
    assert attempt is not None
    assert (attempt.succeeded, attempt.message) == (True, "app wants shop")


AWS = """#!/bin/sh
echo "$@" >>"$RECORD"
case "$1" in sts) echo arn:aws:sts::1:assumed-role/the-role/i-1 ;; toystore) printf '%s\\n' "$DOCUMENT" ;; esac
"""


def test_a_shell_holds_the_toys_conversation_and_reads_its_store(
    toys: None, tmp_path: Path
) -> None:
    tools, record = tmp_path / "bin", tmp_path / "record"
    tools.mkdir()
    (tools / "aws").write_text(AWS)
    (tools / "aws").chmod(0o755)
    wanted = ("bash", "base64", "sha256sum", "cut", "tr")
    here = ThisMachine(tmp_path, *wanted, RECORD=str(record), DOCUMENT=DOCUMENT)
    with database_server() as (port, _):
        result = probed(here, port)
    assert result.greeting.is_engine
    assert result.result.heard["hello"].parts == (GREETING,)
    assert record.read_text().splitlines()[1:] == [
        "toystore get-document --stage current --full --document-id shop/db --query Document.Body --output text"
    ]
    [read] = result.reads
    assert (read.name, read.fingerprint) == ("shop/db", fingerprint(KEY, DOCUMENT))
    assert PASSWORD not in repr(result)


def test_a_shell_without_the_engines_tools_says_so(toys: None, tmp_path: Path) -> None:
    with database_server() as (port, lines):
        result = probed(ThisMachine(tmp_path), port)
    assert result.why_not("exchange hello") == "no bash and base64"
    assert lines == []
