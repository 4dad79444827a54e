"""Whatever goes wrong ends in one clear sentence and a documented status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from opskit.errors import ExitStatus
from tests.conftest import LIMIT_S, Operator
from tests.pace import scaled

DIAGNOSE = ("opskit", "diagnose", "db")


def ended(done: subprocess.CompletedProcess[str], status: ExitStatus, *words: str) -> None:
    assert done.returncode == status, (done.stdout, done.stderr)
    assert "Traceback" not in done.stdout + done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


def test_unknown_prefix(operator: Operator) -> None:
    done = operator.run(*DIAGNOSE, "--prefix", "/nowhere")
    ended(
        done, ExitStatus.USAGE, "--prefix /nowhere", "account 123456789012", "exist there: /linkbox"
    )


def test_wrong_region(operator: Operator) -> None:
    done = operator.run(*DIAGNOSE, "--prefix", "/linkbox", "--region", "eu-west-1")
    ended(done, ExitStatus.USAGE, "/linkbox/db-endpoint", "eu-west-1", "--region")


def test_unknown_instance(operator: Operator) -> None:
    done = operator.run(*DIAGNOSE, "--prefix", "/linkbox", "--instance", "i-0123")
    ended(
        done, ExitStatus.USAGE, "--instance 'i-0123'", "account 123456789012", "linkbox-backend-1"
    )


def test_unknown_database(operator: Operator) -> None:
    done = operator.run(*DIAGNOSE, "--prefix", "/linkbox", "--db-instance", "nope")
    ended(done, ExitStatus.USAGE, "--db-instance 'nope'", "account 123456789012", "linkbox-db")


def test_unknown_credentials(operator: Operator) -> None:
    done = operator.run(*DIAGNOSE, "--prefix", "/linkbox", AWS_ACCESS_KEY_ID="AKIANOBODY0000000000")
    # Which service answers first differs, and EC2 has a word of its own.
    ended(
        done,
        ExitStatus.NO_TARGET,
        "credentials are not ",
        "by AWS" if "AuthFailure" in done.stderr else "to AWS",
    )


def test_expired_credentials(operator: Operator) -> None:
    operator.inject({"kind": "expired"})
    done = operator.run(*DIAGNOSE, "--prefix", "/linkbox")
    ended(done, ExitStatus.NO_TARGET, "credentials are expired")


def test_missing_credentials(operator: Operator) -> None:
    done = operator.run(
        *DIAGNOSE, "--prefix", "/linkbox", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="",
        AWS_EC2_METADATA_DISABLED="true",
    )  # fmt: skip
    ended(done, ExitStatus.NO_TARGET, "no AWS credentials")


def test_json_is_json_at_a_bad_ending_too(operator: Operator) -> None:
    done = operator.run(*DIAGNOSE, "--prefix", "/nowhere", "--output", "json")
    assert json.loads(done.stdout)["exit_code"] == done.returncode == ExitStatus.USAGE


def test_a_wrong_container_or_health_path(operator: Operator) -> None:
    operator.wait_until_healthy()
    done = operator.run(*DIAGNOSE, "--prefix", "/linkbox", "--container", "nope")
    ended(done, ExitStatus.USAGE, "--container 'nope'", "linkbox-backend")
    url = "http://127.0.0.1:3000/helth"
    done = operator.run(*DIAGNOSE, "--prefix", "/linkbox", "--health-url", url)
    ended(done, ExitStatus.USAGE, url, "404", "http://127.0.0.1:3000/health")


def test_some_throttling_is_waited_for(operator: Operator) -> None:
    operator.wait_for(0)
    operator.inject({"kind": "throttle", "service": "rds", "times": 2})
    found, status = operator.diagnose()
    assert status == 0, found


def test_a_throttling_storm_is_not_a_fault(operator: Operator) -> None:
    operator.inject({"kind": "throttle"})
    started = time.monotonic()
    done = operator.run(*DIAGNOSE, "--prefix", "/linkbox", "--timeout", "6")
    assert time.monotonic() - started < scaled(40), "without the option it may take a minute"
    assert done.returncode in (ExitStatus.NOT_JUDGED, ExitStatus.NO_TARGET), done.stdout
    assert "throttle" in (done.stdout + done.stderr).lower()
    assert "Traceback" not in done.stderr


def test_a_server_error_of_one_service_loses_only_its_facts(operator: Operator) -> None:
    operator.wait_for(0)
    operator.inject({"kind": "error", "service": "elasticloadbalancing"})
    found, status = operator.diagnose()
    assert status == 0, found["root_causes"]


def test_missing_rights_are_unknown_and_named(operator: Operator) -> None:
    operator.wait_for(0)
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {
                "Effect": "Deny",
                "Action": ["ssm:SendCommand", "ssm:StartSession", "iam:Simulate*"],
                "Resource": "*",
            },
        ],
    }
    name = ("--user-name", "oncall", "--policy-name", "less")
    put = operator.run(
        "aws", "iam", "put-user-policy", *name, "--policy-document", json.dumps(policy)
    )
    assert put.returncode == 0, put.stderr
    try:
        found, status = operator.diagnose()
    finally:
        operator.run("aws", "iam", "delete-user-policy", *name)
    assert status == ExitStatus.NOT_JUDGED
    assert found["root_causes"] == []
    tcp = next(c for c in found["checks"] if c["code"] == "TCP001")
    assert tcp["status"] == "unknown"
    assert any("ssm:SendCommand" in m for m in tcp["missing"])


@pytest.mark.parametrize("after_s", [0.4, 0.7, 1.1])
def test_ctrl_c_at_any_time(operator: Operator, after_s: float) -> None:
    process = subprocess.Popen(
        operator.running.command([*DIAGNOSE, "--prefix", "/linkbox", "--output", "json"]),
        env=operator.running.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    time.sleep(after_s)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=LIMIT_S)
    assert "Traceback" not in err
    # It may have been done already; otherwise it says that it was interrupted.
    assert process.returncode in (ExitStatus.INTERRUPTED, ExitStatus.HEALTHY, -signal.SIGINT)


IN_A_CALLBACK = """
import signal, sys, threading, time, weakref
from opskit import __main__
from opskit.cli import main

class Thing: pass

def run(_):
    try:
        thing = Thing()
        kept = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
        del thing
        time.sleep(30)
        return 0
    except KeyboardInterrupt:
        return 130

main.run = run
"""
SLOW_START = """
start = threading.Thread.start

def slowly(thread):
    start(thread)
    time.sleep(0.3)

threading.Thread.start = slowly
"""


@pytest.mark.parametrize("load", ["", SLOW_START], ids=["quiet", "busy"])
def test_ctrl_c_is_not_lost_in_a_callback_of_the_interpreter(load: str) -> None:
    """On a busy machine the hook itself takes longer than the wait before the repetition."""
    done = subprocess.run(
        [sys.executable, "-c", f"{IN_A_CALLBACK}\n{load}\n__main__.main()"],
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (ExitStatus.INTERRUPTED, "")


def test_init_writes_a_file_that_the_next_command_uses(operator: Operator, tmp_path: Path) -> None:
    operator.wait_for(0)
    there = f"cd {tmp_path} && opskit init --prefix /linkbox && opskit diagnose db --verbose"
    done = operator.run("sh", "-c", there)
    assert done.returncode == 0, (done.stdout, done.stderr)
    text = (tmp_path / "opskit.toml").read_text()
    assert 'db_instance = "linkbox-db"' in text
    assert operator.running.ids["instance"] in text
    assert "opskit.toml [targets.linkbox]" in done.stderr
    again = operator.run("sh", "-c", there)
    ended(again, ExitStatus.USAGE, "--force")


def test_closed_pipe_ends_quietly(operator: Operator) -> None:
    done = operator.run("sh", "-c", "opskit explain | head -1")
    assert "Traceback" not in done.stderr
    assert done.stderr == ""


def test_ctrl_c_before_anything_is_loaded() -> None:
    """While the command line itself is imported."""
    program = (
        "import sys, importlib.abc\n"
        "class Slow(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'opskit.cli.main': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Slow())\n"
        "from opskit.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    ended(done, ExitStatus.INTERRUPTED, "interrupted; nothing was changed")
