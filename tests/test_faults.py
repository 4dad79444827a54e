"""Every fault is found as its one root cause, and the fix heals it as printed."""

from __future__ import annotations

import json
import time

import jsonschema
import pytest

from opskit.report.json import schema
from opskit.sandbox import client
from opskit.sandbox.faults import FAULTS
from tests.conftest import Operator

SETTLES_S = 1.0
"""Within this the packets follow a changed rule, and the app's pool has been replaced."""


def test_healthy_linkbox_has_no_fault(operator: Operator) -> None:
    found, status = operator.wait_for(0)
    jsonschema.validate(found, json.loads(schema()))
    assert status == 0
    assert found["verdict"] == "healthy"
    assert found["root_causes"] == []
    assert [c for c in found["checks"] if c["status"] in ("fail", "unknown")] == []
    assert found["aws"]["rounds"] <= 5


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_fault_is_found_and_healed_as_printed(operator: Operator, name: str) -> None:
    if FAULTS[name].needs_packets:
        operator.need_packets()
    operator.wait_for(0)
    client.order(operator.running, "break", [name])
    time.sleep(SETTLES_S)

    found, status = operator.diagnose()

    jsonschema.validate(found, json.loads(schema()))
    assert [c["code"] for c in found["root_causes"]] == [FAULTS[name].code], found["root_causes"]
    assert status == 1
    cause = found["root_causes"][0]
    assert cause["fix"], "a root cause without a fix to paste"
    for fix in cause["fix"]:
        done = operator.run("sh", "-c", fix["command"])
        assert done.returncode == 0, (fix["command"], done.stderr)
    found, status = operator.wait_for(0)
    assert status == 0, found["root_causes"]
