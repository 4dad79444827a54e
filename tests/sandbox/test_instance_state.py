"""A stopped instance is off: its processes, its agent, its port; and it comes back as it boots."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from opskit.errors import CannotProceed
from opskit.sandbox import lifecycle
from tests.conftest import LIMIT_S, Operator


def aws(operator: Operator, *words: str) -> Any:
    done = operator.run("aws", *words, "--output", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout or "null")


def state(operator: Operator) -> str:
    rows = aws(operator, "ec2", "describe-instances", "--instance-ids", instance_id(operator))
    return str(rows["Reservations"][0]["Instances"][0]["State"]["Name"])


def instance_id(operator: Operator) -> str:
    return operator.running.ids["instance"]


def wait_for_state(operator: Operator, wanted: str) -> None:
    limit = time.monotonic() + LIMIT_S
    while state(operator) != wanted:
        assert time.monotonic() < limit, state(operator)
        time.sleep(0.1)


def target(operator: Operator) -> dict[str, str]:
    arn = aws(operator, "elbv2", "describe-target-groups")["TargetGroups"][0]["TargetGroupArn"]
    rows = aws(operator, "elbv2", "describe-target-health", "--target-group-arn", arn)
    health: dict[str, str] = rows["TargetHealthDescriptions"][0]["TargetHealth"]
    return health


def containers(operator: Operator) -> dict[str, Any]:
    path = Path(operator.running.directory) / "instance/var/containers.json"
    rows: dict[str, Any] = json.loads(path.read_text())
    return rows


@pytest.mark.full
def test_a_stopped_instance_is_off_and_boots_again(operator: Operator) -> None:
    operator.wait_until_healthy()
    pid = containers(operator)["linkbox-backend"]["Pid"]
    reply = aws(operator, "ec2", "stop-instances", "--instance-ids", instance_id(operator))
    assert reply["StoppingInstances"][0]["CurrentState"]["Name"] == "stopping"
    wait_for_state(operator, "stopped")

    [agent] = aws(operator, "ssm", "describe-instance-information")["InstanceInformationList"]
    assert agent["PingStatus"] == "ConnectionLost"
    assert target(operator) == {
        "State": "unused",
        "Reason": "Target.InvalidState",
        "Description": "Target is in the stopped state",
    }
    session = aws(operator, "ssm", "get-connection-status", "--target", instance_id(operator))
    assert session["Status"] == "notconnected"
    with pytest.raises(CannotProceed, match="the instance is not running"):
        lifecycle.send_command(operator.running, "inject", ["container-stopped"])

    aws(operator, "ec2", "start-instances", "--instance-ids", instance_id(operator))
    wait_for_state(operator, "running")
    operator.wait_until_healthy()
    assert containers(operator)["linkbox-backend"]["Pid"] != pid
    assert target(operator)["State"] == "healthy"


@pytest.mark.full
def test_a_container_that_a_person_stopped_stays_stopped_at_a_reboot(operator: Operator) -> None:
    operator.wait_until_healthy()
    lifecycle.send_command(operator.running, "inject", ["container-stopped"])
    aws(operator, "ec2", "reboot-instances", "--instance-ids", instance_id(operator))
    time.sleep(2)
    found, _ = operator.diagnose()
    assert [c["code"] for c in found["root_causes"]] == ["APP001"]


@pytest.mark.full
def test_a_terminated_instance_is_gone_until_the_reset(operator: Operator) -> None:
    operator.wait_until_healthy()
    aws(operator, "ec2", "terminate-instances", "--instance-ids", instance_id(operator))
    wait_for_state(operator, "terminated")
    started = operator.run("aws", "ec2", "start-instances", "--instance-ids", instance_id(operator))
    assert "IncorrectInstanceState" in started.stderr
    operator.reset()
    assert state(operator) == "running"
    operator.wait_until_healthy()
