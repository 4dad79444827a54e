"""What all tests share: a guard against stray packets, and one sandbox a worker."""

from __future__ import annotations

import functools
import gc
import ipaddress
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

try:
    from _pytest.nodeid import coerce_node_id
except ImportError:  # pytest before 9.2
    coerce_node_id = str  # type: ignore[assignment]

from opskit import redaction
from opskit.sandbox import lifecycle
from opskit.sandbox.lifecycle import RunningSandbox
from tests import warm
from tests.pace import scaled

# The same examples in every run: a test that fails once fails again.
settings.register_profile("house", derandomize=True, deadline=None)
settings.load_profile("house")


LIMIT_S = scaled(240.0)
"""For what takes seconds: a machine that is busy with other work takes long, and no test waits for the
limit when it is done earlier."""
ROTATIONS = tuple(f"tests/rotation/test_{n}.py" for n in ("crashes", "trouble", "strategies"))


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell gives it to what it starts in the background, and every command under test would inherit
    # it: Ctrl-C would never come.
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    # nohup ignores it, also for every command under test.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class StrayPacket(AssertionError):
    """A test tried to send a packet out of this machine."""


_connect = socket.socket.connect


def _guarded(self: socket.socket, address: Any) -> None:
    if self.family in (socket.AF_INET, socket.AF_INET6):
        host = ipaddress.ip_address(address[0] if address[0] != "localhost" else "127.0.0.1")
        if not host.is_loopback:
            raise StrayPacket(f"a test tried to reach {host}: only loopback is allowed out here")
    _connect(self, address)


SANDBOXES = {"shared_sandbox", "managed", "shared", "fresh"}
"""Fixtures that start a sandbox."""


LONG = tuple(
    f"tests/{name}"
    for name in (
        "reachability/test_oracle.py",
        "rotation/test_crashes.py",
        "rotation/test_leaks.py",
        "rotation/test_managed_secret.py",
        "rotation/test_model.py",
        "rotation/test_strategies.py",
        "rotation/test_trouble.py",
        "runbook/test_runbooks.py",
        "sandbox/test_loopback.py",
        "test_unusual.py",
    )
)
"""Files with tests of 10 s and more on an idle machine. They begin first: otherwise the last of them
begins late in some shuffled orders, and one worker runs alone at the end."""


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Iterator[None]:
    """Mark the tests that need a sandbox, which `make unit` leaves out, keep groups together, and put
    the longest first.

    pytest-xdist 3.8 writes a test's group into a field that pytest 9.2 no longer reads, so that every
    worker built what a group shares.
    """
    for item in items:
        if SANDBOXES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.sandbox)
    # Between the two, `-m` deselects by the markers, xdist names the groups, and the order is shuffled.
    yield
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))
    for item in items:
        group = item.get_closest_marker("xdist_group")
        if group is not None and config.getoption("loadgroup", False):
            name = f"{item.nodeid.removesuffix(f'@{group.args[0]}')}@{group.args[0]}"
            if item.nodeid != name:
                item._id = coerce_node_id(name)
            assert item.nodeid == name


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Leave the tests themselves out of every garbage collection: thousands of objects that stay.

    To go through them again and again took a quarter of the short tests' time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.fixture(autouse=True)
def no_sandbox_unannounced(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that starts a sandbox in another way than by a fixture says so."""
    if request.node.get_closest_marker("sandbox") is None:

        def refused(*_: object, **__: object) -> None:
            raise AssertionError("mark this test: @pytest.mark.sandbox")

        monkeypatch.setattr(lifecycle, "_start", refused)


@pytest.fixture(autouse=True)
def secrets_of_one_test() -> Iterator[None]:
    """A password of one test, or of a module that was imported, is not redacted in another test.

    With those of all modules each new secret would be one more among 1,200 forms, which are compiled
    again for it.
    """
    held = redaction._forms, redaction._passwords, redaction._names
    redaction._forms, redaction._passwords, redaction._names = (), (), frozenset()
    yield
    redaction._forms, redaction._passwords, redaction._names = held


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that runs in the tests' own process reaches further than this machine."""
    monkeypatch.setattr(socket.socket, "connect", _guarded)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many rotations were disturbed, and whether a password was lost."""
    reports = [
        report
        for outcome in ("passed", "failed", "error")
        for report in terminalreporter.stats.get(outcome, [])
        if report.nodeid.startswith(ROTATIONS) and (report.when == "call" or outcome == "error")
    ]
    if reports:
        failures = [r for r in reports if not r.passed]
        lost = sum("LOST:" in str(r.longrepr) for r in failures)
        terminalreporter.write_line(
            f"rotations disturbed: {len(reports)} scenarios, {len(failures)} failures, "
            f"{lost} lost passwords"
        )


@dataclass
class Operator:
    """Somebody on call, inside the sandbox."""

    running: RunningSandbox

    def run(
        self, *command: str, timeout: float = LIMIT_S, is_warm: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as the operator, inside its own network.

        Args:
            is_warm: whether it may be a fork of a warm process, and not one that starts.
        """
        whole = {**self.running.environment(), **environment}
        process = warm.start(self.running, command, whole) if is_warm else None
        if process is not None:
            with process:
                out, err = process.communicate(timeout)
            assert process.returncode is not None
            return subprocess.CompletedProcess(command, process.returncode, out, err)
        return subprocess.run(
            self.running.command(command),
            env=whole,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def diagnose(
        self, *options: str, layer: str = "db", **environment: Any
    ) -> tuple[dict[str, Any], int]:
        """The JSON of a diagnosis and its exit status."""
        command = [
            "opskit",
            "diagnose",
            layer,
            "--prefix",
            "/linkbox",
            "--output",
            "json",
            *options,
        ]
        done = self.run(*command, **environment)
        assert "Traceback" not in done.stderr, done.stderr
        return json.loads(done.stdout), done.returncode

    def script(
        self, text: str, flags: str = "-c", **environment: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell script, whose `opskit` and `aws` are forks."""
        return self.run("sh", flags, text, **warm.for_scripts(self.running), **environment)

    def sql(self, statement: str) -> None:
        """Run a statement as an administrator of the database, who sits at the server."""
        import psycopg

        socket_directory = f"{self.running.directory}/pg"
        [port] = [p.name.rsplit(".", 1)[1] for p in Path(socket_directory).glob(".s.PGSQL.*[0-9]")]
        with psycopg.connect(
            host=socket_directory, port=port, user="postgres", dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(statement.encode())

    def paste(self, check: dict[str, Any]) -> None:
        """Run a finding's fix as it is printed: each command only if the one before succeeded."""
        script = " &&\n".join(check["fix"]["commands"])
        done = self.script(script)
        assert done.returncode == 0, (script, done.stdout, done.stderr)

    def wait_for(
        self, status: int, limit_s: float = LIMIT_S, layer: str = "db"
    ) -> tuple[dict[str, Any], int]:
        """Diagnose until the exit status is there: apps notice a moment later."""
        limit = time.monotonic() + limit_s
        if status == 0:
            # To look at the app's health costs less than a diagnosis.
            self._look(min(limit_s, scaled(20)), with_commands=False)
        while True:
            found, seen = self.diagnose(layer=layer)
            if seen == status or time.monotonic() > limit:
                return found, seen
            time.sleep(0.3)

    def wait_until_healthy(self, limit_s: float = LIMIT_S) -> None:
        """Wait until no command runs any more and the load balancer has seen a healthy app since."""
        status = self._look(limit_s, with_commands=True)
        assert status is None, f"the app did not become healthy: {status}"

    def _look(self, limit_s: float, *, with_commands: bool) -> dict[str, Any] | None:
        """The sandbox's status if the app has not become healthy within the limit."""
        limit, seen = time.monotonic() + limit_s, None
        while True:
            status = lifecycle.send_command(self.running, "look")
            if status["health"] != 200 or (with_commands and status["commands"]):
                seen = None
            elif seen is None:
                seen = status["health_checks"]
            # The first check after may have begun before.
            elif status["health_checks"] >= seen + 2:
                return None
            if time.monotonic() > limit:
                return status
            time.sleep(0.03)

    def reset(self) -> None:
        """Restore the sandbox as it was at the end of its start, with a healthy app."""
        lifecycle.send_command(self.running, "reset")

    def need_packets(self) -> None:
        """Leave the test out where packets cannot be filtered; in CI that is a failure."""
        if self.running.dns_server:
            assert os.environ.get("CI") != "true", "CI must be able to filter packets"
            pytest.skip("packets cannot be filtered on this machine")

    def over_ssh(self, via: str) -> dict[str, Any]:
        """The environment for a road over SSH: a home that knows the bastion, and its key."""
        ssh = Path(self.running.directory) / "ssh"
        home = ssh / f"home-{via}"
        (home / ".ssh").mkdir(parents=True, exist_ok=True)
        if via != "ssh":
            return {"HOME": str(home)}
        location = (ssh / "bastion").read_text().strip()
        host, _, port = location.partition("@")[2].rpartition(":")
        name = host if port == "22" else f"[{host}]:{port}"
        key = " ".join((ssh / "host-bastion.pub").read_text().split()[:2])
        (home / ".ssh/known_hosts").write_text(f"{name} {key}\n")
        return {
            "HOME": str(home),
            "OPSKIT_SSH_BASTION": location,
            "OPSKIT_SSH_KEY_FILE": str(ssh / "id_ed25519"),
        }

    def inject(self, *rows: dict[str, Any]) -> None:
        """Let AWS go wrong in these ways, and no others."""
        lifecycle.send_command(self.running, "replace-injections", rows=rows)


@functools.cache
def _load_once(load: Callable[..., Any], loader: Any, *arguments: Any) -> Any:
    return load(loader, *arguments)


@pytest.fixture
def service_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file of botocore's is parsed once a process: it is most of what a new client costs."""
    from botocore.loaders import JSONFileLoader

    loader, load = JSONFileLoader(), JSONFileLoader.load_file
    monkeypatch.setattr(
        JSONFileLoader, "load_file", lambda _, *arguments: _load_once(load, loader, *arguments)
    )


@pytest.fixture
def aws_in_memory(service_models: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """AWS is moto in this process, and nothing of the shell's settings counts."""
    from moto import mock_aws

    for name, value in (
        ("ACCESS_KEY_ID", "AKIA"),
        ("SECRET_ACCESS_KEY", "s"),
        ("REGION", "us-east-1"),
    ):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[Operator]:
    """One sandbox for all tests of this worker; whoever breaks something repairs it."""
    os.environ.pop("OPSKIT_SANDBOX", None)
    with lifecycle.temporary(0) as running:
        yield Operator(running)


@pytest.fixture
def operator(shared_sandbox: Operator) -> Iterator[Operator]:
    """The shared sandbox, whole before and after the test."""
    yield shared_sandbox
    shared_sandbox.inject()
    if lifecycle.send_command(shared_sandbox.running, "status")["broken"]:
        shared_sandbox.reset()
