"""Whoever is stopped leaves no session behind: every signal, every command that starts one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from opskit.sandbox import lifecycle
from tests.conftest import LIMIT_S, Operator
from tests.pace import scaled
from tests.transport.test_transports import active

PREFIX = ("--prefix", "/linkbox")
BY_SESSION = (*PREFIX, "--via", "session-manager")
IN_TASK = (*PREFIX, "--ecs-task", "linkbox/service:linkbox-backend")
COMMANDS = {
    "run": ("opskit", "run", *BY_SESSION, "--", "sh", "-c", "echo there; sleep 600"),
    "tunnel": ("opskit", "tunnel", *PREFIX),
    "client": (
        "opskit", "tunnel", *PREFIX, "--",
        sys.executable, "-uc", "import time; print('there'); time.sleep(600)",
    ),
    "diagnose": ("opskit", "diagnose", "db", *BY_SESSION, "--output", "json"),
}  # fmt: skip
"""Every one says something on stdout as soon as its session carries something; diagnose does not."""
DRIVER = """
import json, signal, subprocess, sys, time
number, command = int(sys.argv[1]), sys.argv[2:]
before = {s["SessionId"] for s in json.loads(sys.stdin.read())}
# Under nohup a hang-up is ignored, by children too.
signal.signal(number, signal.SIG_DFL)
process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                           stdin=subprocess.DEVNULL)
if command[1] == "diagnose":
    import boto3
    ssm = boto3.client("ssm")
    limit = time.monotonic() + 120
    while time.monotonic() < limit:
        now = {s["SessionId"] for s in ssm.describe_sessions(State="Active")["Sessions"]}
        if now - before:
            break
        time.sleep(0.02)
    else:
        sys.exit("no session was started")
else:
    process.stdout.read(1)
process.send_signal(number)
started = time.monotonic()
out, err = process.communicate(timeout=120)
print(json.dumps([process.returncode, time.monotonic() - started, out, err]))
"""
"""Sends the signal to opskit alone: what enters the sandbox before it is not to get it."""


def stopped(operator: Operator, number: int, *command: str) -> tuple[int, float, str, str]:
    """How a command ends by a signal: status, seconds until then, what it said from then on."""
    listed = ("aws", "ssm", "describe-sessions", "--state", "Active", "--query", "Sessions")
    before = operator.run(*listed, "--output", "json").stdout
    done = subprocess.run(
        operator.running.command([sys.executable, "-c", DRIVER, str(number), *command]),
        env=operator.running.environment(),
        input=before, capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    status, seconds, out, err = json.loads(done.stdout)
    return status, seconds, out, err


CTRL_C, TERM = signal.SIGINT, signal.SIGTERM
ENDINGS = [
    # While a client runs, Ctrl-C is the client's own business.
    *((name, CTRL_C) for name in COMMANDS if name != "client"),
    *((name, TERM) for name in ("run", "client")),
    *(pytest.param(name, TERM, marks=pytest.mark.full) for name in COMMANDS if name not in ("run", "client")),
    *(pytest.param(name, signal.SIGHUP, marks=pytest.mark.full) for name in COMMANDS),
]  # fmt: skip


@pytest.mark.parametrize(("name", "number"), ENDINGS)
def test_a_stopped_command_ends_its_session(operator: Operator, name: str, number: int) -> None:
    before = active(operator)
    status, seconds, out, err = stopped(operator, number, *COMMANDS[name])
    assert status == 128 + number, err
    assert seconds < min(scaled(40), 60), "by itself it takes a minute and more"
    assert "Traceback" not in err
    assert active(operator) <= before
    if name == "run":
        assert "nothing was changed" not in err
    if name == "diagnose":
        assert json.loads(out)["exit_code"] == status


WAITING = """
import signal, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
sys.stdin.readline()
process.send_signal(signal.SIGTERM)
print("sent", flush=True)
_, err = process.communicate(timeout=120)
sys.stderr.write(err)
sys.exit(process.returncode)
"""


@pytest.mark.parametrize(
    ("service", "action", "run"),
    [
        ("ssm", "StartSession", COMMANDS["run"]),
        ("ecs", "ExecuteCommand", ("opskit", "run", *IN_TASK, "--", "sleep", "600")),
    ],
)
def test_a_session_whose_start_was_interrupted_is_ended_too(
    operator: Operator, service: str, action: str, run: tuple[str, ...]
) -> None:
    """AWS has started it, and the reply with its name is still under way."""
    before = active(operator)
    operator.inject({"kind": "hold", "service": service, "action": action, "after": True})
    command = operator.running.command([sys.executable, "-c", WAITING, *run])
    with subprocess.Popen(
        command, env=operator.running.environment(), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        limit = time.monotonic() + LIMIT_S
        while not lifecycle.send_command(operator.running, "status")["held"]:
            if time.monotonic() > limit:
                process.kill()
                raise AssertionError("no session was asked for")
            time.sleep(0.05)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "sent\n"
        assert active(operator) > before, "it is there"
        lifecycle.send_command(operator.running, "release")
        _, err = process.communicate(timeout=120)
    assert process.returncode == 143, err
    assert "Traceback" not in err
    assert active(operator) <= before
