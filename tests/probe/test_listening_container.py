"""Which container has the health URL's port: by its listening socket, or by what it publishes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opskit.probe.program.listening_container import SocketOwners, has_port, is_own_address
from opskit.probe.request import script
from opskit.probe.response import ProbeResult, parse
from tests.probe.test_probe import PASSWORD, request, run

LISTEN = "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); sys.stdin.read()"
CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {LISTEN!r}])"
SLEEP = "import sys; print(0, flush=True); sys.stdin.read()"


def process(program: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", program]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def servers() -> Iterator[tuple[int, int, int]]:
    """A process whose child listens, one that does nothing, and the port."""
    serving, idle = process(CHILD), process(SLEEP)
    assert serving.stdout is not None
    assert idle.stdout is not None
    port = int(serving.stdout.readline())
    idle.stdout.readline()
    yield serving.pid, idle.pid, port
    for one in (serving, idle):
        one.communicate()


def raw(name: str, *, mode: str = "host", pid: int = 0, **more: Any) -> dict[str, Any]:
    """A container as an engine describes it."""
    env = [f"DATABASE_URL=postgresql://app:{PASSWORD}@db.example:5433/shop"]
    state = {"Status": "running" if pid else "exited", "Pid": pid, "ExitCode": 3}
    return {
        "Name": f"/{name}",
        "Created": "2026-01-01T00:00:00Z",
        "State": {**state, "FinishedAt": "2026-01-02T00:00:00Z"},
        "Config": {
            "Image": "shop:2",
            "Env": more.pop("env", env),
            "Labels": more.pop("labels", {}),
        },
        "HostConfig": {
            "NetworkMode": mode,
            "RestartPolicy": {"Name": "on-failure"},
            "PortBindings": more.pop("bindings", {}),
        },
        "NetworkSettings": {"Ports": more.pop("ports", {}), "Networks": more.pop("networks", {})},
    }


def published(port: int) -> dict[str, Any]:
    return {"8080/tcp": [{"HostIp": "0.0.0.0", "HostPort": str(port)}], "9090/tcp": None}


def ask(tmp_path: Path, url: str, *described: dict[str, Any], python: bool = True) -> ProbeResult:
    """The probe with an engine that describes these containers."""
    tools = tmp_path / "bin"
    tools.mkdir(exist_ok=True)
    (tmp_path / "all.json").write_text(json.dumps(described))
    docker = f'#!/bin/sh\ncase "$1" in ps) echo 1 ;; *) cat {tmp_path}/all.json ;; esac\n'
    (tools / "docker").write_text(docker)
    (tools / "docker").chmod(0o755)
    asked = request(health_url=url, hostnames=(), tcp_targets=(), exchange_with=None, exchanges=())
    wanted = ("python3", "cat") if python else ("cat", "tr")
    env = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9/"}
    done = run(script(asked), tools, *wanted, **env)
    assert PASSWORD not in done.stdout + done.stderr
    return parse(done.stdout)


def serving_of(result: ProbeResult) -> dict[str, bool | None]:
    return {c.name: c.serves_health for c in result.containers}


def test_on_the_hosts_network_the_one_whose_process_listens(
    tmp_path: Path, servers: tuple[int, int, int]
) -> None:
    serving, idle, port = servers
    result = ask(
        tmp_path,
        f"http://127.0.0.1:{port}/health",
        raw("worker", pid=idle),
        raw("backend", pid=serving),
        raw("old"),
    )
    assert serving_of(result) == {"worker": False, "backend": True, "old": None}
    assert result.serving == ("backend",)
    old = result.containers[2]
    assert (old.image, old.exit_code, old.restart_policy) == ("shop:2", 3, "on-failure")
    assert (old.finished_at, old.created_at) == ("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z")


def test_behind_a_bridge_the_one_that_publishes_the_port(tmp_path: Path) -> None:
    result = ask(
        tmp_path,
        "http://localhost:3000/health",
        raw("backend", mode="bridge", pid=1, ports=published(3000)),
        raw("worker", mode="shop_default", pid=1),
        raw("stopped", mode="bridge", bindings=published(3000)),
        raw("sidecar", mode="container:1", pid=1),
    )
    found = {"backend": True, "worker": False, "stopped": True, "sidecar": None}
    assert serving_of(result) == found


def test_one_without_database_settings_is_told_as_well(tmp_path: Path) -> None:
    proxy = raw("nginx", mode="bridge", pid=1, ports=published(80), env=[])
    result = ask(tmp_path, "http://127.0.0.1/health", proxy, raw("app", mode="bridge", pid=1))
    assert serving_of(result) == {"app": False}
    assert result.serving == ("nginx",)


def test_the_address_of_a_container_is_its_own() -> None:
    own = raw("app", mode="bridge", networks={"bridge": {"IPAddress": "172.17.0.2"}})
    assert has_port(own, "172.17.0.2", 3000, False, SocketOwners(3000)) is True
    assert (
        has_port(raw("app", mode="bridge"), "172.17.0.9", 3000, False, SocketOwners(3000)) is None
    )


def test_processes_that_may_not_be_looked_into_leave_it_open(
    servers: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    serving, _, port = servers

    def refuse(_: str) -> Any:
        raise PermissionError

    holders = SocketOwners(port)
    assert holders.has(serving) is True
    monkeypatch.setattr(os, "readlink", refuse)
    assert holders.has(serving) is None


@pytest.mark.parametrize("url", ["http://127.0.0.1:no/health", "nonsense", "http://[::1/", ""])
def test_an_odd_url_asks_for_nothing(tmp_path: Path, url: str) -> None:
    result = ask(tmp_path, url, raw("app", mode="bridge", pid=1))
    assert serving_of(result) == {"app": None}


def test_what_this_machine_is() -> None:
    assert is_own_address("127.0.0.1")
    assert is_own_address("localhost")
    assert not is_own_address("192.0.2.1")


SHELL_DOCKER = """#!/bin/sh
case "$*" in
  "ps -aq") echo a; echo b ;;
  "port a") echo '8080/tcp -> 0.0.0.0:3000' ;;
  *Config.Env*) echo PGHOST=db.example ;;
  *Config.Image*a) echo 'shop:2|3|2026-01-02T00:00:00Z|no|2026-01-01T00:00:00Z' ;;
  *.Name*a) echo /app ;;
  *.Name*b) echo /worker ;;
  *State.Status*) echo running ;;
esac
"""


def test_without_python_a_published_port_is_seen(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "docker").write_text(SHELL_DOCKER)
    (tools / "docker").chmod(0o755)
    asked = request(
        health_url="http://127.0.0.1:3000/health", hostnames=(), tcp_targets=(), exchange_with=None
    )
    result = parse(run(script(asked), tools, "tr", "cut").stdout)
    assert not result.with_python
    assert serving_of(result) == {"app": True, "worker": None}
    app = result.containers[0]
    assert (app.image, app.exit_code, app.restart_policy) == ("shop:2", 3, "no")


def test_an_older_probes_output_is_read() -> None:
    old = "container\tapp\trunning\t2026\t0\thost\t/srv\tapp\nsetting\tapp\tconfig\thost\tdb\tPGHOST\t/srv/.env\nend\n"
    (app,) = parse(old).containers
    assert (app.serves_health, app.exit_code, app.restart_policy) == (None, None, "")
    assert (app.settings[0].file_value, app.settings[0].is_plain) == ("", False)


@pytest.mark.parametrize(
    ("line", "value", "is_plain"),
    [
        ("PGHOST=db.example", "db.example", True),
        ("PGHOST=other.example", "other.example", True),
        ('PGHOST="db.example"', "db.example", False),
        ("export PGHOST=db.example", "db.example", False),
        ("  PGHOST=db.example", "db.example", False),
        ("# PGHOST=db.example", "", False),
        ("PGHOST", "", False),
    ],
)
def test_how_the_file_defines_a_variable(
    tmp_path: Path, line: str, value: str, is_plain: bool
) -> None:
    (tmp_path / ".env").write_text(f"X=1\n{line}\nY=2\n")
    labels = {"com.docker.compose.project.working_dir": str(tmp_path)}
    result = ask(tmp_path, "", raw("app", env=["PGHOST=db.example"], labels=labels))
    found = result.containers[0].setting("host")
    assert found is not None
    assert (found.file_value, found.is_plain) == (value, is_plain)
    assert bool(found.file) == bool(value)


def test_a_password_in_the_file_is_told_as_its_fingerprint(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        f"DATABASE_URL=postgresql://app:{PASSWORD}@db.example:5433/shop\n"
    )
    labels = {"com.docker.compose.project.working_dir": str(tmp_path)}
    (app,) = ask(tmp_path, "", raw("app", labels=labels)).containers
    password, host = app.setting("password"), app.setting("host")
    assert password is not None
    assert host is not None
    assert password.file_value == password.value
    assert (host.file_value, host.is_plain) == ("db.example", False)


def test_the_probes_own_listener_is_no_containers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/health"
        idle = process(SLEEP)
        assert serving_of(ask(tmp_path, url, raw("app", pid=idle.pid))) == {"app": False}
        idle.communicate()
