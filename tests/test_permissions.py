"""The one list of permissions: against docs/permissions.md, against the actual calls, and checked by itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from opskit.facts.permissions import PermissionGroup
from opskit.sandbox import lifecycle
from tests.builders import PERMISSIONS
from tests.conftest import Operator

PAGE = (Path(__file__).parent.parent / "docs" / "permissions.md").read_text()
LISTED = {p.action for p in PERMISSIONS}
NOT_ASKED_FOR = {"sts:GetCallerIdentity"}
"""Needs no permission."""

CALL = r"^ *\d+ ms +aws +([a-z0-9-]+:[A-Z]\w+) \d+ ms"
"""A line of `--debug` about a call of AWS."""


def statements(*tasks: str) -> list[dict[str, Any]]:
    """The statements of the page's policies, in its order; of all tasks, or of those that are named."""
    found = dict(re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?```json\n(.*?)```", PAGE, re.M | re.S))
    assert set(tasks) <= set(found)
    policies = [json.loads(found[task]) for task in tasks or found]
    assert {policy["Version"] for policy in policies} == {"2012-10-17"}
    return [statement for policy in policies for statement in policy["Statement"]]


def actions(*tasks: str) -> set[str]:
    """The actions that the page's policies allow."""
    found = [s["Action"] for s in statements(*tasks)]
    return {a for one in found for a in (one if isinstance(one, list) else [one])}


def test_the_page_names_every_permission_and_no_other() -> None:
    assert actions() == LISTED


@pytest.mark.parametrize(
    ("groups", "tasks"),
    [
        (("ACCOUNT", "PARAMETERS", "INSTANCE"), ("Diagnose", "Rotate the password")),
        (("POLICIES",), ("Read policies",)),
        (("SESSIONS",), ("Sessions",)),
        (("TASKS",), ("ECS tasks",)),
        (("SSH",), ("SSH",)),
        (("ROTATION",), ("Diagnose", "Rotate the password")),
    ],
)
def test_a_task_has_every_permission_of_its_groups(
    groups: tuple[str, ...], tasks: tuple[str, ...]
) -> None:
    wanted = {p.action for p in PERMISSIONS if p.group.name in groups}
    assert wanted - actions(*tasks) == set()


def test_statement_names_are_unique() -> None:
    names = [s["Sid"] for s in statements()]
    assert len(set(names)) == len(names)


def test_nothing_is_called_that_is_not_listed(operator: Operator) -> None:
    operator.wait_for(0)
    for layer in ("db", "operator"):
        done = operator.run("opskit", "diagnose", layer, "--prefix", "/linkbox", "--debug")
        called = set(re.findall(CALL, done.stderr, re.MULTILINE))
        assert len(called) > 8, done.stderr
        assert called - NOT_ASKED_FOR <= LISTED


def policy_of(operator: Operator, *tasks: str) -> str:
    """The page's policies as one document, with the key's real ARN."""
    done = operator.run("aws", "kms", "describe-key", "--key-id", "alias/linkbox")
    key = json.loads(done.stdout)["KeyMetadata"]["Arn"]
    text = json.dumps({"Version": "2012-10-17", "Statement": statements(*tasks)})
    return text.replace("arn:aws:kms:REGION:ACCOUNT:key/KEY-ID", key)


@contextmanager
def only(operator: Operator, *tasks: str) -> Iterator[None]:
    """The operator has the policies of these tasks and no other."""
    put = ("aws", "iam", "put-user-policy", "--user-name", "oncall", "--policy-name", "everything")
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    whole = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    done = operator.run(*put, "--policy-document", policy_of(operator, *tasks))
    assert done.returncode == 0, done.stderr
    try:
        yield
    finally:
        # Only root could restore the permissions: the sandbox does it.
        lifecycle.send_command(operator.running, "rights", [whole])


def test_the_policies_are_enough(operator: Operator) -> None:
    """For a diagnosis and for a rotation, which goes through all its calls."""
    operator.wait_until_healthy()
    with only(operator):
        rights, status = operator.diagnose(layer="operator")
        rotated = operator.run(
            "opskit", "rotate-password", "--prefix", "/linkbox", "--yes", "--debug"
        )
    assert status == 0, rights["root_causes"]
    assert rotated.returncode == 0, rotated.stdout + rotated.stderr
    called = set(re.findall(CALL, rotated.stderr, re.MULTILINE))
    assert "rds:ModifyDBInstance" in called
    assert called - NOT_ASKED_FOR <= LISTED


def test_the_policy_of_a_task_is_enough_for_it(operator: Operator) -> None:
    operator.wait_until_healthy()
    with only(operator, "Diagnose"):
        found, status = operator.diagnose()
    unknown = {c["code"]: c["missing"] for c in found["checks"] if c["status"] == "unknown"}
    assert status == 0, found["root_causes"]
    assert {m for missing in unknown.values() for m in missing} <= actions("Read policies"), unknown
    with only(operator, "Diagnose", "Read policies"):
        found, status = operator.diagnose()
    unknown = {c["code"]: c["missing"] for c in found["checks"] if c["status"] == "unknown"}
    assert (status, unknown) == (0, {})
    for via, task in (("session-manager", "Sessions"), ("ssh-session", "SSH")):
        with only(operator, "Diagnose", task):
            done = operator.run(
                "opskit", "run", "--prefix", "/linkbox", "--via", via, "--", "echo", "well"
            )
        assert (done.returncode, done.stdout) == (0, "well\n"), done.stderr
    with only(operator, "Diagnose", "Sessions", "Rotate the password"):
        rotated = operator.run("opskit", "rotate-password", "--prefix", "/linkbox", "--yes")
    assert rotated.returncode == 0, rotated.stdout + rotated.stderr


def test_an_operator_with_few_rights_is_told_which_are_missing(operator: Operator) -> None:
    everything = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
    deny = {
        "Effect": "Deny",
        "Action": ["ssm:SendCommand", "ssm:StartSession", "organizations:*"],
        "Resource": "*",
    }
    put = ("aws", "iam", "put-user-policy", "--user-name", "oncall", "--policy-name", "everything")
    narrowed = {**everything, "Statement": [*everything["Statement"], deny]}
    assert operator.run(*put, "--policy-document", json.dumps(narrowed)).returncode == 0
    try:
        done = operator.run(
            "opskit",
            "diagnose",
            "iam",
            "--for",
            "operator",
            "--prefix",
            "/linkbox",
            "--output",
            "json",
        )
    finally:
        operator.run(*put, "--policy-document", json.dumps(everything))
    found = json.loads(done.stdout)
    by_code = {c["code"]: c for c in found["checks"]}
    assert done.returncode == 1
    assert [c["code"] for c in found["root_causes"]] == ["OPR003"]
    assert "ssm:SendCommand" in by_code["OPR003"]["summary"]
    assert "tcp" in by_code["OPR003"]["summary"]
    assert by_code["OPR004"]["status"] == "warn"
    assert by_code["OPR001"]["status"] == by_code["OPR002"]["status"] == "pass"
    assert {p.group for p in PERMISSIONS} == set(PermissionGroup)


def test_without_policies_and_routes_the_rest_is_judged(operator: Operator) -> None:
    """What many people on call may not read; the instance's own attempt and probe decide then."""
    denied = [p.action for p in PERMISSIONS if p.group is PermissionGroup.POLICIES]
    denied += ["ec2:DescribeRouteTables", "ec2:DescribeSecurityGroupRules"]
    statements = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": denied, "Resource": "*"},
    ]
    put = ("aws", "iam", "put-user-policy", "--user-name", "oncall", "--policy-name", "everything")
    narrowed = json.dumps({"Version": "2012-10-17", "Statement": statements})
    everything = json.dumps({"Version": "2012-10-17", "Statement": statements[:1]})
    assert operator.run(*put, "--policy-document", narrowed).returncode == 0
    try:
        found, status = operator.diagnose()
    finally:
        operator.run(*put, "--policy-document", everything)
    by_code = {c["code"]: c for c in found["checks"]}
    assert status == 0, "nothing essential is left unknown"
    assert found["root_causes"] == []
    assert all("bug in opskit" not in c["summary"] for c in found["checks"])
    assert by_code["NET010"]["status"] == by_code["IAM002"]["status"] == "pass"
    assert by_code["IAM001"]["status"] == "unknown"
    assert "iam:GetInstanceProfile" in by_code["IAM001"]["missing"]
