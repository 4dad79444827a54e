"""Versions and labels of parameters, as AWS has them and as opskit reads them."""

from __future__ import annotations

import json

import pytest

from opskit.errors import ExitStatus
from tests.conftest import Operator

NAME = "/linkbox/db-name"
ARN = f"arn:aws:ssm:us-east-1:123456789012:parameter{NAME}"


@pytest.mark.parametrize("asked", [f"{NAME}:1", f"{ARN}:1", f"{NAME}:live"])
def test_the_reply_has_name_and_selector_apart(operator: Operator, asked: str) -> None:
    label = ("aws", "ssm", "label-parameter-version", "--name", NAME, "--parameter-version", "1")
    assert operator.run(*label, "--labels", "live").returncode == 0
    done = operator.run("aws", "ssm", "get-parameters", "--names", asked, NAME)
    rows = json.loads(done.stdout)["Parameters"]
    assert {(row["Name"], row.get("Selector", "")) for row in rows} == {
        (NAME, ""),
        (NAME, f":{asked.rpartition(':')[2]}"),
    }


def test_a_diagnosis_of_a_named_version_is_healthy(operator: Operator) -> None:
    operator.wait_for(0)
    words = ("--prefix", "/linkbox", "--parameter-database", f"{NAME}:1")
    password = ("--parameter-password", f"{ARN.removesuffix('name')}password")
    done = operator.run("opskit", "diagnose", "db", *words, *password, "--output", "json")
    found = json.loads(done.stdout)
    assert done.returncode == ExitStatus.HEALTHY, (found["root_causes"], done.stderr)
    assert [c for c in found["checks"] if c["status"] == "unknown"] == []


@pytest.mark.parametrize(
    ("value", "code"),
    [("file:///etc/passwd", "PAR006"), ("169.254.169.254", "PAR007"), ("127.0.0.1:1", "PAR007")],
)
def test_an_endpoint_that_is_no_database_is_the_cause(
    operator: Operator, value: str, code: str
) -> None:
    operator.wait_for(0)
    put = (
        "aws",
        "ssm",
        "put-parameter",
        "--name",
        "/linkbox/db-endpoint",
        "--overwrite",
        "--value",
    )
    read = operator.run(
        "aws", "ssm", "get-parameter", "--name", "/linkbox/db-endpoint", "--query",
        "Parameter.Value", "--output", "text",
    )  # fmt: skip
    body = json.dumps({"Name": "/linkbox/db-endpoint", "Value": value, "Overwrite": True})
    assert operator.run("aws", "ssm", "put-parameter", "--cli-input-json", body).returncode == 0
    try:
        found, status = operator.diagnose()
        assert status == 1
        assert [c["code"] for c in found["root_causes"]] == [code]
        [cause] = found["root_causes"]
        assert read.stdout.strip() in " ".join(cause["fix"]["commands"])
    finally:
        assert operator.run(*put, read.stdout.strip()).returncode == 0
