"""Every fault is found as its one root cause, and the fix heals it as printed."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import jsonschema
import pytest

from opskit.report.diagnosis_json import schema
from opskit.sandbox import lifecycle
from opskit.sandbox.faults import FAULTS
from tests.conftest import Operator
from tests.pace import scaled


def test_healthy_linkbox_has_no_fault(operator: Operator) -> None:
    found, status = operator.wait_for(0)
    jsonschema.validate(found, json.loads(schema()))
    assert status == 0
    assert found["verdict"] == "healthy"
    assert found["root_causes"] == []
    assert [c for c in found["checks"] if c["status"] in ("fail", "unknown")] == []
    assert found["aws"]["rounds"] <= 5


LIKE_ANOTHER = {
    "database-default-group",
    "nacl-deny-first",
    "role-lacks-get-parameter",
    "stale-worker",
    "ingress-wrong-range",
    "ingress-wrong-port",
    "nacl-reply-narrow",
    "key-pending-deletion",
    "main-table",
    "route-blackhole",
    "parameter-newline",
    "password-mismatch-prefer",
    "role-other-region",
    "role-double-slash",
    "encryption-context",
    "boundary-too-low",
    "nacl-second-app-subnet",
    "peer-route-back-missing",
    "role-singular-only",
    "role-wrong-path",
    "key-policy-without-role",
    "organization-denies",
    "nacl-second-subnet",
    "role-explicit-deny",
    "no-instance-profile",
    "parameter-port",
    "dns-name-gone",
    "access-keys",
    "access-keys-env",
    "access-keys-powerless",
    "bundle-outdated",
    "certificate-ends-soon",
    "certificate-expired",
    "connect-revoked",
    "database-dropped",
    "database-key-disabled",
    "database-network",
    "database-parameters",
    "database-public",
    "database-rdsadmin",
    "endpoint-alias",
    "endpoint-policy",
    "engine-crashed",
    "env-other-host",
    "host-firewall",
    "imds-hop-limit",
    "instance-stopped",
    "maintenance-mode",
    "parameter-address",
    "parameter-old-address",
    "password-managed",
    "reboot-pending",
    "role-no-login",
    "slots-taken",
}
"""Faults whose injection and fix another one's test goes through too; `make test-all` runs them. How they
are judged is tested by their recorded snapshots (`test_recorded.py`)."""


WITH_THE_USUAL_LIMIT = "ingress-removed"
"""The fault that is diagnosed with the default limit for a connection whose packets are dropped."""
ADVISED = {
    "access-keys": "Remove the credentials",
    "access-keys-env": "variable AWS_ACCESS_KEY_ID of linkbox-backend",
    "access-keys-powerless": "Remove the credentials",
    "bundle-outdated": "put the present RDS bundle there",
    "database-network": "add a subnet",
    "database-parameters": "Correct the group, then reboot",
    "database-public": "Nothing has to be changed for the app",
    "database-rdsadmin": "`rdsadmin` are names that RDS keeps for itself",
    "endpoint-alias": "hold linkbox-db.c123xyz.us-east-1.rds.amazonaws.com",
    "endpoint-policy": "VPC endpoint",
    "engine-crashed": "Look at its events",
    "env-other-host": "Look from which path",
    "host-firewall": "look at its own firewall",
    "maintenance-mode": "docker logs",
    "organization-denies": "management account",
    "slots-taken": "shows who holds the slots",
}
"""Faults for which no command is printed, since what to do is a person's decision: fault -> a part of the
advice, which the reversal follows."""
SETTLED_WITHIN_S = scaled(30)
STATEMENT = re.compile(r"(?:alter role|grant connect|create database)[^;]*;")
IN_PSQL = {"connect-revoked", "database-dropped", "role-no-login"}
"""Faults whose advice has a statement for an administrator of the database."""
BEFORE_THE_FIX = {
    "database-key-disabled": "aws kms enable-key --key-id $(aws kms describe-key --key-id "
    "alias/linkbox-database --query KeyMetadata.KeyId --output text)"
}
"""What the caution of a fix asks for before it."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.full if name in LIKE_ANOTHER else [])
        for name in sorted(FAULTS)
    ],
)
def test_fault_is_found_and_healed_as_printed(operator: Operator, name: str) -> None:
    fault = FAULTS[name]
    if fault.needs_packets:
        operator.need_packets()
    operator.wait_until_healthy()
    lifecycle.send_command(operator.running, "inject", [name])
    time.sleep(fault.shows_after_s)

    # The sandbox does not wait for dropped packets; this one is as on AWS.
    is_usual = name == WITH_THE_USUAL_LIMIT
    limit = {"OPSKIT_CONNECT_TIMEOUT": ""} if is_usual else {}
    found, status = operator.diagnose(**limit)

    assert ("no answer after 3.0 s" in json.dumps(found)) is is_usual
    jsonschema.validate(found, json.loads(schema()))
    if fault.is_symptom:
        assert found["root_causes"] == []
        fails = [c for c in found["checks"] if c["status"] == "fail"]
        assert next(c["code"] for c in fails) == fault.code, fails
    else:
        assert named(found, fault.status) == [fault.code], found["root_causes"]
    assert set(fault.warnings) <= set(named(found, "warn"))
    assert status == (1 if fault.status == "fail" else 0)
    cause = next(c for c in found["checks"] if c["code"] == fault.code)
    if name in ADVISED:
        assert cause["fix"] is None
        assert ADVISED[name] in cause["advice"]
        lifecycle.send_command(operator.running, "revert", [name])
    elif name in IN_PSQL:
        [statement] = STATEMENT.findall(cause["advice"])
        operator.sql(statement)
    else:
        if name in BEFORE_THE_FIX:
            assert cause["fix"]["caution"]
            assert operator.script(BEFORE_THE_FIX[name]).returncode == 0
        operator.paste(cause)
    last_try = time.monotonic() + SETTLED_WITHIN_S
    found, status = operator.wait_for(0)
    while status == 0 and named(found, fault.status) and time.monotonic() < last_try:
        # A database that reboots answers before RDS reports it available: until then that is a warning.
        time.sleep(0.3)
        found, status = operator.wait_for(0)
    assert status == 0, found["root_causes"]
    assert named(found, fault.status) == []


def named(found: dict[str, Any], status: str) -> list[str]:
    """The root causes; or the warnings, those about good housekeeping left out."""
    if status == "fail":
        return [c["code"] for c in found["root_causes"]]
    return [c["code"] for c in found["checks"] if c["status"] == "warn" and c["layer"] != "hygiene"]
