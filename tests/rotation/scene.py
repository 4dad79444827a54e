"""Shared by the rotation tests: a process that can be killed at any call, and the verdict."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opskit.sandbox import lifecycle, topology
from tests import warm
from tests.conftest import LIMIT_S, Operator

ROTATE = ("opskit", "rotate-password", "--prefix", "/linkbox")
HELPER = """
import json, sys, boto3, psycopg
clients = [boto3.client(s, region_name="us-east-1", endpoint_url=sys.argv[1]) for s in ("ssm", "rds")]
ssm, rds = clients
NAMES = ["/linkbox/db-" + n for n in ("endpoint", "username", "password", "name")]
JOURNAL = "/opskit/rotation/linkbox/db-password"

def login():
    found = {p["Name"]: p for p in ssm.get_parameters(Names=NAMES, WithDecryption=True)["Parameters"]}
    host, user, password, name = (found[n]["Value"] for n in NAMES)
    databases = rds.describe_db_instances()["DBInstances"]
    port = next(d["Endpoint"]["Port"] for d in databases if d["DBName"] == name)
    said = ""
    try:
        psycopg.connect(host=host.partition(":")[0], port=port, user=user, password=password,
                        dbname=name, sslmode="require", connect_timeout=30).close()
    except psycopg.Error as error:
        said = str(error).split("\\n")[0]
    return {"error": said, "version": found[NAMES[2]]["Version"], "user": user}

def journal():
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=JOURNAL, Recursive=True)
    records = [p for page in pages for p in page["Parameters"]]
    numbers = [int(p["Name"].split("/")[-2]) for p in records]
    newest = max(numbers, default=0)
    last = [p for p, n in zip(records, numbers) if n == newest]
    closed = any(p["Name"].endswith("/done") or '"close"' in p["Value"] for p in last)
    return {"open": bool(last) and not closed}

for line in sys.stdin:
    print(json.dumps({"login": login, "journal": journal}[line.strip()]()), flush=True)
"""
"""Helper on the instance: logs in with the parameters, or reports whether a rotation is unfinished."""

_helpers: dict[str, subprocess.Popen[str]] = {}
"""One per sandbox."""


def _answer(helper: subprocess.Popen[str], question: str) -> str:
    """A line of a helper; empty if it has ended."""
    assert helper.stdin is not None
    assert helper.stdout is not None
    try:
        helper.stdin.write(question + "\n")
        helper.stdin.flush()
    except BrokenPipeError:
        return ""
    return helper.stdout.readline()


def _close(helper: subprocess.Popen[str]) -> None:
    """Close the pipes of a helper that has ended, also with a question that it has not read."""
    assert helper.stdin is not None
    assert helper.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        helper.stdin.close()
    helper.stdout.close()
    helper.wait(10)


@atexit.register
def _end_helpers() -> None:
    for helper in _helpers.values():
        helper.communicate("")


@dataclass
class Run:
    """One opskit process."""

    process: subprocess.Popen[str] | warm.Process
    output: str = ""

    def kill(self) -> None:
        """Send SIGKILL to the process group, which includes the helper in the namespaces."""
        self.signal(signal.SIGKILL)
        self.wait()

    def signal(self, number: int) -> None:
        """Send a signal to the process group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def abort(self) -> None:
        """End the process, and let it print its traceback."""
        self.signal(signal.SIGABRT)
        time.sleep(0.5)
        self.signal(signal.SIGKILL)
        self.output += self.process.communicate()[0]

    def go_on(self) -> None:
        """Continue after a SIGSTOP.

        The process that entered the namespaces stops itself when it sees its child stopped, so the signal is
        repeated until both run. A forked process has no such parent.
        """
        if isinstance(self.process, warm.Process):
            self.signal(signal.SIGCONT)
            return
        for _ in range(20):
            self.signal(signal.SIGCONT)
            time.sleep(0.05)

    def wait(self, limit_s: float = LIMIT_S) -> int:
        """Wait for its end, and return the exit status."""
        try:
            self.output += self.process.communicate(timeout=limit_s)[0]
        except subprocess.TimeoutExpired:
            self.abort()
            raise AssertionError(f"it did not end within {limit_s:.0f} s: {self.output}") from None
        assert "Traceback" not in self.output, self.output
        assert self.process.returncode is not None
        return self.process.returncode

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None


@dataclass
class Scene:
    """A sandbox in which a password is rotated."""

    operator: Operator

    def start(
        self, *options: str, stdin: str = "", is_warm: bool = True, **environment: str
    ) -> Run:
        """Start a rotation as the operator; `is_warm` as for `Operator.run`."""
        running = self.operator.running
        command = [*ROTATE, *options]
        whole = {**running.environment(), "PYTHONFAULTHANDLER": "1", **environment}
        process: subprocess.Popen[str] | warm.Process | None = None
        if is_warm:
            process = warm.start(running, command, whole, stdin=True, merged=True)
        if process is None:
            process = subprocess.Popen(
                running.command(command),
                env=whole,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        assert process.stdin is not None
        process.stdin.write(stdin)
        process.stdin.close()
        process.stdin = None
        return Run(process)

    def rotate(self, *options: str, **environment: Any) -> tuple[int, str]:
        """Run a rotation to its end, and return exit status and output."""
        run = self.start("--yes", *options, **environment)
        status = run.wait()
        return status, run.output

    def order(
        self, word: str, *names: str, rows: tuple[dict[str, Any], ...] = ()
    ) -> dict[str, Any]:
        """Send a command to the sandbox."""
        return lifecycle.send_command(self.operator.running, word, names, rows)

    def wait_held(self, run: Run, limit_s: float = LIMIT_S) -> bool:
        """Wait until a call is held; False if the process ends without one."""
        limit = time.monotonic() + limit_s
        while time.monotonic() < limit:
            if self.order("status")["held"]:
                return True
            if not run.is_running:
                run.wait()
                return False
            time.sleep(0.01)
        run.abort()
        raise AssertionError(f"nothing was held, and nothing ended: {run.output}")

    @contextlib.contextmanager
    def injected(self, *rows: dict[str, Any]) -> Iterator[None]:
        """Inject AWS faults for a while."""
        self.order("replace-injections", rows=rows)
        try:
            yield
        finally:
            self.order("replace-injections")
            self.order("release", "drop")

    def ask(self, question: str) -> dict[str, Any]:
        """Send a question to the helper on the instance, which changes nothing."""
        line = _answer(self._helper(), question)
        if not line:
            # A reset of the sandbox ends what a test has started on its machines.
            _close(_helpers.pop(self.operator.running.directory))
            line = _answer(self._helper(), question)
        found: dict[str, Any] = json.loads(line)
        return found

    def _helper(self) -> subprocess.Popen[str]:
        running = self.operator.running
        if running.directory not in _helpers:
            here = f"http://{topology.RESOLVER_ADDRESS}:{topology.API_PORT}"
            url = running.api_url if running.dns_server else here
            _helpers[running.directory] = subprocess.Popen(
                running.command(["python", "-c", HELPER, url], host="app"),
                env=running.environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        return _helpers[running.directory]

    def login(self) -> dict[str, Any]:
        """Log in from the instance with the parameters' values; the reply's error is empty on success."""
        return self.ask("login")

    def is_open(self) -> bool:
        """Whether a rotation is unfinished, by the journal itself."""
        return bool(self.ask("journal")["open"])

    def verdict(self) -> list[str]:
        """Return the problems now; empty if all is as it should be after a rotation."""
        wrong = []
        message = self.login()["error"]
        if message:
            wrong.append(f"LOST: the parameters' password does not log in: {message}")
        if self.is_open():
            wrong.append("a rotation stands open")
        with contextlib.suppress(AssertionError):
            self.operator.wait_until_healthy()
            return wrong
        return [*wrong, "the app is not healthy"]
