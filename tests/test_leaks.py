"""No password of the run appears anywhere: output, logs, process list, command history."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from opskit.sandbox import lifecycle
from tests.conftest import Operator

MARKS = ("opskit diagnose", "opskit rotate", "opskit.transport", "python3 - ", "aws ssm")


def password_of(operator: Operator) -> str:
    done = operator.run(
        *("aws", "ssm", "get-parameter", "--name", "/linkbox/db-password", "--with-decryption"),
        *("--query", "Parameter.Value", "--output", "text"),
    )
    return done.stdout.strip()


def read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


class Watch(threading.Thread):
    """Reads the process list over and over, and keeps what it must not hold."""

    def __init__(self, *secrets: str) -> None:
        super().__init__(daemon=True)
        self.secrets, self.rounds = secrets, 0
        self.found: list[str] = []
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.03):
            self.rounds += 1
            for process in Path("/proc").glob("[0-9]*"):
                line = read(process / "cmdline").replace("\0", " ")
                if self.holds(line):
                    self.found.append(line)
                # The app has it in its environment, as apps do; we never have.
                if any(mark in line for mark in MARKS) and self.holds(read(process / "environ")):
                    self.found.append(f"environment of {line}")

    def holds(self, text: str) -> bool:
        """Whether one of them is in it."""
        return any(secret in text for secret in self.secrets)


def test_no_password_leaves(operator: Operator) -> None:
    operator.wait_for(0)
    lifecycle.send_command(operator.running, "inject", ["stale-environment"])
    secret = password_of(operator)
    assert len(secret) > 20
    watch = Watch(secret)
    watch.start()
    message = ""
    for options in (["--verbose", "--debug"], ["--output", "json"]):
        done = operator.run(
            *("opskit", "diagnose", "db", "--prefix", "/linkbox", *options), is_warm=False
        )
        message += done.stdout + done.stderr
    watch.over.set()
    watch.join()
    assert watch.rounds > 5
    assert watch.found == []
    assert secret not in message
    assert "/linkbox/db-password" in message

    history = operator.run("aws", "ssm", "list-commands").stdout
    outputs = operator.run("aws", "ssm", "list-command-invocations", "--details").stdout
    assert len(json.loads(history)["Commands"]) >= 2
    assert "opskit-probe" in outputs
    assert secret not in history + outputs

    directory = Path(operator.running.directory)
    for log in [
        directory / "daemon.log",
        directory / "pg/postgres.log",
        *directory.glob("instance/var/*.log"),
    ]:
        assert secret not in read(log), log


def test_no_password_in_a_probe_that_fails(operator: Operator) -> None:
    operator.wait_for(0)
    lifecycle.send_command(operator.running, "inject", ["password-mismatch"])
    secret = password_of(operator)
    done = operator.run(
        "opskit", "diagnose", "auth", "--prefix", "/linkbox", "--verbose", "--debug"
    )
    assert done.returncode == 1
    assert secret not in done.stdout + done.stderr
