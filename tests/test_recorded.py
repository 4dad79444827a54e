"""Every fault is judged rightly from its recorded snapshot: no sandbox, no AWS."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.checks.catalogue import default_checks
from opskit.config import Target
from opskit.diagnosis.result import Diagnosis, Verdict
from opskit.diagnosis.run import judge
from opskit.facts import snapshot_file
from opskit.facts.interface import Known
from opskit.facts.probe import InstanceProbe
from opskit.facts.region import Region
from opskit.facts.snapshot import Snapshot
from opskit.sandbox.faults import FAULTS
from tests import recorded


def judged(snapshot: Snapshot) -> Diagnosis:
    target, region = snapshot.value(Target), snapshot.value(Region)
    assert target is not None
    assert region is not None
    return judge(snapshot, target, region.name, default_checks())


def test_the_healthy_app_has_no_fault() -> None:
    diagnosis = judged(recorded.load(recorded.HEALTHY))
    assert diagnosis.verdict is Verdict.HEALTHY
    assert diagnosis.bugs == ()
    assert [j.check.code for j in diagnosis.judged if j.finding.status in ("fail", "unknown")] == []


def test_every_fault_is_recorded() -> None:
    assert recorded.names() == sorted(FAULTS)


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_a_fault_is_the_one_root_cause(name: str) -> None:
    snapshot = recorded.load(name)
    diagnosis = judged(snapshot)
    fault = FAULTS[name]
    if fault.is_symptom:
        assert diagnosis.root_causes == ()
        fails = [j for j in diagnosis.judged if j.finding.status == "fail"]
        codes = [j.check.code for j in fails if j.caused_by is None]
        # What it leads to are symptoms too.
        codes = codes[:1]
    elif fault.status == "fail":
        codes = [j.check.code for j in diagnosis.root_causes]
    else:
        warned = [j for j in diagnosis.judged if j.finding.status == fault.status]
        codes = [j.check.code for j in warned if j.check.layer != "hygiene"]
    assert codes == [fault.code]
    assert {j.check.code for j in diagnosis.judged if j.finding.status == "warn"} >= set(
        fault.warnings
    )
    assert diagnosis.bugs == ()
    assert snapshot_file.load(snapshot_file.dump(snapshot)) == snapshot


CONCURRENT = ("unavailable", "resolutions", "connections", "heard", "reads", "attempts")
"""The probe's answers whose questions run at the same time."""


@pytest.mark.parametrize("name", [recorded.HEALTHY, *sorted(FAULTS)])
def test_the_order_in_which_facts_and_answers_arrive_changes_nothing(name: str) -> None:
    snapshot = recorded.load(name)
    facts = dict(reversed(list(snapshot.facts.items())))
    probe = facts.get(InstanceProbe)
    if isinstance(probe, Known):
        result = probe.value.result
        backwards = {n: type(v)(_reversed(v)) for n in CONCURRENT if (v := getattr(result, n))}
        turned = replace(probe.value, result=replace(result, **backwards))
        facts[InstanceProbe] = replace(probe, value=turned)
    assert judged(replace(snapshot, facts=facts)) == judged(snapshot)


def _reversed(several: Any) -> Any:
    return reversed(list(several.items()) if isinstance(several, dict) else several)
