"""ECS Exec in the sandbox: its task is the app instance seen as a container."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from opskit.sandbox import lifecycle
from tests.conftest import Operator
from tests.test_permissions import policy_of

TASK = ("--prefix", "/linkbox", "--ecs-task", "linkbox/service:linkbox-backend")
SERVICE = ("aws", "ecs", "update-service", "--cluster", "linkbox", "--service", "linkbox-backend")
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def ask(operator: Operator, *command: str) -> subprocess.CompletedProcess[str]:
    done = operator.run(*command)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def update(operator: Operator, *options: str) -> None:
    assert ask(operator, *SERVICE, *options).returncode == 0


def task_ids(operator: Operator) -> list[str]:
    listed = ask(operator, "aws", "ecs", "list-tasks", "--cluster", "linkbox", "--output", "json")
    return [arn.rsplit("/", 1)[-1] for arn in json.loads(listed.stdout)["taskArns"]]


@pytest.fixture
def rights(operator: Operator) -> Iterator[Callable[..., None]]:
    """Take rights from the operator until the end of the test."""

    def put(*statements: object) -> None:
        document = json.dumps({"Version": "2012-10-17", "Statement": [EVERYTHING, *statements]})
        lifecycle.send_command(operator.running, "rights", [document])

    yield lambda action, resource="*": put(
        {"Effect": "Deny", "Action": action, "Resource": resource}
    )
    put()


def test_a_diagnosis_asks_the_task_and_names_it(operator: Operator) -> None:
    found, status = operator.diagnose(*TASK[2:])
    task_id = task_ids(operator)[0]
    by_code = {c["code"]: c for c in found["checks"]}
    assert status == 0, found["root_causes"]
    assert (found["target"]["via"], found["target"]["instance"]) == ("ecs-exec", task_id)
    assert task_id in by_code["APP001"]["summary"]
    for code in ("IAM001", "IAM002", "IAM003", "DNS001", "NET002", "TCP001", "AUT001"):
        assert by_code[code]["status"] == "pass", by_code[code]
    # The containers of a task are not listed: whether the app uses TLS was not seen.
    assert by_code["TLS001"]["status"] == "unknown"
    # The credentials are the task's own, and no container engine was asked.
    assert by_code["IAM004"]["status"] == "pass"
    assert "assumed-role/linkbox-backend-role/6d9a4f6c" in json.dumps(by_code["IAM004"])
    assert by_code["APP002"]["status"] == by_code["APP004"]["status"] == "skip"
    message = json.dumps([c["summary"] for c in found["checks"]])
    assert "the instance" not in message
    assert "bug in opskit" not in message


@pytest.mark.full
def test_a_broken_group_is_found_from_the_task(operator: Operator) -> None:
    operator.need_packets()
    lifecycle.send_command(operator.running, "inject", ["ingress-removed"])
    found, status = operator.diagnose(*TASK[2:])
    assert status == 1
    assert [c["code"] for c in found["root_causes"]] == ["NET001"]


def test_a_tunnel_through_the_task(operator: Operator) -> None:
    program = "import psycopg; print(psycopg.connect('').execute('select 41 + 1').fetchone()[0])"
    done = ask(operator, "opskit", "tunnel", *TASK, "--", sys.executable, "-c", program)
    assert (done.returncode, done.stdout.strip()) == (0, "42"), done.stderr


def test_without_ecs_exec_the_way_on_is_said(operator: Operator) -> None:
    update(operator, "--disable-execute-command", "--force-new-deployment")
    try:
        ran = ask(operator, "opskit", "run", *TASK, "--", "true")
        tunnelled = ask(operator, "opskit", "tunnel", *TASK, "--", "true")
        found, status = operator.diagnose(*TASK[2:], layer="tcp")
    finally:
        update(operator, "--enable-execute-command", "--force-new-deployment")
    for done in (ran, tunnelled):
        assert done.returncode == 3
        assert "started without ECS Exec" in done.stderr
        assert "update-service --cluster linkbox --service linkbox-backend" in done.stderr
    assert status == 3, "unknown is never pass"
    assert "started without ECS Exec" in found["checks"][0]["summary"]
    # What was printed is what mends it.
    assert ask(operator, "opskit", "run", *TASK, "--", "true").returncode == 0


@pytest.mark.full
def test_of_several_tasks_none_is_picked(operator: Operator) -> None:
    update(operator, "--desired-count", "2")
    try:
        done = ask(operator, "opskit", "run", *TASK, "--", "true")
        ids = task_ids(operator)
        named = ("--prefix", "/linkbox", "--ecs-task", f"linkbox/{ids[1]}")
        exact = ask(operator, "opskit", "run", *named, "--", "echo", "here")
    finally:
        update(operator, "--desired-count", "1")
    assert done.returncode == 4
    assert all(f"--ecs-task linkbox/{one}" in done.stderr for one in ids)
    assert exact.stdout == "here\n"


@pytest.mark.full
def test_a_task_that_ends_ends_its_command(operator: Operator) -> None:
    end = ("aws", "ecs", "stop-task", "--cluster", "linkbox", "--task", task_ids(operator)[0])
    command = operator.running.command(
        ["opskit", "run", *TASK, "--", "sh", "-c", "echo on; sleep 200"]
    )
    with subprocess.Popen(
        command, env=operator.running.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        limit = 40
        while limit and not sessions(operator):
            limit -= 1
        ask(operator, *end)
        _, error = process.communicate(timeout=60)
    update(operator, "--desired-count", "1")
    assert process.returncode == 3
    assert "ended before its command" in error


def sessions(operator: Operator) -> list[str]:
    """The ids of the open sessions with tasks."""
    listed = ask(
        operator, "aws", "ssm", "describe-sessions", "--state", "Active", "--output", "json"
    )
    return [s["SessionId"] for s in json.loads(listed.stdout)["Sessions"] if "ecs:" in s["Target"]]


@pytest.mark.parametrize(
    ("action", "command", "missing"),
    [
        ("ecs:ExecuteCommand", "run", "ecs:ExecuteCommand"),
        ("ecs:DescribeTasks", "run", "ecs:DescribeTasks"),
        ("ssm:StartSession", "tunnel", "ssm:StartSession"),
    ],
)
def test_missing_rights_are_named(
    operator: Operator, rights: Callable[..., None], action: str, command: str, missing: str
) -> None:
    rights(action, "arn:aws:ecs:*:*:task/linkbox/*")
    done = ask(operator, "opskit", command, *TASK, "--", "true")
    assert done.returncode == 3
    assert missing in done.stderr


def test_a_rotation_says_that_it_cannot_restart_tasks(operator: Operator) -> None:
    done = ask(operator, "opskit", "rotate-password", *TASK, "--dry-run")
    assert done.returncode == 2
    assert "cannot restart ECS tasks" in done.stderr


def test_the_documented_policies_are_enough(
    operator: Operator, rights: Callable[..., None]
) -> None:
    lifecycle.send_command(operator.running, "rights", [policy_of(operator)])
    try:
        ran = ask(operator, "opskit", "run", *TASK, "--", "echo", "here")
        tunnelled = ask(operator, "opskit", "tunnel", *TASK, "--", "true")
        found, status = operator.diagnose(*TASK[2:], layer="operator")
    finally:
        rights("nothing:*")
    by_code = {c["code"]: c["status"] for c in found["checks"]}
    assert (ran.stdout, ran.returncode) == ("here\n", 0), ran.stderr
    assert tunnelled.returncode == 0, tunnelled.stderr
    assert status == 0, found["root_causes"]
    assert (by_code["OPR007"], by_code["OPR003"]) == ("pass", "skip")
