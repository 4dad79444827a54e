"""What the probe itself refuses to connect to and to fetch, with Python and without."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from opskit.engine.postgresql.engine import ENGINE
from opskit.probe.request import script
from opskit.probe.response import Health, parse
from tests.probe.test_probe import request, run

PYTHON = ("python3",)
SHELL = ("bash", "timeout", "base64", "dd", "getent", "curl", "tr", "cut", "cat", "sleep", "sed")
BOTH = pytest.mark.parametrize("tools", [PYTHON, SHELL], ids=["python", "sh"])


@contextmanager
def port() -> Iterator[tuple[int, list[bytes]]]:
    """A port of this machine, and what was said to it."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(0.2)
                    try:
                        heard.append(connection.recv(100))
                    except OSError:
                        heard.append(b"")

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], heard


@BOTH
@pytest.mark.parametrize("is_unlisted", [True, False])
def test_this_machine_is_connected_to_only_where_rds_names_it(
    tools: tuple[str, ...], is_unlisted: bool, tmp_path: Path
) -> None:
    with port() as (number, heard):
        location = ("localhost", number)
        asked = request(
            tcp_targets=(location,), exchange_with=location, login_to=location,
            unlisted=("localhost",) if is_unlisted else (),
        )  # fmt: skip
        found = parse(run(script(asked), tmp_path / "tools", *tools).stdout)
    assert bool(heard) is not is_unlisted
    assert [c.is_connected for c in found.connections] == ([] if is_unlisted else [True])
    topics = [topic for topic, why in found.unavailable if "no database's address" in why]
    assert (f"tcp localhost:{number}" in topics) is is_unlisted


@BOTH
def test_the_metadata_service_is_never_connected_to(tools: tuple[str, ...], tmp_path: Path) -> None:
    location = ("169.254.169.254", 80)
    asked = request(
        hostnames=(),
        tcp_targets=(location,),
        exchange_with=location,
        exchanges=ENGINE.exchanges("u", "d"),
    )
    found = parse(run(script(asked), tmp_path / "tools", *tools).stdout)
    assert found.connections == ()
    assert (
        "tcp 169.254.169.254:80",
        "169.254.169.254 is no database's address",
    ) in found.unavailable


def health(url: str, directory: Path, tools: tuple[str, ...]) -> Health:
    asked = request(hostnames=(), tcp_targets=(), exchange_with=None, health_url=url)
    found = parse(run(script(asked), directory / "tools", *tools).stdout)
    assert found.is_complete
    assert found.health is not None
    return found.health


@BOTH
@pytest.mark.parametrize(
    "form", ["file://{}", "FILE://{}", "-o{}", "ftp://127.0.0.1{}", "data:,{}"]
)
def test_no_other_scheme_is_fetched(form: str, tools: tuple[str, ...], tmp_path: Path) -> None:
    held = tmp_path / "held"
    held.write_text("root:x:0:0")
    message = health(form.format(held), tmp_path, tools)
    assert message.status is None
    assert "not asked" in message.body
    assert held.read_text() == "root:x:0:0"


@BOTH
def test_the_metadata_service_is_no_health_url(tools: tuple[str, ...], tmp_path: Path) -> None:
    message = health("http://169.254.169.254/latest/meta-data/", tmp_path, tools)
    assert (message.status, "link-local" in message.body) == (None, True)


@contextmanager
def redirecting(to: str) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302 if self.path == "/health" else 200)
            self.send_header("Location", to)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/health"
        server.shutdown()


@pytest.mark.parametrize(
    "to", ["file:///etc/hostname", "ftp://127.0.0.1/x", "http://169.254.169.254/latest/"]
)
def test_no_redirect_leads_elsewhere(to: str, tmp_path: Path) -> None:
    with redirecting(to) as url:
        message = health(url, tmp_path, PYTHON)
    assert message.status is None
    assert "not asked" in message.body


def test_a_redirect_of_the_app_is_followed(tmp_path: Path) -> None:
    with redirecting("/ready") as url:
        assert health(url, tmp_path, PYTHON).status == 200
