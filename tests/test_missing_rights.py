"""A diagnosis without one right, for every right of the list: it is named, and causes nothing.

The recorded facts of the healthy app take the place of AWS. A reader that needs the right is refused, as
AWS words it; readers that only compute run again on what is left.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from docs.generate import calls
from opskit.analysis import required_facts
from opskit.checks.catalogue import all_checks, checks_of_layer, default_checks
from opskit.checks.interface import Status
from opskit.config import Target
from opskit.credential_source.interface import ReadFailure
from opskit.diagnosis.result import Diagnosis, Verdict
from opskit.diagnosis.run import judge
from opskit.errors import AwsError, alternatives_of
from opskit.facts.binding import bind, blocking_input, by_type, inputs_of, outputs_of
from opskit.facts.gather import PROBES, SECRET_FACTS, readers_for, unknown_from
from opskit.facts.given_facts import FingerprintKey
from opskit.facts.identity import Identity
from opskit.facts.interface import CLIENTS, ClientFactory, Fact, FactUnavailable, Known, Unknown
from opskit.facts.permissions import PermissionGroup
from opskit.facts.probe import InstanceProbe
from opskit.facts.region import Region
from opskit.facts.snapshot import Snapshot
from opskit.facts.stored_credential import StoredCredential
from opskit.facts.transport_choice import TransportChoice
from opskit.report.diagnosis_text import render
from opskit.report.interface import Style
from tests import recorded
from tests.builders import PERMISSIONS

GROUPS = {
    PermissionGroup.ACCOUNT,
    PermissionGroup.PARAMETERS,
    PermissionGroup.INSTANCE,
    PermissionGroup.POLICIES,
}
ACTIONS = sorted({p.action for p in PERMISSIONS if p.group in GROUPS})
INSTANCE_ACTIONS = {p.action for p in PERMISSIONS if p.group is PermissionGroup.INSTANCE}
READ_ACTIONS = {"ssm:GetParameter", "ssm:GetParameters"}
DECRYPT = "kms:Decrypt"
WHO = "user/oncall"
STYLE = Style(
    color=False, unicode=False, width=100, detail=1, command="again", operator_command="operator"
)


def refused(action: str) -> AwsError:
    arn = f"arn:aws:iam::123456789012:{WHO}"
    text = (
        f"User: {arn} is not authorized to perform: {action} on resource: * because no "
        f"identity-based policy allows the {action} action"
    )
    return AwsError(action, "AccessDeniedException", text)


def parameters_without(fact: Fact[Any], actions: set[str]) -> Fact[Any]:
    """The parameters as the reader leaves them: it reads one by one where the call for all is refused."""
    assert isinstance(fact, Known)
    known: StoredCredential = fact.value
    lost = [p for p in known.existing if p.purpose == "password" or actions >= READ_ACTIONS]
    if DECRYPT not in actions and not actions >= READ_ACTIONS:
        return fact
    permission = DECRYPT if DECRYPT in actions else "ssm:GetParameter"
    failures = (
        ReadFailure(p.name, p.purpose, "AccessDeniedException", refused(permission).message, permission, None)
        for p in lost
    )  # fmt: skip
    kept = tuple(p for p in known.existing if p not in lost)
    return replace(fact, value=replace(known, existing=kept, refused=tuple(failures)))


class Replay:
    """The facts that are left without some rights."""

    def __init__(self, name: str, actions: set[str], **settings: Any) -> None:
        self.recorded = snapshot_of(name)
        self.actions = actions
        target = self.recorded.value(Target)
        assert target is not None
        now = datetime.now(UTC)
        self.facts: dict[type, Fact[Any]] = {
            kind: fact for kind, fact in self.recorded.facts.items() if kind in (Region,)
        }
        self.facts |= {kind: Known(None, "secret", now) for kind in SECRET_FACTS}
        self.facts[FingerprintKey] = Known(FingerprintKey("k"), "given", now)
        self.facts[Target] = Known(replace(target, **settings), "given", now)
        self.facts |= {k: f for k, f in self.recorded.facts.items() if k.__name__ == "Now"}

    def snapshot(self) -> Snapshot:
        wanted = {i.type for c in all_checks() for i in inputs_of(c.judge)} | {Identity}
        waiting = readers_for(required_facts(wanted))
        while waiting:
            ready = [r for r in waiting if all(self.fact_of(i.type) for i in inputs_of(r))]
            assert ready, waiting
            for reader in ready:
                waiting.discard(reader)
                self.facts.update(self.read(reader))
        return Snapshot(self.facts)

    def fact_of(self, kind: type) -> Fact[Any] | None:
        if kind in CLIENTS or kind is ClientFactory:
            return Known(None, "client", datetime.now(UTC))
        return self.facts.get(kind)

    def read(self, reader: Any) -> dict[type, Fact[Any]]:
        kinds = outputs_of(reader)
        blocking = blocking_input(reader, lambda kind: self.fact_of(kind) or Unknown("?"))
        if blocking is not None:
            return dict.fromkeys(kinds, blocking)
        if TransportChoice in kinds:
            return dict.fromkeys(kinds, Known(TransportChoice(None), "given", datetime.now(UTC)))
        has_clients = any(i.type in CLIENTS or i.type is ClientFactory for i in inputs_of(reader))
        if not has_clients and reader not in PROBES:
            return self.compute(reader)
        denied = self.actions & set(calls(reader))
        if InstanceProbe in kinds:
            denied = self.actions & INSTANCE_ACTIONS
        if StoredCredential in kinds:
            return {
                kind: parameters_without(self.recorded.facts[kind], self.actions)
                if kind is StoredCredential
                else self.facts[kind]
                for kind in kinds
            }
        if denied:
            return dict.fromkeys(kinds, unknown_from(refused(min(denied))))
        absent = Unknown("it was not recorded")
        return {kind: self.recorded.facts.get(kind, absent) for kind in kinds}

    def compute(self, reader: Any) -> dict[type, Fact[Any]]:
        try:
            values = by_type(reader, reader(**bind(reader, lambda kind: self.facts[kind])))
        except FactUnavailable as unavailable:
            return dict.fromkeys(outputs_of(reader), unavailable.unknown)
        return {kind: Known(value, "computed", datetime.now(UTC)) for kind, value in values.items()}


def diagnosis_without(*actions: str, fault: str = recorded.HEALTHY, **settings: str) -> Diagnosis:
    replay = Replay(fault, set(actions), **settings)
    snapshot = replay.snapshot()
    target = snapshot.value(Target)
    assert target is not None
    return judge(snapshot, target, "us-east-1", default_checks())


@functools.cache
def unknown_with_every_right() -> frozenset[str]:
    judged = diagnosis_without().judged
    return frozenset(j.check.code for j in judged if j.finding.status is Status.UNKNOWN)


@functools.cache
def snapshot_of(name: str) -> Snapshot:
    return recorded.load(name)


def newly_unknown(diagnosis: Diagnosis) -> list[Any]:
    """The results that the healthy app has with all rights and that are unknown now."""
    before = unknown_with_every_right()
    return [
        j
        for j in diagnosis.judged
        if j.finding.status is Status.UNKNOWN and j.check.code not in before
    ]


def test_with_every_right_nothing_is_lost() -> None:
    diagnosis = diagnosis_without()
    assert (diagnosis.verdict, diagnosis.root_causes, diagnosis.bugs) == (Verdict.HEALTHY, (), ())


@pytest.mark.parametrize("action", ACTIONS)
def test_a_missing_right_is_named_and_causes_nothing(action: str) -> None:
    diagnosis = diagnosis_without(action)
    assert diagnosis.bugs == ()
    assert diagnosis.root_causes == ()
    lost = newly_unknown(diagnosis)
    for result in lost:
        needed = {a for m in result.finding.missing for a in alternatives_of(m)}
        assert any(action in need for need in needed), (result.check.code, result.finding)
    text = render(diagnosis, STYLE)
    if lost:
        assert any(WHO in j.finding.summary for j in lost), [j.finding.summary for j in lost]
    if diagnosis.verdict is Verdict.UNDETERMINED:
        assert f"needs {action}" in text
        assert WHO in text


@pytest.mark.parametrize(
    "action",
    [
        pytest.param(action, marks=pytest.mark.full if number % 4 else [])
        for number, action in enumerate(ACTIONS)
    ],
)
def test_the_operator_s_rights_are_judged_without_any_of_them(action: str) -> None:
    snapshot = Replay(recorded.HEALTHY, {action}).snapshot()
    target = snapshot.value(Target)
    assert target is not None
    diagnosis = judge(snapshot, target, "us-east-1", checks_of_layer("operator"))
    assert diagnosis.bugs == ()
    judged = {j.check.code for j in diagnosis.judged if j.finding.status is not Status.UNKNOWN}
    assert judged or action.startswith(("iam:", "organizations:"))


ALL_OF = {
    "rds": [a for a in ACTIONS if a.startswith("rds:")],
    "ec2": [a for a in ACTIONS if a.startswith("ec2:")],
    "parameters": [*READ_ACTIONS, DECRYPT],
    "iam": [a for a in ACTIONS if a.startswith(("iam:", "organizations:"))],
}


@pytest.mark.parametrize("service", sorted(ALL_OF))
def test_without_the_rights_of_a_whole_service_the_rest_is_judged(service: str) -> None:
    instance = diagnosis_without().target.instance
    assert instance is not None
    diagnosis = diagnosis_without(*ALL_OF[service], instance=instance)
    assert (diagnosis.bugs, diagnosis.root_causes) == ((), ())
    by_code = {j.check.code: j.finding.status for j in diagnosis.judged}
    assert by_code["TCP001"] is Status.PASS, "the instance itself is asked in any case"
    assert by_code["APP003"] is Status.PASS
    assert diagnosis.target.instance == instance


@pytest.mark.parametrize(
    "fault", ["ingress-removed", "parameter-port", "role-lacks-decrypt", "container-stopped"]
)
@pytest.mark.parametrize(
    "action",
    [
        "rds:DescribeDBInstances",
        "ec2:DescribeInstances",
        "ec2:DescribeSecurityGroups",
        "ssm:GetParameter",
        "kms:Decrypt",
        "iam:GetRolePolicy",
    ],
)
def test_a_missing_right_beside_a_fault_invents_no_cause(fault: str, action: str) -> None:
    """Every failure that is left without the right is one that the fault shows with all rights too."""
    with_rights = {
        j.check.code
        for j in diagnosis_without(fault=fault).judged
        if j.finding.status is Status.FAIL
    }
    without = diagnosis_without(action, fault=fault)
    assert without.bugs == ()
    assert {j.check.code for j in without.judged if j.finding.status is Status.FAIL} <= with_rights
