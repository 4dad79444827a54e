"""Every fault is found as its one root cause, and the fix heals it as printed."""

from __future__ import annotations

import json
import time
from typing import Any

import jsonschema
import pytest

from opskit.report.diagnosis_json import schema
from opskit.sandbox import lifecycle
from opskit.sandbox.faults import FAULTS
from tests.conftest import Operator


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
}
"""Faults whose injection and fix another one's test goes through too; `make test-all` runs them. How they
are judged is tested by their recorded snapshots (`test_recorded.py`)."""


WITH_THE_USUAL_LIMIT = "ingress-removed"
"""The fault that is diagnosed with the default limit for a connection whose packets are dropped."""
OWNED_BY_OTHERS = {"organization-denies": "management account"}
"""Faults for which no command is printed, since others decide: fault -> what the advice says."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.full if name in LIKE_ANOTHER else [])
        for name in sorted(FAULTS)
    ],
)
def test_fault_is_found_and_healed_as_printed(operator: Operator, name: str) -> None:
    if FAULTS[name].needs_packets:
        operator.need_packets()
    operator.wait_until_healthy()
    lifecycle.send_command(operator.running, "inject", [name])
    time.sleep(FAULTS[name].shows_after_s)

    # The sandbox does not wait for dropped packets; this one is as on AWS.
    is_usual = name == WITH_THE_USUAL_LIMIT
    limit = {"OPSKIT_CONNECT_TIMEOUT": ""} if is_usual else {}
    found, status = operator.diagnose(**limit)

    assert ("no answer after 3.0 s" in json.dumps(found)) is is_usual
    jsonschema.validate(found, json.loads(schema()))
    assert named(found, FAULTS[name].status) == [FAULTS[name].code], found["root_causes"]
    assert status == (1 if FAULTS[name].status == "fail" else 0)
    cause = next(c for c in found["checks"] if c["code"] == FAULTS[name].code)
    if name in OWNED_BY_OTHERS:
        assert cause["fix"] is None
        assert OWNED_BY_OTHERS[name] in cause["advice"]
        lifecycle.send_command(operator.running, "revert", [name])
    else:
        operator.paste(cause)
    found, status = operator.wait_for(0)
    assert status == 0, found["root_causes"]
    assert named(found, FAULTS[name].status) == []


def named(found: dict[str, Any], status: str) -> list[str]:
    """The root causes; or the warnings, those about good housekeeping left out."""
    if status == "fail":
        return [c["code"] for c in found["root_causes"]]
    return [c["code"] for c in found["checks"] if c["status"] == "warn" and c["layer"] != "hygiene"]
