"""`opskit tunnel` in the sandbox: from a machine that cannot reach the database by itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from opskit.cli.tunnel import _run as run_client
from opskit.sandbox import lifecycle
from tests.conftest import LIMIT_S, Operator
from tests.test_leaks import Watch
from tests.transport.session_manager.test_plugin import install

TUNNEL = ("opskit", "tunnel", "--prefix", "/linkbox")
ASK = """
import os, psycopg, sys
with psycopg.connect("") as connection:
    row = connection.execute("select current_user, pg_backend_pid() > 0").fetchone()
    print(row, connection.info.host, connection.pgconn.ssl_in_use)
path = os.environ["PGPASSFILE"]
print(oct(os.stat(path).st_mode & 0o777), path)
print("PGPASSWORD" in os.environ)
"""
COPY = """
import hashlib, psycopg
with psycopg.connect("") as connection:
    digest, size = hashlib.sha256(), 0
    with connection.cursor().copy("copy (select repeat(md5(i::text), 30) from generate_series(1, 4000) i) to stdout") as rows:
        for piece in rows:
            digest.update(piece); size += len(piece)
    print(size)
"""


def through(operator: Operator, program: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program through a tunnel."""
    return operator.run(*TUNNEL, *options, "--", sys.executable, "-c", program)


@pytest.fixture
def bundle(operator: Operator, tmp_path: Path) -> str:
    """The database's authority, as the operator would have downloaded it."""
    done = operator.run(
        "opskit",
        "run",
        "--prefix",
        "/linkbox",
        "--",
        "cat",
        f"{operator.running.project}/rds-bundle.pem",
    )
    assert "BEGIN CERTIFICATE" in done.stdout
    path = tmp_path / "bundle.pem"
    path.write_text(done.stdout)
    return str(path)


def test_a_client_verifies_the_real_name(operator: Operator, bundle: str) -> None:
    done = through(operator, ASK, "--ca-file", bundle)
    assert done.returncode == 0, done.stderr
    row, mode, in_environment = done.stdout.splitlines()
    assert row.startswith("('linkbox', True)")
    assert "rds.amazonaws.com True" in row
    assert mode.startswith("0o600")
    assert not Path(mode.split()[1]).exists(), "the password's file is gone"
    assert in_environment == "False"


def test_scram_is_bound_to_a_connection_that_is_not_verified(operator: Operator) -> None:
    """As opskit itself would log in where it knows no bundle."""
    program = (
        "import psycopg\n"
        "from opskit.engine.interface import ServerTrust\n"
        "from opskit.engine.postgresql.roles import security_options\n"
        "options = security_options(ServerTrust(('db',), None), psycopg.pq.version())\n"
        "print(options['channel_binding'], psycopg.connect('', **options).execute('select 42').fetchone())"
    )
    done = through(operator, program)
    assert (done.returncode, done.stdout.strip()) == (0, "require (42,)"), done.stderr


def test_the_official_plugin_carries_it_too(operator: Operator, tmp_path: Path) -> None:
    before = sessions(operator)
    path = install(tmp_path, operator.running.environment()["PATH"])
    program = "import psycopg; print(psycopg.connect('').execute('select 41 + 1').fetchone()[0])"
    words = (*TUNNEL, "--via", "plugin", "--", sys.executable, "-c", program)
    done = operator.run(*words, PATH=path)
    assert (done.returncode, done.stdout.strip()) == (0, "42"), done.stderr
    assert sessions(operator) <= before
    without = operator.run(*words)
    assert without.returncode == 3
    assert "session-manager-plugin is not installed" in without.stderr


@pytest.mark.parametrize("via", ["ssh-session", "ssh"])
def test_the_same_over_ssh(operator: Operator, bundle: str, via: str) -> None:
    password = operator.run(
        *("aws", "ssm", "get-parameter", "--name", "/linkbox/db-password", "--with-decryption"),
        *("--query", "Parameter.Value", "--output", "text"),
    ).stdout.strip()
    watch = Watch(password, "PRIVATE KEY")
    watch.start()
    command = (*TUNNEL, "--via", via, "--ca-file", bundle, "--", sys.executable, "-c", ASK)
    done = operator.run(*command, **operator.over_ssh(via))
    watch.over.set()
    watch.join()
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("('linkbox', True)")
    assert "rds.amazonaws.com True" in done.stdout or operator.running.dns_server
    assert done.stderr == ""
    assert watch.rounds > 3
    assert watch.found == []


def test_another_authority_is_refused(operator: Operator, tmp_path: Path) -> None:
    import trustme

    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    done = through(operator, ASK, "--ca-file", str(other))
    assert done.returncode == 1
    assert "certificate verify failed" in done.stderr


def test_a_long_copy_survives_a_cut_connection(operator: Operator) -> None:
    operator.inject({"kind": "lost", "service": "ssmmessages", "action": "DataChannel", "times": 2})
    done = through(operator, COPY)
    assert (done.returncode, done.stdout.strip()) == (0, str(4000 * (30 * 32 + 1))), done.stderr


def test_the_status_of_the_client_is_passed_on(operator: Operator) -> None:
    assert through(operator, "raise SystemExit(42)").returncode == 42
    missing = operator.run(*TUNNEL, "--", "no-such-client")
    assert missing.returncode == 127
    assert "no command no-such-client" in missing.stderr


def test_a_path_that_may_not_be_searched_holds_no_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after `su`, which keeps root's PATH: the error is then that of the directory."""
    # The kernel refuses to execute a directory with the same error, whoever asks.
    (tmp_path / "no-such-client").mkdir()
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert run_client(("no-such-client",), path) == 127
    assert "no command no-such-client" in capsys.readouterr().err
    (tmp_path / "not-executable").touch(mode=0o600)
    assert run_client(("not-executable",), path) == 126
    assert "cannot be run: Permission denied" in capsys.readouterr().err


def test_it_stays_open_until_ctrl_c_and_leaves_nothing(operator: Operator) -> None:
    before = sessions(operator)
    command = operator.running.command([*TUNNEL, "--local-port", "15432"])
    with subprocess.Popen(
        command, env=operator.running.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        message = process.stdout.readline()
        assert message.startswith("psql ")
        assert "hostaddr=127.0.0.1" in message
        assert "port=15432" in message
        assert "password" not in message
        assert "127.0.0.1:15432 leads to" in process.stderr.readline()
        os.killpg(process.pid, signal.SIGINT)
        # The commands that enter the sandbox are interrupted too.
        assert process.wait(10) in (130, -signal.SIGINT)
        assert "Traceback" not in process.stderr.read()
    # Those that others left behind, who were killed, are no matter of ours.
    assert sessions(operator) <= before


def sessions(operator: Operator) -> set[str]:
    """The ids of the sessions that stand open."""
    words = ("describe-sessions", "--state", "Active", "--output", "json")
    listed = operator.run("aws", "ssm", *words)
    return {s["SessionId"] for s in json.loads(listed.stdout)["Sessions"]}


def test_a_taken_port_is_one_sentence(operator: Operator) -> None:
    blocker = (
        "import socket, subprocess, sys; s = socket.create_server(('127.0.0.1', 15433));"
        "sys.exit(subprocess.run(sys.argv[1:]).returncode)"
    )
    done = operator.run(
        sys.executable, "-c", blocker, *TUNNEL, "--local-port", "15433", "--", "true"
    )
    assert done.returncode == 2
    assert "15433" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dropping_security_group_is_a_time_out_and_told(operator: Operator) -> None:
    operator.need_packets()
    lifecycle.send_command(operator.running, "inject", ["ingress-removed"])
    program = "import psycopg; psycopg.connect('connect_timeout=60')"
    done = through(operator, program)
    assert done.returncode == 1
    assert "could not connect to the database" in done.stderr


def test_what_cannot_be_run_is_said(operator: Operator) -> None:
    done = operator.run(*TUNNEL, "--", "/etc/passwd")
    assert (done.returncode, done.stderr) == (
        126,
        "opskit: /etc/passwd cannot be run: Permission denied\n",
    )


def test_a_tunnel_that_ended_before_its_client_says_so(operator: Operator) -> None:
    program = """
import boto3, sys, time
ssm = boto3.client("ssm")
for one in ssm.describe_sessions(State="Active")["Sessions"]:
    ssm.terminate_session(SessionId=one["SessionId"])
time.sleep(2)
sys.exit(7)
"""
    done = through(operator, program)
    assert done.returncode == 7
    assert "opskit: the tunnel ended" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_the_keys_that_end_programs_leave_no_password(
    operator: Operator, number: signal.Signals
) -> None:
    """The terminal sends them to both; the client decides what they mean."""
    program = f"""
import os, signal, time
print(os.environ["PGPASSFILE"], signal.getsignal({int(number)}) is not signal.SIG_IGN, flush=True)
os.kill(os.getppid(), {int(number)})
time.sleep(0.5)
"""
    done = through(operator, program)
    path, is_heard = done.stdout.split()
    assert (done.returncode, is_heard) == (0, "True"), done.stderr
    assert not Path(path).exists()


def test_a_bundle_that_is_not_there_is_said_before_anything_is_opened(operator: Operator) -> None:
    done = operator.run(*TUNNEL, "--ca-file", "/no/such.pem", "--", "true")
    assert done.returncode == 2
    assert "the CA bundle /no/such.pem does not exist" in done.stderr


def test_killed_it_leaves_no_password_file(operator: Operator) -> None:
    program = "import os, time; print(os.environ['PGPASSFILE'], flush=True); time.sleep(60)"
    process = subprocess.Popen(
        operator.running.command([*TUNNEL, "--", sys.executable, "-c", program]),
        env=operator.running.environment(),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    path = Path(process.stdout.readline().strip())
    assert path.stat().st_mode & 0o777 == 0o600
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    limit = time.monotonic() + LIMIT_S
    while path.parent.exists():
        assert time.monotonic() < limit, f"{path} is still there"
        time.sleep(0.05)


@pytest.mark.parametrize("via", ["run-command", "local"])
def test_a_road_without_connections_is_refused(operator: Operator, via: str) -> None:
    done = operator.run(*TUNNEL, "--via", via, "--", "true")
    assert done.returncode == 2
    assert "no connections" in done.stderr
