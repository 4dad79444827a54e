"""A login where the instance cannot make one itself: from here, through its agent."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from opskit.sandbox import lifecycle
from tests.conftest import Operator


@contextmanager
def without_python(operator: Operator) -> Iterator[None]:
    """An instance whose image has none."""
    tool = Path(operator.running.directory) / "instance/bin/python3"
    aside = tool.with_name("python3.aside")
    tool.rename(aside)
    try:
        yield
    finally:
        aside.rename(tool)


def test_libpq_here_logs_in_through_the_instance(operator: Operator) -> None:
    operator.wait_for(0)
    with without_python(operator):
        found, status = operator.diagnose(layer="auth")
    [login] = [c for c in found["checks"] if c["code"] == "AUT001"]
    assert (status, login["status"]) == (0, "pass"), login
    if not operator.running.dns_server:
        assert "from this machine through linkbox-backend-1" in login["summary"]


@pytest.mark.full
def test_over_ssh_too(operator: Operator) -> None:
    operator.wait_for(0)
    home = operator.over_ssh("ssh-session")["HOME"]
    command = ("opskit", "diagnose", "auth", "--prefix", "/linkbox", "--via", "ssh-session")
    with without_python(operator):
        done = operator.run(*command, "--debug", "--output", "json", HOME=home)
    [login] = [c for c in json.loads(done.stdout)["checks"] if c["code"] == "AUT001"]
    assert (done.returncode, login["status"]) == (0, "pass"), login
    if not operator.running.dns_server:
        assert "from this machine through linkbox-backend-1" in login["summary"]
    assert done.stderr.count("ec2-instance-connect:SendSSHPublicKey") >= 1


@pytest.mark.full
def test_a_wrong_password_is_found_that_way_too(operator: Operator) -> None:
    operator.wait_for(0)
    lifecycle.send_command(operator.running, "inject", ["password-mismatch"])
    with without_python(operator):
        found, status = operator.diagnose(layer="auth")
    assert status == 1
    assert [c["code"] for c in found["root_causes"]] == ["AUT001"]


@pytest.mark.full
def test_a_refused_session_leaves_it_unknown(operator: Operator) -> None:
    """Nothing is guessed."""
    operator.need_packets()
    operator.wait_for(0)
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    deny = {"Effect": "Deny", "Action": "ssm:StartSession", "Resource": "*"}
    narrowed, whole = (
        json.dumps({"Version": "2012-10-17", "Statement": s}) for s in ([allow, deny], [allow])
    )
    lifecycle.send_command(operator.running, "rights", [narrowed])
    try:
        with without_python(operator):
            found, status = operator.diagnose(layer="auth")
    finally:
        lifecycle.send_command(operator.running, "rights", [whole])
    [login] = [c for c in found["checks"] if c["code"] == "AUT001"]
    assert (status, login["status"]) == (3, "unknown"), login


def judged(operator: Operator, *options: str, **environment: Any) -> dict[str, str]:
    """What `diagnose auth` says of the client here: the check, and the exit status."""
    words = ("opskit", "diagnose", "auth", "--prefix", "/linkbox", "--output", "json")
    done = operator.run(*words, *options, **environment)
    found = json.loads(done.stdout)
    [check] = [c for c in found["checks"] if c["code"] == "AUT005"]
    return {**check, "exit": str(done.returncode)}


def test_libpq_here_verifies_the_server(operator: Operator, tmp_path: Path) -> None:
    """By its real name, although the connection leads to a port of this machine."""
    operator.wait_for(0)
    bundle = f"{operator.running.directory}/rds-bundle.pem"
    found = judged(operator, "--ca-file", bundle)
    assert (found["status"], found["exit"]) == ("pass", "0"), found
    assert f"verified by {bundle}" in found["summary"]
    assert judged(operator)["status"] == "pass", "the environment names the sandbox's own authority"
    found = judged(operator, PGSSLROOTCERT="")
    assert (found["status"], found["exit"]) == ("fail", "1"), "AWS has not signed it"
    assert "by the RDS CA bundle" in found["summary"]
    another = tmp_path / "another.pem"
    subprocess.run(
        (
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-subj", "/CN=another user", "-keyout", "/dev/null", "-out", str(another)),
        ),
        check=True,
        capture_output=True,
    )
    found = judged(operator, "--ca-file", str(another))
    assert (found["status"], found["exit"]) == ("fail", "1"), found
    done = operator.run(
        "opskit", "diagnose", "auth", "--prefix", "/linkbox", "--ca-file", "/no/file"
    )
    assert done.returncode == 2
    assert "the CA bundle /no/file does not exist" in done.stderr
