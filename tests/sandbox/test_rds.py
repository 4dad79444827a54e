"""RDS's statuses, pending changes and parameter groups, and the real server that follows them."""

from __future__ import annotations

import time
from typing import Any

import pytest

from opskit.sandbox.certificates import AUTHORITIES
from tests.conftest import LIMIT_S, Operator
from tests.sandbox.test_instance_state import aws

DATABASE = ("--db-instance-identifier", "linkbox-db")
GROUP = ("--db-parameter-group-name", "linkbox-postgres17")


def described(operator: Operator, name: str = "linkbox-db") -> dict[str, Any]:
    rows = aws(operator, "rds", "describe-db-instances", "--db-instance-identifier", name)
    row: dict[str, Any] = rows["DBInstances"][0]
    return row


def wait_until_available(operator: Operator, name: str = "linkbox-db") -> dict[str, Any]:
    limit = time.monotonic() + LIMIT_S
    while (row := described(operator, name))["DBInstanceStatus"] != "available":
        assert time.monotonic() < limit, row["DBInstanceStatus"]
        time.sleep(0.1)
    return row


@pytest.mark.full
def test_a_change_waits_for_the_window_or_the_next_immediate_one(operator: Operator) -> None:
    operator.wait_until_healthy()
    modify = ("rds", "modify-db-instance", *DATABASE)
    aws(operator, *modify, "--allocated-storage", "40")
    row = described(operator)
    assert (row["AllocatedStorage"], row["PendingModifiedValues"]) == (20, {"AllocatedStorage": 40})
    aws(operator, *modify, "--db-instance-class", "db.t3.small", "--apply-immediately")
    time.sleep(0.5)
    row = wait_until_available(operator)
    assert (row["AllocatedStorage"], row["DBInstanceClass"]) == (40, "db.t3.small")
    assert not row.get("PendingModifiedValues")


@pytest.mark.full
def test_a_static_parameter_waits_for_the_reboot(operator: Operator) -> None:
    operator.wait_until_healthy()
    row = "ParameterName=max_connections,ParameterValue=25,ApplyMethod="
    modify = ("aws", "rds", "modify-db-parameter-group", *GROUP, "--parameters")
    refused = operator.run(*modify, f"{row}immediate")
    assert "InvalidParameterCombination" in refused.stderr
    assert operator.run(*modify, f"{row}pending-reboot").returncode == 0
    assert described(operator)["DBParameterGroups"][0]["ParameterApplyStatus"] == "pending-reboot"
    aws(operator, "rds", "reboot-db-instance", *DATABASE)
    assert (
        wait_until_available(operator)["DBParameterGroups"][0]["ParameterApplyStatus"] == "in-sync"
    )
    operator.sql("do $$ begin assert current_setting('max_connections') = '25'; end $$")


@pytest.mark.full
def test_a_new_authority_means_a_new_certificate(operator: Operator) -> None:
    operator.wait_until_healthy()
    before = described(operator)
    assert before["CertificateDetails"]["CAIdentifier"] == AUTHORITIES[0]
    words = ("--ca-certificate-identifier", AUTHORITIES[1], "--apply-immediately")
    aws(operator, "rds", "modify-db-instance", *DATABASE, *words)
    time.sleep(0.5)
    after = wait_until_available(operator)["CertificateDetails"]
    assert after["CAIdentifier"] == AUTHORITIES[1]
    found, status = operator.wait_for(0)
    assert status == 0, found["root_causes"]
