"""One test, every road: what a command means does not depend on the way that it goes."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opskit.sandbox import lifecycle
from opskit.transport import TRANSPORTS
from tests.conftest import Operator
from tests.pace import scaled
from tests.transport.session_manager.test_plugin import install

REMOTE = ("run-command", "session-manager", "ssh-session", "ssh", "auto", "plugin", "ecs-exec")
MORE = {"ecs-exec": ("--ecs-task", "linkbox/service:linkbox-backend")}
"""What a road has to be told beside its name."""
LONG = str(round(scaled(120)))
"""For what takes seconds, in which no limit is tried."""
BIG = 20_000
"""Bytes that every road carries: Run Command shows 24,000 characters."""


def run(
    operator: Operator, via: str, *command: str, timeout: str = LONG
) -> subprocess.CompletedProcess[str]:
    """Run a command on the instance over a road."""
    named = ("--prefix", "/linkbox", "--via", via, *MORE.get(via, ()), "--timeout", timeout)
    with tempfile.TemporaryDirectory() as directory:
        path = install(Path(directory), operator.running.environment()["PATH"])
        done = operator.run(
            "opskit", "run", *named, "--", *command, PATH=path, **operator.over_ssh(via)
        )
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize(
    "via",
    # `auto` is one of the others, whose order tests/transport/test_factory.py judges.
    [pytest.param(via, marks=pytest.mark.full if via == "auto" else []) for via in REMOTE],
)
class TestTransport:
    """Every transport."""

    def test_status_and_both_streams(self, operator: Operator, via: str) -> None:
        done = run(operator, via, "sh", "-c", "echo out; echo err >&2; exit 42")
        assert (done.returncode, done.stdout, done.stderr) == (42, "out\n", "err\n")

    def test_quoting(self, operator: Operator, via: str) -> None:
        words = ["it's", 'a "quoted"', "$HOME", "`id`", "a  b", "*", "\\", "ä€", ""]
        done = run(operator, via, "printf", "[%s]", *words)
        assert (done.returncode, done.stdout) == (0, "".join(f"[{w}]" for w in words))

    def test_large_output(self, operator: Operator, via: str) -> None:
        done = run(operator, via, "sh", "-c", f"head -c {BIG} /dev/zero | tr '\\0' x")
        assert (done.returncode, done.stdout) == (0, "x" * BIG)

    def test_a_command_that_is_not_there(self, operator: Operator, via: str) -> None:
        done = run(operator, via, "no-such-command")
        assert done.returncode == 127
        assert "not found" in done.stderr

    def test_the_time_limit(self, operator: Operator, via: str) -> None:
        started = time.monotonic()
        done = run(operator, via, "sleep", "600", timeout="2" if via != "auto" else "5")
        assert done.returncode == 3
        assert time.monotonic() - started < 120
        assert "did not end" in done.stderr or "was ended" in done.stderr


def test_every_road_is_tried_here_or_needs_no_instance() -> None:
    assert set(TRANSPORTS) - set(REMOTE) == {"local"}


def sessions(operator: Operator, state: str) -> list[dict[str, str]]:
    """The sessions of the account in a state."""
    done = operator.run("aws", "ssm", "describe-sessions", "--state", state, "--output", "json")
    found: list[dict[str, str]] = json.loads(done.stdout)["Sessions"]
    return found


def active(operator: Operator) -> set[str]:
    """The sessions that stand open; whoever was killed before may have left some behind."""
    return {row["SessionId"] for row in sessions(operator, "Active")}


class TestSession:
    """What is Session Manager's own."""

    def test_output_comes_while_the_command_runs(self, operator: Operator, tmp_path: Path) -> None:
        """The command goes on only when its first line was read."""
        command = ("opskit", "run", "--prefix", "/linkbox", "--via", "session-manager", "--")
        was_read = tmp_path / "was-read"
        slow = ("sh", "-c", f"echo 1; until [ -e {was_read} ]; do sleep 0.05; done; echo 2")
        with subprocess.Popen(
            operator.running.command([*command, *slow]),
            env=operator.running.environment(),
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "1\n"
            was_read.touch()
            assert process.stdout.read() == "2\n"

    def test_more_than_run_command_shows(self, operator: Operator) -> None:
        done = run(operator, "session-manager", "sh", "-c", "head -c 900000 /dev/zero | tr '\\0' x")
        assert len(done.stdout) == 900_000

    def test_no_session_is_left_open(self, operator: Operator) -> None:
        before = active(operator)
        run(operator, "session-manager", "true")
        run(operator, "session-manager", "sleep", "30", timeout="1")
        assert active(operator) <= before
        assert len(sessions(operator, "History")) >= 2

    @pytest.mark.parametrize("kind", ["lost", "disorder", "slow", "expired"])
    def test_a_bad_connection_loses_nothing(self, operator: Operator, kind: str) -> None:
        times = 2 if kind in ("lost", "expired") else None
        operator.inject(
            {"kind": kind, "service": "ssmmessages", "action": "DataChannel", "times": times, "seconds": 0.03}
        )  # fmt: skip
        count = "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo $i; done; echo end >&2; exit 7"
        done = run(operator, "session-manager", "sh", "-c", count)
        assert done.returncode == 7, done.stderr
        assert done.stdout == "".join(f"{n}\n" for n in range(1, 3001))
        assert done.stderr == "end\n"


EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


@pytest.fixture
def without(operator: Operator) -> Iterator[Callable[..., None]]:
    """Take rights from the operator until the end of the test."""

    def put(*statements: object) -> None:
        document = json.dumps({"Version": "2012-10-17", "Statement": [EVERYTHING, *statements]})
        command = ("aws", "iam", "put-user-policy", "--user-name", "oncall")
        done = operator.run(*command, "--policy-name", "everything", "--policy-document", document)
        assert done.returncode == 0, done.stderr

    yield lambda *actions: put({"Effect": "Deny", "Action": list(actions), "Resource": "*"})
    put()


class TestRights:
    """What is done, and said, where a right is missing."""

    def test_a_session_stands_in_for_a_command(
        self, operator: Operator, without: Callable[..., None]
    ) -> None:
        without("ssm:SendCommand")
        found, status = operator.diagnose()
        assert status == 0, found["root_causes"]
        assert found["target"]["via"] == "session-manager"

    def test_ssh_stands_in_for_a_session_that_may_not_be_a_command(
        self, operator: Operator
    ) -> None:
        """Who may start sessions of one document only; the bastion would be the next."""
        document = "arn:aws:ssm:*:*:document/AWS-Start{}"
        denied = [document.format(n) for n in ("NonInteractiveCommand", "InteractiveCommand")]
        statements = [
            EVERYTHING,
            {"Effect": "Deny", "Action": "ssm:SendCommand", "Resource": "*"},
            {"Effect": "Deny", "Action": "ssm:StartSession", "Resource": denied},
        ]
        rights = json.dumps({"Version": "2012-10-17", "Statement": statements})
        lifecycle.send_command(operator.running, "rights", [rights])
        try:
            found, status = operator.diagnose()
        finally:
            whole = json.dumps({"Version": "2012-10-17", "Statement": [EVERYTHING]})
            lifecycle.send_command(operator.running, "rights", [whole])
        assert status == 0, found["root_causes"]
        assert found["target"]["via"] == "ssh-session"

    def test_a_key_for_another_user_is_refused_by_aws(self, operator: Operator) -> None:
        statements = [
            EVERYTHING,
            {
                "Effect": "Deny",
                "Action": "ec2-instance-connect:SendSSHPublicKey",
                "Resource": "*",
                "Condition": {"StringNotEquals": {"ec2:osuser": "ubuntu"}},
            },
        ]
        rights = json.dumps({"Version": "2012-10-17", "Statement": statements})
        lifecycle.send_command(operator.running, "rights", [rights])
        try:
            done = run(operator, "ssh-session", "true")
            asked = operator.run(
                *("opskit", "diagnose", "operator", "--prefix", "/linkbox"),
                *("--via", "ssh-session", "--output", "json"),
            )
        finally:
            whole = json.dumps({"Version": "2012-10-17", "Statement": [EVERYTHING]})
            lifecycle.send_command(operator.running, "rights", [whole])
        assert done.returncode == 3
        assert "may not put a key on" in done.stderr
        [check] = [c for c in json.loads(asked.stdout)["checks"] if c["code"] == "OPR009"]
        assert check["status"] == "warn"
        assert check["fix"] is None, "a deny with a condition is its author's to change"
        assert "ec2:osuser" in check["advice"]

    def test_without_either_both_reasons_are_told(
        self, operator: Operator, without: Callable[..., None]
    ) -> None:
        without("ssm:SendCommand", "ssm:StartSession")
        found, status = operator.diagnose(layer="tcp")
        assert status == 3
        missing = " ".join(m for c in found["checks"] for m in c["missing"])
        assert "ssm:SendCommand" in missing
        assert "ssm:StartSession" in missing

    def test_a_refused_data_channel_is_named(
        self, operator: Operator, without: Callable[..., None]
    ) -> None:
        before = active(operator)
        without("ssmmessages:OpenDataChannel")
        done = run(operator, "session-manager", "true")
        assert done.returncode != 0
        assert "HTTP 403" in done.stderr
        assert active(operator) <= before


@pytest.mark.full
@pytest.mark.parametrize("via", ["ssh-session", "ssh"])
def test_a_rotation_goes_the_road_that_was_named(operator: Operator, via: str) -> None:
    operator.wait_until_healthy()
    command = (
        "opskit",
        "rotate-password",
        "--prefix",
        "/linkbox",
        "--yes",
        "--via",
        via,
        "--debug",
    )
    done = operator.run(*command, **operator.over_ssh(via))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "DONE  rotated" in done.stdout
    assert "ssm:SendCommand" not in done.stderr
    assert ("ssm:StartSession" in done.stderr) is (via == "ssh-session")


@pytest.mark.parametrize("via", ["session-manager", "ssh-session"])
def test_no_secret_is_in_any_session(operator: Operator, via: str) -> None:
    """Parameters of sessions are kept by AWS for years."""
    password = operator.run(
        *("aws", "ssm", "get-parameter", "--name", "/linkbox/db-password", "--with-decryption"),
        *("--query", "Parameter.Value", "--output", "text"),
    ).stdout.strip()
    found, status = operator.diagnose("--via", via, "--debug")
    assert status == 0
    assert len(password) > 8
    assert password not in json.dumps(found)
    commands = operator.run("aws", "ssm", "list-commands", "--output", "json").stdout
    assert password not in commands
