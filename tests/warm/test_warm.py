"""A fork of the warm process cannot be told from a process that was started."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import warm
from tests.conftest import LIMIT_S, Operator
from tests.rotation.scene import ROTATE

PREFIX = ("--prefix", "/linkbox")
SHOW = (
    "import json, os, signal, sys; "
    "print(json.dumps([dict(os.environ), os.getcwd(), sys.argv, "
    "[str(signal.getsignal(s)) for s in (2, 13, 15, 17)], sorted(os.listdir('/proc/self/fd')), "
    "os.readlink('/proc/self/ns/net'), os.readlink('/proc/self/ns/mnt'), "
    "os.readlink('/proc/self/ns/pid'), os.readlink('/proc/self/ns/user')]))"
)
"""What a program that a command starts sees of its place."""
COMMANDS = {
    "version": ("opskit", "version"),
    "help": ("opskit", "--help"),
    "usage": ("opskit", "diagnos"),
    "diagnose": ("opskit", "diagnose", "db", *PREFIX),
    "no target": ("opskit", "diagnose", "db", "--prefix", "/nowhere"),
    "run": ("opskit", "run", *PREFIX, "--", "sh", "-c", "echo out; echo err >&2; exit 42"),
    "place": ("opskit", "tunnel", *PREFIX, "--", sys.executable, "-c", SHOW),
    "explain": ("opskit", "explain", "NET002"),
    "schema": ("opskit", "schema"),
    "dry run": (*ROTATE, "--dry-run"),
    "history": ("opskit", "rotate-password", "history", *PREFIX),
    "aws": ("aws", "rds", "describe-db-instances", "--output", "json"),
    "aws text": ("aws", "sts", "get-caller-identity", "--output", "text"),
    "aws usage": ("aws", "ssm", "nothing"),
    "aws refused": ("aws", "ssm", "get-parameter", "--name", "/nowhere"),
}


@pytest.fixture(autouse=True)
def possible(operator: Operator) -> None:
    if sys.platform != "linux":
        pytest.skip("no namespaces that a fork could enter")


def plain(text: str) -> str:
    """Without what differs between two processes: times, counts of them, ports, names of files."""
    differs = (
        r"[0-9.]+ ?m?s\b|[0-9]+ AWS calls in [0-9]+|opskit-[a-z0-9_]{8}|[0-9]{5,}|[\d:-]{8,}T?Z?| +"
    )
    return re.sub(differs, " ", text)


LIKE_ANOTHER = {"help", "no target", "explain", "schema", "dry run", "aws text", "aws usage"}
"""Commands that end and print in a way of which another one is an example, in every test run."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.full if n in LIKE_ANOTHER else []) for n in COMMANDS],
)
def test_status_and_outputs_are_the_same(operator: Operator, name: str) -> None:
    operator.wait_until_healthy()
    started, forked = (operator.run(*COMMANDS[name], is_warm=w) for w in (False, True))
    assert forked.returncode == started.returncode
    if name == "place":
        there, here = (json.loads(d.stdout) for d in (started, forked))
        for environment in (there[0], here[0]):
            assert environment.pop("PGPASSFILE")
            assert environment.pop("PGPORT", "")
        # The shell that changes the directory in the box leaves its own marks.
        extra = {"PWD", "OLDPWD", "SHLVL", "_"}
        assert {k: v for k, v in there[0].items() if k not in extra} == {
            k: v for k, v in here[0].items() if k not in extra
        }
        assert there[1:] == here[1:]
        return
    assert plain(forked.stdout) == plain(started.stdout)
    assert plain(forked.stderr) == plain(started.stderr)


def waiting(operator: Operator, script: str = "echo there; sleep 600") -> warm.Process:
    """A command that says something and then waits."""
    command = ("opskit", "run", *PREFIX, "--via", "session-manager", "--", "sh", "-c", script)
    process = warm.start(operator.running, command, operator.running.environment())
    assert process is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    return process


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (signal.SIGKILL, -signal.SIGKILL),
        (signal.SIGINT, 130),
        (signal.SIGTERM, 143),
        (signal.SIGHUP, 129),
    ],
)
def test_it_is_a_process_group_that_takes_signals(
    operator: Operator, number: int, status: int
) -> None:
    with waiting(operator) as process:
        assert process.poll() is None
        os.killpg(process.pid, number)
        _, err = process.communicate(LIMIT_S)
    assert (process.returncode, process.poll()) == (status, status), err
    assert not Path(f"/proc/{process.pid}").exists()


def test_it_can_be_stopped_and_goes_on(operator: Operator, tmp_path: Path) -> None:
    is_over = tmp_path / "over"
    script = f"echo there; until [ -e {is_over} ]; do sleep 0.05; done; exit 7"
    with waiting(operator, script) as process:
        os.killpg(process.pid, signal.SIGSTOP)
        limit = time.monotonic() + LIMIT_S
        while Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "T":
            assert time.monotonic() < limit
        assert process.poll() is None
        is_over.touch()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        os.killpg(process.pid, signal.SIGCONT)
        assert process.wait(LIMIT_S) == 7


def test_a_limit_ends_it(operator: Operator) -> None:
    with waiting(operator) as process, pytest.raises(subprocess.TimeoutExpired):
        process.communicate(0.2)
    limit = time.monotonic() + LIMIT_S
    while Path(f"/proc/{process.pid}").exists():
        assert time.monotonic() < limit, "it runs on"
        time.sleep(0.01)


def test_it_reads_what_it_is_given(operator: Operator) -> None:
    """A password on standard input, which the database refuses: it has a quotation mark."""
    environment = operator.running.environment()
    answers = []
    for text in ("", "short\n"):
        process = warm.start(
            operator.running,
            [*ROTATE, "--yes", "--password-stdin"],
            environment,
            stdin=True,
            merged=True,
        )
        assert process is not None
        with process:
            assert process.stdin is not None
            process.stdin.write(text)
            out, err = process.communicate(LIMIT_S)
        assert err == ""
        assert process.returncode not in (0, 5), out
        answers.append(out)
    assert answers[0] != answers[1]


def test_each_has_random_numbers_of_its_own(operator: Operator) -> None:
    """Two runners with the same would choose the same password."""
    script = "import random, uuid; print(random.random(), uuid.uuid4())"
    message = {
        operator.run("opskit", "tunnel", *PREFIX, "--", sys.executable, "-c", script).stdout
        for _ in range(2)
    }
    assert len(message) == 2


def test_a_script_runs_both(operator: Operator) -> None:
    """With pipes, statuses and substitutions; and the commands see the PATH that they always see."""
    script = (
        "aws sts get-caller-identity --query Account --output text && opskit explain NET002 | head -1;"
        'aws ssm get-parameter --name "/no where" 2>/dev/null; echo $?; opskit diagnos 2>&1 | wc -l; '
        f"echo \"$(cd / && opskit tunnel --prefix /linkbox -- {sys.executable} -c 'import os; "
        'print(os.environ["PATH"], os.getcwd())\')"'
    )
    started = operator.run("sh", "-c", script)
    forked = operator.run("sh", "-c", script, **warm.for_scripts(operator.running))
    assert len(forked.stdout.splitlines()) == 5
    assert (forked.stdout, forked.returncode) == (started.stdout, started.returncode)
    assert forked.stderr == started.stderr


@pytest.mark.parametrize(
    "other",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C"},
        {"PYTHONWARNINGS": "error"},
        {"PATH": "/usr/bin"},
    ],
)
def test_other_settings_of_the_interpreter_need_a_process(
    operator: Operator, other: dict[str, str]
) -> None:
    environment = {**operator.running.environment(), **other}
    assert warm.start(operator.running, ("opskit", "version"), environment) is None
