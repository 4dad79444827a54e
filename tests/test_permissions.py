"""The one list of rights: against the README, against what is really called, and asked for itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

from opskit.facts.permissions import PERMISSIONS, PermissionGroup
from opskit.sandbox import lifecycle
from tests.conftest import Operator

README = (Path(__file__).parent.parent / "README.md").read_text()
LISTED = {p.action for p in PERMISSIONS}
NOT_ASKED_FOR = {"sts:GetCallerIdentity"}
"""Needs no right."""


def test_the_readme_names_every_right_and_no_other() -> None:
    block = next(b for b in re.findall(r"```json\n(.*?)```", README, re.DOTALL) if "Statement" in b)
    written = json.loads(block)["Statement"]
    actions = [s["Action"] for s in written]
    flat = {a for one in actions for a in (one if isinstance(one, list) else [one])}
    assert flat == LISTED


def test_nothing_is_called_that_is_not_listed(operator: Operator) -> None:
    operator.wait_for(0)
    for layer in ("db", "operator"):
        done = operator.run("opskit", "diagnose", layer, "--prefix", "/linkbox", "--debug")
        called = set(re.findall(r"^([a-z0-9-]+:[A-Z]\w+) \d+ ms", done.stderr, re.MULTILINE))
        assert len(called) > 8, done.stderr
        assert called - NOT_ASKED_FOR <= LISTED


def readme_policy(operator: Operator) -> str:
    """The policy that the README prints, with the key's real ARN."""
    block = next(b for b in re.findall(r"```json\n(.*?)```", README, re.DOTALL) if "Statement" in b)
    done = operator.run("aws", "kms", "describe-key", "--key-id", "alias/linkbox")
    key = json.loads(done.stdout)["KeyMetadata"]["Arn"]
    return block.replace("arn:aws:kms:REGION:ACCOUNT:key/KEY-ID", key)


def test_the_readmes_policy_is_enough(operator: Operator) -> None:
    """For a diagnosis and for a rotation, which goes through all its calls."""
    operator.wait_until_healthy()
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    put = ("aws", "iam", "put-user-policy", "--user-name", "oncall", "--policy-name", "everything")
    whole = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
    assert operator.run(*put, "--policy-document", readme_policy(operator)).returncode == 0
    try:
        rights, status = operator.diagnose(layer="operator")
        rotated = operator.run(
            "opskit", "rotate-password", "--prefix", "/linkbox", "--yes", "--debug"
        )
    finally:
        # Nobody but root could give the rights back: the sandbox's own hands do it.
        lifecycle.send_command(operator.running, "rights", [whole])
    assert status == 0, rights["root_causes"]
    assert rotated.returncode == 0, rotated.stdout + rotated.stderr
    called = set(re.findall(r"^([a-z0-9-]+:[A-Z]\w+) \d+ ms", rotated.stderr, re.MULTILINE))
    assert "rds:ModifyDBInstance" in called
    assert called - NOT_ASKED_FOR <= LISTED


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
