"""Reported mistakes, repaired as printed, in the sandbox; no password is shown."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from opskit.sandbox import lifecycle
from tests.conftest import Operator
from tests.pace import scaled
from tests.test_leaks import password_of

PASSWORD = "/linkbox/db-password"
QUOTED = "Lk'9 \"mid q7_T2xy"
REPAIR = ("opskit", "rotate-password", "repair", "--prefix", "/linkbox", "--yes")
FULL = pytest.mark.full


def administer(operator: Operator, text: str, value: str) -> None:
    """Alter the app's role as an administrator, without leaving the value in the server's log."""
    location = str(Path(operator.running.directory) / "pg")
    with psycopg.connect(host=location, user="postgres", dbname="postgres", autocommit=True) as c:
        c.execute("set log_statement = 'none'")
        c.execute(sql.SQL(text).format(sql.Literal(value)))


def set_password(operator: Operator, value: str) -> None:
    administer(operator, "alter role linkbox password {}", value)


def put(operator: Operator, name: str, value: str) -> None:
    key = ("--type", "SecureString", "--key-id", "alias/linkbox") if name == PASSWORD else ()
    words = ("--name", name, "--overwrite", "--value", value, *(key or ("--type", "String")))
    done = operator.run("aws", "ssm", "put-parameter", *words)
    assert done.returncode == 0, done.stderr


def restart_app(operator: Operator) -> None:
    """Restart the app, so that it reads its parameters again."""
    instance = operator.diagnose()[0]["target"]["instance"]
    words = ("--document-name", "AWS-RunShellScript", "--instance-ids", instance, "--parameters")
    commands = json.dumps({"commands": ["docker restart linkbox-backend"]})
    done = operator.run("aws", "ssm", "send-command", *words, commands)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def before(operator: Operator) -> Iterator[str]:
    """Yield the password, and restore it in parameter and database afterwards."""
    operator.wait_until_healthy()
    held = password_of(operator)
    yield held
    set_password(operator, held)
    administer(operator, "alter role linkbox valid until {}", "infinity")
    put(operator, "/linkbox/db-username", "linkbox")
    put(operator, PASSWORD, held)
    restart_app(operator)
    operator.wait_until_healthy()


def heal(operator: Operator, code: str, *secrets: str) -> str:
    """Diagnose, run the printed fix as one text, and diagnose again."""
    restart_app(operator)
    limit = time.monotonic() + 20
    while lifecycle.send_command(operator.running, "status")["health"] == 200:
        assert time.monotonic() < limit
        time.sleep(0.2)
    found, status = operator.diagnose()
    assert status == 1
    [cause] = found["root_causes"]
    assert cause["code"] == code, cause["summary"]
    check = next(c for c in found["checks"] if c["code"] == code)
    done = operator.script(" &&\n".join(check["fix"]["commands"]))
    message = done.stdout + done.stderr
    assert done.returncode == 0, message
    for secret in secrets:
        assert secret not in message + json.dumps(found)
    found, status = operator.wait_for(0)
    assert status == 0, found["root_causes"]
    return message


def test_only_the_newline_goes(operator: Operator, before: str) -> None:
    """Public case p44."""
    set_password(operator, QUOTED)
    put(operator, PASSWORD, QUOTED + "\n")
    message = heal(operator, "PAR006", QUOTED, before)
    assert "without the newline at its end" in " ".join(message.split())
    assert password_of(operator) == QUOTED


@FULL
def test_the_password_of_a_json_secret(operator: Operator, before: str) -> None:
    """Public case p13."""
    put(operator, PASSWORD, json.dumps({"username": "linkbox", "password": before, "port": 5432}))
    heal(operator, "PAR006", before)
    assert password_of(operator) == before


@FULL
def test_a_placeholder_never_becomes_the_password(operator: Operator, before: str) -> None:
    """Public case p45: an earlier version logs in, so it is restored."""
    put(operator, PASSWORD, "change-me-in-the-console")
    heal(operator, "PAR006", before)
    assert password_of(operator) == before


def test_a_placeholder_without_an_earlier_password(operator: Operator, before: str) -> None:
    """Public case p45: it ends with advice, and the advice helps."""
    set_password(operator, "Elsewhere-Set-12345")
    put(operator, PASSWORD, "change-me-in-the-console")
    done = operator.run(*REPAIR)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "is a placeholder" in done.stderr
    assert "--new-password" in done.stderr
    done = operator.run(*REPAIR, "--new-password")
    assert done.returncode == 0, done.stdout + done.stderr
    made = password_of(operator)
    assert made not in {"change-me-in-the-console", before}
    assert made not in done.stdout + done.stderr


@FULL
def test_a_user_name_in_another_case(operator: Operator, before: str) -> None:
    """Public case p34."""
    put(operator, "/linkbox/db-username", "LinkBox")
    heal(operator, "AUT001", before)


@FULL
def test_a_role_that_has_expired_ends_with_advice(operator: Operator, before: str) -> None:
    """Public case p06."""
    administer(operator, "alter role linkbox valid until {}", "2020-01-01")
    done = operator.run(*REPAIR, timeout=scaled(90))
    assert done.returncode == 3, done.stdout + done.stderr
    assert "still cannot log in" in done.stderr
    assert "valid until" in " ".join(done.stderr.split())


def test_a_missing_password_from_stdin(operator: Operator, before: str) -> None:
    done = operator.run("aws", "ssm", "delete-parameter", "--name", PASSWORD)
    assert done.returncode == 0, done.stderr
    found, _ = operator.diagnose()
    check = next(c for c in found["checks"] if c["code"] == "PAR001")
    assert check["fix"]["commands"][0] == "opskit rotate-password repair --prefix /linkbox"
    message = ""
    for text, status in (("wrong-Password_1", 3), (before, 0)):
        pipe = f"printf '%s\\n' '{text}' | {' '.join(REPAIR)} --password-stdin"
        done = operator.script(pipe)
        assert done.returncode == status, done.stdout + done.stderr
        message += done.stdout + done.stderr
    assert before not in message
    assert "opskit diagnose db --prefix /linkbox" in message
    assert password_of(operator) == before
    words = ("--parameter-filters", f"Key=Name,Values={PASSWORD}")
    row = json.loads(operator.run("aws", "ssm", "describe-parameters", *words).stdout)
    assert row["Parameters"][0]["KeyId"] != "alias/aws/ssm"
