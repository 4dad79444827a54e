from __future__ import annotations

import contextlib
import threading
from dataclasses import replace
from typing import Any

import pytest

from opskit.checks.catalogue import all_checks, check_of
from opskit.checks.fix import Fix
from opskit.checks.interface import CheckResult, failed, not_reached, passed, undecided
from opskit.checks.run import run_check
from opskit.commands import AwsCall
from opskit.config import Target
from opskit.diagnosis.result import Verdict
from opskit.diagnosis.root_causes import find_root_causes, verdict_of
from opskit.diagnosis.run import raise_if_unreachable
from opskit.errors import UNREACHABLE, AmbiguousTarget, AwsError, TargetError, UsageError
from opskit.facts.database import Database
from opskit.facts.gather import gather
from opskit.facts.identity import Identity
from opskit.facts.interface import Unknown
from opskit.facts.rds import DbInstances
from opskit.facts.region import Region
from opskit.symptom import NO_CONNECTION, NO_DATABASE, SymptomKind, symptom
from tests import builders as b

DROPPED = symptom(SymptomKind.DROPPED)
UNHEALTHY = symptom(SymptomKind.UNHEALTHY, through=NO_DATABASE)


def judged(code: str, finding: Any) -> CheckResult:
    return CheckResult(check_of(code), finding)


def test_consequences_point_at_their_cause_and_are_no_causes() -> None:
    rows = (
        judged("NET002", failed("closed")),
        judged("TCP001", failed("no answer", symptom=DROPPED)),
        judged("AUT001", not_reached("not reached", NO_CONNECTION, "a login")),
        judged("APP003", failed("503", symptom=UNHEALTHY)),
    )
    ordered = find_root_causes(rows)
    assert [j.caused_by for j in ordered] == [None, "NET002", "NET002", "NET002"]


def test_two_independent_faults_are_two_causes() -> None:
    ordered = find_root_causes(
        (judged("PAR003", failed("key")), judged("NET001", failed("closed")))
    )
    assert [j.caused_by for j in ordered] == [None, None]


def test_a_chain_ends_at_its_root() -> None:
    rows = (
        judged("TCP001", failed("x", symptom=DROPPED)),
        judged("AUT003", not_reached("y", NO_CONNECTION)),
        judged("APP003", failed("z", symptom=UNHEALTHY)),
    )
    assert [j.caused_by for j in find_root_causes(rows)] == [None, "TCP001", "TCP001"]


def test_what_the_same_commands_end_is_one_cause() -> None:
    """An interface that lost its group reaches no database, and no load balancer reaches it."""
    attach = Fix((AwsCall("ec2", "ModifyNetworkInterfaceAttribute", {"Groups": ["sg-web"]}),))
    other = Fix((AwsCall("ec2", "ModifyNetworkInterfaceAttribute", {"Groups": ["sg-x"]}),))
    rows = (judged("NET002", failed("x", fix=attach)), judged("NET014", failed("y", fix=attach)))
    assert [j.caused_by for j in find_root_causes(rows)] == [None, "NET002"]
    rows = (judged("NET002", failed("x", fix=attach)), judged("NET014", failed("y", fix=other)))
    assert [j.caused_by for j in find_root_causes(rows)] == [None, None]
    rows = (judged("NET002", failed("x")), judged("NET014", failed("y")))
    assert [j.caused_by for j in find_root_causes(rows)] == [None, None]


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ((("NET002", failed("x")),), Verdict.BROKEN),
        ((("TCP001", failed("x", symptom=DROPPED)),), Verdict.CAUSE_NOT_DETERMINED),
        ((("PAR003", failed("x")), ("APP003", passed("ok"))), Verdict.DEGRADED),
        ((("TCP001", undecided("x", "y")), ("PAR001", passed("x"))), Verdict.UNDETERMINED),
        ((("PAR002", undecided("x", "y")), ("PAR001", passed("x"))), Verdict.HEALTHY),
        ((("PAR002", undecided("x", "y")),), Verdict.UNDETERMINED),
    ],
)
def test_verdict(rows: Any, verdict: Verdict) -> None:
    assert verdict_of([judged(code, finding) for code, finding in rows]) is verdict


def test_a_bug_in_a_check_is_ours() -> None:
    finding = run_check(
        check_of("PAR004"), b.snapshot(b.parameters(endpoint=b.parameter("endpoint", value=7)))
    )
    assert "bug in opskit" in finding.summary


GIVEN = (Target("x", b.NAMES), Region("us-east-1"))


class Clients:
    """Clients of which every call is answered by a function."""

    def __init__(self, answer: Any) -> None:
        self.answer, self._local, self.calls = answer, threading.local(), 0

    @property
    def calls_in_thread(self) -> int:
        return getattr(self._local, "n", 0)

    def client(self, service: str) -> Any:
        outer = self

        class One:
            def __getattr__(self, operation: str) -> Any:
                def call(**arguments: Any) -> Any:
                    outer.calls += 1
                    outer._local.n = outer.calls_in_thread + 1
                    return outer.answer(service, operation, arguments)

                return call

        return One()


def denied(service: str, operation: str, _: Any) -> Any:
    raise AwsError(f"{service}:{operation}", "AccessDenied", "no")


def test_a_missing_right_is_unknown_and_passed_on() -> None:
    target = Target("x", b.NAMES)
    snapshot = gather([DbInstances], Clients(denied), [target], deadline_s=5)
    fact = snapshot.get(DbInstances)
    assert isinstance(fact, Unknown)
    assert fact.missing == ("rds:describe_db_instances",)


def failing(code: str, message: str) -> Clients:
    def fail(service: str, operation: str, _: Any) -> Any:
        raise AwsError(f"{service}:{operation}", code, message)

    return Clients(fail)


@pytest.mark.parametrize(
    ("code", "message", "is_unreachable"),
    [
        (UNREACHABLE, "EndpointConnectionError", True),
        ("ServiceUnavailable", "Unreachable", False),
        ("AccessDenied", "Unreachable", False),
    ],
)
def test_only_calls_that_do_not_reach_aws_end_the_run(
    code: str, message: str, is_unreachable: bool
) -> None:
    snapshot = gather([Identity], failing(code, message), GIVEN, deadline_s=5)
    with pytest.raises(TargetError) if is_unreachable else contextlib.nullcontext():
        raise_if_unreachable(snapshot, GIVEN[0], "us-east-1")


def test_a_region_that_does_not_exist_is_a_usage_error_with_the_nearest() -> None:
    target = replace(GIVEN[0], origins={"region": "--region"})
    snapshot = gather([Identity], failing(UNREACHABLE, "x"), GIVEN, deadline_s=5)
    with pytest.raises(UsageError) as caught:
        raise_if_unreachable(snapshot, target, "us-esat-1")
    assert caught.value.sentence.startswith("--region 'us-esat-1'")
    assert "us-east-1" in caught.value.next_step


@pytest.mark.parametrize("allows_ambiguity", [True, False])
def test_of_several_databases_only_the_operator_s_rights_do_without_one(
    monkeypatch: pytest.MonkeyPatch, allows_ambiguity: bool
) -> None:
    def select(target: Target) -> Database:
        raise AmbiguousTarget(f"2 RDS instances may be {target.name}")

    monkeypatch.setattr("opskit.facts.gather.READERS", (select,))
    end = contextlib.nullcontext() if allows_ambiguity else pytest.raises(AmbiguousTarget)
    with end:
        snapshot = gather(
            [Database], failing("x", "y"), GIVEN, deadline_s=5, allows_ambiguity=allows_ambiguity
        )
        assert snapshot.get(Database) == Unknown("2 RDS instances may be x")


@pytest.mark.parametrize(
    ("code", "message", "missing"),
    [
        ("ThrottlingException", "Rate exceeded", ("a later try",)),
        ("RequestLimitExceeded", "Request limit exceeded.", ("a later try",)),
        ("ValidationException", "the name Throttling is invalid", ()),
    ],
)
def test_a_throttled_call_needs_a_later_try(
    code: str, message: str, missing: tuple[str, ...]
) -> None:
    fact = gather([Identity], failing(code, message), GIVEN, deadline_s=5).get(Identity)
    assert isinstance(fact, Unknown)
    assert fact.missing == missing


def test_the_deadline_leaves_unknowns_not_an_error() -> None:
    is_over, answered = threading.Event(), threading.Event()

    def hang(*_: Any) -> Any:
        is_over.wait(60)
        answered.set()
        return {}

    snapshot = gather([Identity], Clients(hang), GIVEN, deadline_s=0.2)
    assert not answered.is_set(), "it was waited for"
    is_over.set()
    fact = snapshot.get(Identity)
    assert isinstance(fact, Unknown)
    assert "--timeout" in fact.reason


def test_no_credentials_end_the_run() -> None:
    def refuse(*_: Any) -> Any:
        raise TargetError("no AWS credentials")

    with pytest.raises(TargetError):
        gather([Identity], Clients(refuse), GIVEN, deadline_s=5)


def test_every_check_is_judged_without_touching_the_snapshot() -> None:
    snapshot = b.snapshot()
    before = dict(snapshot.facts)
    for check in all_checks():
        run_check(check, snapshot)
    assert snapshot.facts == before
