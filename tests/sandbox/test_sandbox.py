"""The sandbox as a tool: packets follow, streams pass, nothing is left, nothing strays."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from opskit.sandbox import lifecycle, topology
from tests.conftest import LIMIT_S, Operator, StrayPacket

OPSKIT = [sys.executable, "-m", "opskit"]
CONNECT = f"timeout 1 bash -c 'exec 3<>/dev/tcp/{topology.DATABASE_ADDRESS}/5432'"


def on_instance(operator: Operator, command: str) -> str:
    sent = operator.run(
        *("aws", "ssm", "send-command", "--instance-ids", operator.running.ids["instance"]),
        *(
            "--document-name",
            "AWS-RunShellScript",
            "--parameters",
            json.dumps({"commands": [command]}),
        ),
    )
    assert sent.returncode == 0, sent.stderr
    wanted = json.loads(sent.stdout)["Command"]["CommandId"]
    for _ in range(100):
        answer = operator.run(
            *("aws", "ssm", "get-command-invocation", "--command-id", wanted),
            *("--instance-id", operator.running.ids["instance"]),
        )
        if answer.returncode == 0 and json.loads(answer.stdout)["Status"] not in (
            "Pending",
            "InProgress",
        ):
            return str(json.loads(answer.stdout)["Status"])
    raise AssertionError("the command did not end")


def test_the_tests_cannot_reach_the_database_from_outside() -> None:
    # Refused before any packet: on the host's own network 10.0.5.10 may be somebody's server.
    with pytest.raises(StrayPacket), socket.socket() as attempt:
        attempt.connect((topology.DATABASE_ADDRESS, 5432))


def test_the_operator_has_no_way_to_the_database_nor_out(operator: Operator) -> None:
    operator.need_packets()
    program = (
        "import socket, sys\n"
        "for host in sys.argv[1:]:\n"
        "    try: socket.create_connection((host, 5432), 0.5).close(); print('connected')\n"
        "    except OSError as e: print(type(e).__name__, e.errno)\n"
    )
    done = operator.run("python", "-c", program, topology.DATABASE_ADDRESS, "192.0.2.1")
    timed_out, unreachable = done.stdout.splitlines()
    assert timed_out.startswith("TimeoutError")
    assert unreachable == "OSError 101"


def test_packets_follow_a_change_within_a_second(operator: Operator) -> None:
    operator.need_packets()
    assert on_instance(operator, CONNECT) == "Success"
    lifecycle.send_command(operator.running, "inject", ["ingress-removed"])
    assert on_instance(operator, CONNECT) == "Failed"
    rule = (
        "--group-id",
        operator.running.ids["database_group"],
        "--protocol",
        "tcp",
        "--port",
        "5432",
    )
    source = ("--source-group", operator.running.ids["web_group"])
    operator.run("aws", "ec2", "authorize-security-group-ingress", *rule, *source)
    assert on_instance(operator, CONNECT) == "Success"


def test_packets_follow_the_route_table(operator: Operator) -> None:
    operator.need_packets()
    words = (
        "--route-table-id",
        operator.running.ids["app_table"],
        "--destination-cidr-block",
        "10.0.5.0/24",
    )
    appliance = ("--instance-id", operator.running.ids["instance"])
    made = operator.run("aws", "ec2", "create-route", *words, *appliance)
    assert made.returncode == 0, made.stderr
    try:
        assert on_instance(operator, CONNECT) == "Failed"
    finally:
        operator.run("aws", "ec2", "delete-route", *words)
    assert on_instance(operator, CONNECT) == "Success"


def test_the_operator_can_inject_and_revert_from_inside(operator: Operator) -> None:
    broken = operator.run("opskit", "sandbox", "inject", "container-stopped")
    assert broken.returncode == 0, broken.stderr
    assert "container-stopped" in operator.run("opskit", "sandbox", "status").stdout
    inner = operator.run("opskit", "sandbox", "exec", "--", "aws", "sts", "get-caller-identity")
    assert "user/oncall" in inner.stdout, inner.stderr
    assert operator.run("opskit", "sandbox", "revert").returncode == 0
    _, status = operator.wait_for(0)
    assert status == 0


@pytest.mark.sandbox
def test_streams_and_status_pass_through_and_nothing_is_left() -> None:
    done = subprocess.run(
        [*OPSKIT, "sandbox", "run", "--", "sh", "-c", "cat; echo $OPSKIT_SANDBOX >&2; exit 42"],
        input="from stdin",
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("from stdin", 42)
    name = done.stderr.strip()
    assert name.startswith("run-")
    assert lifecycle.find(name) is None
    assert not (lifecycle.state_directory() / f"{name}.json").exists()


@pytest.mark.parametrize("command", ["run", "exec"])
def test_an_unknown_option_is_no_command(command: str) -> None:
    done = subprocess.run(
        [*OPSKIT, "sandbox", command, "--latencyms", "5", "--", "true"],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "--latencyms" in done.stderr


@pytest.mark.sandbox
def test_nothing_survives_a_kill() -> None:
    own = f"killed-{os.getpid()}"
    process = subprocess.Popen(
        [
            *OPSKIT,
            "sandbox",
            "run",
            "--name",
            own,
            "--",
            "sh",
            "-c",
            "echo $OPSKIT_SANDBOX; sleep 60",
        ],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    name = process.stdout.readline().strip()
    assert name == own
    running = lifecycle.find(name)
    assert running is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    limit = time.monotonic() + LIMIT_S
    note = lifecycle.state_directory() / f"{name}.json"
    while (running.is_alive or note.exists()) and time.monotonic() < limit:
        time.sleep(0.05)
    assert not running.is_alive
    assert not Path(running.directory).exists()
    assert not note.exists()


@pytest.mark.sandbox
def test_in_the_background_under_a_name_of_its_own(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}
    environment.pop("OPSKIT_SANDBOX", None)

    def opskit(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*OPSKIT, "sandbox", *words],
            env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip

    assert opskit("status").returncode == 2
    up = opskit("up", "--name", "second", "--json")
    assert up.returncode == 0, up.stderr
    try:
        assert json.loads(up.stdout)["name"] == "second"
        assert "is up already" in opskit("up", "--name", "second").stderr
        wrong = opskit("inject", "--name", "second", "ingres-removed")
        assert wrong.returncode == 2
        assert "ingress-removed" in wrong.stderr
        assert opskit("inject", "--name", "second", "container-stopped").returncode == 0
        assert "faults: container-stopped" in opskit("status", "--name", "second").stdout
        assert opskit("revert", "--name", "second").returncode == 0
        shown = opskit("exec", "--name", "second", "--", "aws", "sts", "get-caller-identity")
        assert "user/oncall" in shown.stdout
    finally:
        down = opskit("down", "--name", "second")
    assert down.returncode == 0, down.stderr
    assert list((tmp_path / "opskit/sandbox").iterdir()) == []
