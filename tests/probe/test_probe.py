"""The probe's text and parser, without a sandbox: what it needs, what it says, what it never says."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opskit.config import Target
from opskit.credential_source import source_of
from opskit.credential_source.interface import InstanceRead
from opskit.engine.postgresql.engine import ENGINE
from opskit.probe.request import ProbeRequest, script
from opskit.probe.response import parse
from opskit.secret import fingerprint
from opskit.transport.local import LocalTransport

PASSWORD = "Correct-Horse_Battery~42"
KEY = "0123456789abcdef"


def request(**changes: object) -> ProbeRequest:
    values: dict[str, object] = {
        "key": KEY,
        "region": "us-east-1",
        "hostnames": ("localhost",),
        "tcp_targets": (("127.0.0.1", 1),),
        "exchange_with": ("127.0.0.1", 1),
        "exchanges": ENGINE.exchanges("u", "d"),
        "reads": reads_of({"password": "/a/db-password"}),
        "environment": ENGINE.environment,
        "engine_program": ENGINE.instance_program(),
    }
    return ProbeRequest(**{**values, **changes})  # type: ignore[arg-type]


def reads_of(parameters: dict[str, str]) -> tuple[InstanceRead, ...]:
    """The reads of a target's parameters, by their purposes."""
    return source_of(Target("shop", parameters)).instance_reads


def run(
    text: str, tools: Path, *wanted: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    tools.mkdir(exist_ok=True)
    for tool in wanted:
        found = next(p for d in ("/usr/bin", "/bin", "/usr/sbin") if (p := Path(d) / tool).exists())
        if not (tools / tool).exists():
            (tools / tool).symlink_to(found)
    return subprocess.run(
        ["/bin/sh"], input=text, env={"PATH": str(tools), **environment},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


DOCKER = f"""#!/bin/sh
case "$*" in
  "ps -aq") echo abc ;;
  *Config.Env*) printf 'DATABASE_URL=postgresql://app:{PASSWORD}@db.example:5433/shop?sslmode=require\\n\\n' ;;
  *Name*) echo /shop ;;
  *State.Pid*) echo 0 ;;
  *State.Status*) echo running ;;
  *StartedAt*) echo 2026-01-01T00:00:00Z ;;
  *RestartCount*) echo 3 ;;
esac
"""


def test_it_works_with_nothing_but_sh(tmp_path: Path) -> None:
    done = run(script(request()), tmp_path / "bin")
    result = parse(done.stdout)
    assert done.returncode == 0, done.stderr
    assert result.is_complete
    assert not result.with_python
    asked = {what.split()[0] for what, _ in result.unavailable}
    assert asked >= {"name", "tcp", "exchange", "reads", "containers", "login"}


def test_with_a_shell_and_ordinary_tools_it_learns_more(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "docker").write_text(DOCKER)
    (tools / "docker").chmod(0o755)
    wanted = ("bash", "timeout", "getent", "sha256sum", "cut", "date", "tr", "dd", "base64", "cat")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = run(
            script(request(tcp_targets=(("127.0.0.1", port), ("127.0.0.1", 1)))), tools, *wanted
        )
    result = parse(done.stdout)
    assert {c.port: c.outcome for c in result.connections} == {port: "connected", 1: "refused"}
    assert result.resolutions[0].addresses == ("127.0.0.1",)
    container = result.containers[0]
    found = {s.name: s.value for s in container.settings}
    assert found["host"] == "db.example"
    assert found["port"] == "5433"
    assert found["tls_mode"] == "require"
    assert found["password"] == fingerprint(KEY, PASSWORD)
    assert PASSWORD not in done.stdout + done.stderr


def test_with_python_it_asks_everything_and_finds_no_role(tmp_path: Path) -> None:
    done = run(
        script(request()),
        tmp_path / "bin",
        "python3",
        AWS_EC2_METADATA_SERVICE_ENDPOINT="http://127.0.0.1:9/",
    )
    result = parse(done.stdout)
    assert result.is_complete, done.stderr
    assert result.with_python
    assert result.connections[0].outcome == "refused"
    assert result.reads[0].code == "NoCredentials"
    assert result.heard["plain"].error


@pytest.mark.parametrize("tools", [("bash", "timeout", "getent", "cut"), ("python3",)])
def test_a_dropped_connection_is_given_up_after_the_set_time(
    tools: tuple[str, ...], tmp_path: Path
) -> None:
    """A full queue of a server drops the first packet as a security group does."""
    with socket.socket() as server, socket.socket() as first, socket.socket() as second:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for client in (first, second):
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        target = server.getsockname()
        asked = request(tcp_targets=(target,), connect_timeout_s=1, exchange_with=None)
        done = run(script(asked), tmp_path / "bin", *tools)
    [connection] = parse(done.stdout).connections
    assert connection.outcome == "timeout"
    assert connection.milliseconds is None or 900 < connection.milliseconds < 2900


def test_its_size_and_that_it_holds_no_secret() -> None:
    text = script(request())
    assert len(text) < 60_000
    assert "PASSWORD=" not in text.replace("PGPASSWORD", "").replace("_PASSWORD", "")


@given(st.text(max_size=400))
def test_garbage_never_breaks_the_parser(text: str) -> None:
    parse(text)


@given(st.integers(min_value=0, max_value=400))
def test_cut_output_is_seen_as_cut(length: int) -> None:
    whole = "opskit-probe\t1\tpython\ntcp\th\t10.0.0.1\t5432\tconnected\t1.0\t10.0.0.2\nread\t/a\tabcdef\t\t\nend\n"
    result = parse(whole[:length])
    assert result.is_complete == (whole[:length].rstrip("\n").endswith("end"))


@pytest.mark.parametrize(
    ("text", "status"), [("exit 42", 42), ("printf '%s' \"a'b\"; echo c >&2", 0)]
)
def test_local_road(text: str, status: int) -> None:
    done = LocalTransport().run(text, timeout_s=10)
    assert done.exit_status == status
    if not status:
        assert (done.stdout, done.stderr) == ("a'b", "c\n")
