"""Only symptoms are explained away, and only by a fault whose mechanism leads to them at their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from random import Random
from typing import Any

import pytest

from opskit.analysis import analyze_all
from opskit.checks.catalogue import CODES, all_checks, check_of, checks_of_layer, default_checks
from opskit.checks.fix import Fix
from opskit.checks.interface import Check, CheckResult, Finding, Status, failed, not_reached
from opskit.checks.run import run_check
from opskit.commands import AwsCall, InstanceCommand
from opskit.config import Target
from opskit.diagnosis.result import Verdict
from opskit.diagnosis.root_causes import find_root_causes, leads_to, of_other_database
from opskit.diagnosis.run import doubted_database, judge
from opskit.engine.interface import LoginFailure
from opskit.facts.interface import Unknown
from opskit.facts.login import LoginAttemptResult
from opskit.facts.security_groups import SecurityGroups
from opskit.facts.snapshot import Snapshot
from opskit.probe.response import Health
from opskit.sandbox.faults import FAULTS
from opskit.symptom import Place, Symptom, SymptomKind, place, symptom
from tests import builders as b
from tests import recorded
from tests.test_recorded import judged

GONE = b.probe(connections=(b.connection("timeout"),), attempts=(), health=None)


def codes(results: Any) -> list[str]:
    return [result.check.code for result in results]


# Pairs from different layers, as recorded; the step that comes first in a connection is named first.
PAIRS = {
    ("container-stopped", "ingress-removed"): ["NET001", "APP001"],
    ("container-stopped", "role-lacks-decrypt"): ["IAM003", "APP001"],
    ("container-stopped", "parameter-drift"): ["PAR004", "APP001"],
    ("container-stopped", "database-stopped"): ["RDS001", "APP001"],
    ("role-lacks-get-parameter", "ingress-wrong-group"): ["IAM002", "NET002"],
    ("role-wrong-path", "database-stopped"): ["IAM005", "RDS001"],
    ("role-lacks-decrypt", "dns-name-gone"): ["IAM003", "DNS001"],
    ("key-disabled", "role-explicit-deny"): ["PAR003", "IAM010"],
    ("key-disabled", "nacl-reply-dropped"): ["PAR003", "NET004"],
    ("key-policy-without-role", "egress-missing"): ["IAM012", "NET005"],
    ("boundary-too-low", "route-blackhole"): ["IAM009", "NET009"],
    ("parameter-missing", "ingress-removed"): ["PAR001", "NET001"],
    ("parameter-drift", "ingress-removed"): ["PAR004", "NET001"],
    ("parameter-port", "ingress-removed"): ["PAR005", "NET001"],
    ("parameter-port", "database-stopped"): ["PAR005", "RDS001"],
    ("parameter-drift", "dns-name-gone"): ["PAR004", "DNS001"],
    ("ingress-removed", "database-stopped"): ["RDS001", "NET001"],
    ("ingress-wrong-port", "tls-not-used"): ["NET003", "TLS001"],
    ("nacl-deny-first", "stale-worker"): ["NET007", "APP002"],
    ("database-stopped", "tls-not-used"): ["RDS001", "TLS001"],
    ("dns-public-address", "balancer-shut-out"): ["DNS002", "NET014"],
    ("tls-not-used", "password-mismatch"): ["TLS001", "AUT001"],
    ("tls-not-used", "parameter-newline"): ["PAR006", "TLS001"],
    ("role-double-slash", "password-mismatch"): ["IAM006", "AUT001"],
    ("organization-denies", "tls-not-used"): ["IAM011", "TLS001"],
    ("balancer-shut-out", "password-mismatch"): ["NET014", "AUT001"],
    ("password-mismatch", "stale-worker"): ["AUT001", "APP002"],
    ("parameter-newline", "stale-worker"): ["PAR006", "APP002"],
    # What the first fault hides shows only after its fix: no login reaches the password.
    ("ingress-removed", "password-mismatch"): ["NET001"],
    ("parameter-drift", "password-mismatch"): ["PAR004"],
    ("key-disabled", "password-mismatch"): ["PAR003"],
    # A newline and another password look the same to the database.
    ("parameter-newline", "password-mismatch"): ["PAR006"],
    # The rules of another app's database are none of the app's faults.
    ("parameter-other-team", "role-lacks-decrypt"): ["PAR010", "IAM003"],
}
"""Two recorded faults -> the root causes, in causal order."""


def results_of(snapshot: Snapshot) -> tuple[CheckResult, ...]:
    """The results, without the verification of fixes, which is slow and tested elsewhere."""
    snapshot = analyze_all(snapshot)
    doubted = doubted_database(snapshot)
    findings = ((c, run_check(c, snapshot)) for c in default_checks())
    return find_root_causes(CheckResult(c, of_other_database(c, f, doubted)) for c, f in findings)


def causes_of(snapshot: Snapshot) -> list[str]:
    return codes(r for r in results_of(snapshot) if r.is_root_cause)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_two_faults_are_two_root_causes(first: str, second: str) -> None:
    assert causes_of(recorded.combine(first, second)) == PAIRS[first, second]


ONE_FAULT = {
    ("PAR010", "*"): "what is judged of another app's database is none of the app's faults",
    ("RDS003", "AUT001"): "RDS has set another password than the parameter holds",
    ("PAR006", "AUT001"): "a newline and another password look the same to the database",
    ("PAR004", "DNS002"): "the name that resolves publicly is not the database's",
    ("AUT001", "APP002"): "where the parameter is wrong, the app's other password may be right",
}
"""(cause, explained) -> why two failures of a pair are findings of one fault."""


@pytest.mark.full
def test_no_fault_of_a_pair_that_fails_is_explained_away() -> None:
    names = [n for n, fault in FAULTS.items() if fault.status == "fail" and not fault.is_symptom]
    order = list(CODES)
    names.sort(key=lambda n: order.index(FAULTS[n].code))
    pairs = [(a, c) for a, c in combinations(names, 2) if FAULTS[a].code[:3] != FAULTS[c].code[:3]]
    for first, second in Random(11).sample(pairs, 120):
        results = {r.check.code: r for r in results_of(recorded.combine(first, second))}
        for code in (FAULTS[first].code, FAULTS[second].code):
            cause = results[code].caused_by
            if results[code].finding.status is Status.FAIL and cause is not None:
                assert {(cause, code), (cause, "*")} & ONE_FAULT.keys(), (first, second)


def test_reading_and_decrypting_are_two_rights() -> None:
    """A role without any statement lacks both: the second one showed only after the fix of the first."""
    probe = b.probe(reads=())
    assert causes_of(b.snapshot(replace(b.role_policies(), identity=()), probe)) == [
        "IAM002",
        "IAM003",
    ]


def test_an_app_that_ends_by_itself_is_a_symptom_and_one_that_is_stopped_a_fault() -> None:
    closed = b.groups((b.rule(5432, "sg-alb"),))
    for exit_code, causes in ((1, ["NET002"]), (143, ["NET002", "APP001"])):
        ended = b.container(status="exited", exit_code=exit_code, serves_health=None)
        probe = b.probe(
            containers=(ended,),
            connections=GONE.result.connections,
            attempts=(),
            health=Health("http://127.0.0.1:3000/health", None, None, "Connection refused"),
        )
        assert causes_of(b.snapshot(closed, probe)) == causes


def test_a_database_that_reboots_is_the_cause_of_a_refusal() -> None:
    refused = b.connection("refused")
    login = LoginAttemptResult(
        False, LoginFailure.REFUSED, "Connection refused", 1.0, "", "the instance", "linkbox"
    )
    probe = b.probe(connections=(refused,), attempts=(), health=None)
    snapshot = b.snapshot(b.database(status="rebooting"), probe, login)
    assert causes_of(snapshot) == ["RDS001"]


def test_an_app_that_names_another_symptom_is_not_explained() -> None:
    """It says that its password is refused: no closed rule leads there."""
    closed = b.groups((b.rule(5432, "sg-alb"),))
    says = 'FATAL:  password authentication failed for user "linkbox"'
    probe = b.probe(
        connections=GONE.result.connections,
        attempts=(),
        health=Health("http://127.0.0.1:3000/health", 503, 2.0, says),
    )
    diagnosis = judged(b.snapshot(closed, probe))
    assert codes(diagnosis.root_causes) == ["NET002"]
    assert codes(u.result for u in diagnosis.unexplained) == ["APP003"]
    assert diagnosis.verdict is Verdict.BROKEN


def test_a_hop_limit_is_the_cause_of_an_app_without_credentials() -> None:
    health = Health("http://127.0.0.1:3000/health", 503, 2.0, "Unable to locate credentials")
    own = b.instance(metadata_tokens="required", metadata_hop_limit=1)
    behind = b.probe(containers=(b.container(network="bridge"),), health=health)
    diagnosis = judged(b.snapshot(own, behind))
    assert codes(diagnosis.root_causes) == ["IAM004"]
    assert not diagnosis.unexplained, "it explains the app's answer"
    assert isinstance(diagnosis.root_causes[0].finding.fix, Fix)


def test_a_fault_explains_no_connection_to_another_address() -> None:
    closed = b.groups((b.rule(5432, "sg-alb"),))
    other = replace(b.connection("timeout"), address="10.9.9.9")
    diagnosis = judged(b.snapshot(closed, b.probe(connections=(other,), attempts=(), health=None)))
    assert codes(diagnosis.root_causes) == ["NET002"]
    assert codes(u.result for u in diagnosis.unexplained) == ["TCP001"]


DENIED = Unknown("you may not call ec2:DescribeSecurityGroups", ("ec2:DescribeSecurityGroups",))


@pytest.mark.parametrize("layer", ["", "tcp"])
def test_a_symptom_whose_rules_could_not_be_read_is_no_root_cause(layer: str) -> None:
    facts = {**b.linkbox(), type(GONE): b.known(GONE), SecurityGroups: DENIED}
    checks = checks_of_layer(layer) if layer else default_checks()
    diagnosis = judge(Snapshot(facts), Target("x", b.NAMES), "us-east-1", checks)
    assert diagnosis.verdict is Verdict.CAUSE_NOT_DETERMINED
    assert diagnosis.root_causes == ()
    assert diagnosis.exit_status == 1
    [unexplained] = diagnosis.unexplained
    arn = diagnosis.target.operator
    assert "ec2:DescribeSecurityGroups" in map(str, unexplained.missing)
    assert unexplained.sentence(arn).startswith("traffic to 10.0.5.10:5432 is dropped; ")
    assert unexplained.sentence(arn).endswith(f"{arn} lacks ec2:DescribeSecurityGroups")


def test_a_layer_alone_names_the_layers_that_would_tell_the_cause() -> None:
    facts = {**b.linkbox(), type(GONE): b.known(GONE)}
    diagnosis = judge(Snapshot(facts), Target("x", b.NAMES), "us-east-1", checks_of_layer("tcp"))
    [unexplained] = diagnosis.unexplained
    assert {"NET002", "NET004", "RDS001"} <= {c.code for c in unexplained.not_run}
    assert unexplained.sentence(None).endswith(
        "(parameters, database, dns, network) were not part of this diagnosis"
    )


def test_a_missing_right_is_explained_by_no_fault() -> None:
    rows = (
        CheckResult(check_of("NET002"), failed("closed")),
        CheckResult(check_of("AUT001"), run_check(check_of("AUT001"), Snapshot({}))),
    )
    assert [r.caused_by for r in find_root_causes(rows)] == [None, None]


def test_a_restart_ends_many_faults_and_an_aws_call_one() -> None:
    restart = Fix((InstanceCommand("i-1", (("docker", "restart", "app"),)),))
    rows = (
        CheckResult(check_of("APP002"), failed("x", fix=restart)),
        CheckResult(check_of("APP004"), failed("y", fix=restart)),
    )
    assert [r.caused_by for r in find_root_causes(rows)] == [None, None]


def test_of_faults_that_explain_one_another_none_is_lost() -> None:
    where = place(parameters=["password"])
    rows = (
        CheckResult(
            check_of("AUT001"),
            failed("x", symptom=symptom(SymptomKind.LOGIN_REFUSED, where, is_fault=True)),
        ),
        CheckResult(
            check_of("APP002"),
            failed("y", symptom=symptom(SymptomKind.SETTINGS_DIFFER, where, is_fault=True)),
        ),
    )
    assert [r.caused_by for r in find_root_causes(rows)] == [None, "AUT001"]


FIXES = (None, *(Fix((AwsCall("ec2", "X", {"Id": i}),)) for i in "ab"))


def some(random: Random, of: Sequence[Any], most: int) -> frozenset[Any]:
    return frozenset(random.sample(of, random.randint(0, most)))


def finding_of(random: Random, check: Check) -> Finding:
    """A failure or an unknown result as the check can have it."""
    names = ("hosts", "addresses", "parameters", "roles", "clients")
    places = [Place(**{name: some(random, "ab", 2) for name in names}) for _ in range(2)]
    through = some(random, list(SymptomKind), 4)
    if random.random() < 0.3:
        return not_reached("x", through, place=places[0])
    kind = random.choice((None, *check.symptoms))
    shown = Symptom(kind, places[0], through, random.random() < 0.5) if kind else None
    return failed("x", fix=random.choice(FIXES), place=places[1], symptom=shown)


@pytest.mark.parametrize("seed", range(4))
def test_a_fault_with_evidence_of_its_own_is_never_explained_away(seed: int) -> None:
    random = Random(seed)
    checks = [c for c in all_checks() if c.leads_to or c.symptoms]
    for _ in range(250):
        chosen = sorted(random.sample(checks, random.randint(1, 12)), key=checks.index)
        rows = [CheckResult(check, finding_of(random, check)) for check in chosen]
        assert_explained(find_root_causes(rows))


def assert_explained(ordered: Sequence[CheckResult]) -> None:
    """Assert that every explanation is a mechanism, and that a fault is left as the root cause."""
    by_code = {r.check.code: r for r in ordered}
    for result in ordered:
        shown = result.finding.symptom
        if result.caused_by is None:
            continue
        cause = by_code[result.caused_by]
        assert cause.finding.status is Status.FAIL
        assert cause.caused_by is None, "a chain is followed to its root"
        if shown is None:
            calls = result.finding.fix.commands if result.finding.fix else ()
            assert any(
                f.finding.fix and f.finding.fix.commands == calls
                for f in ordered
                if f is not result
            )
        else:
            leads = [f for f in ordered if f.finding.status is Status.FAIL and leads_to(f, shown)]
            assert leads or result.finding.fix, "no mechanism leads there"
    fails = [r for r in ordered if r.finding.status is Status.FAIL]
    assert not fails or any(r.caused_by is None for r in fails), "all explain one another"


@pytest.mark.parametrize("check", all_checks(), ids=lambda c: c.code)
def test_symptoms_that_a_check_shows_are_declared(check: Check) -> None:
    for snapshot in (recorded.load(name) for name in SHOWING.get(check.code, ())):
        finding = run_check(check, analyze_all(snapshot))
        if finding.status is Status.FAIL and finding.symptom is not None:
            assert finding.symptom.kind in check.symptoms


SHOWING = {
    "TCP001": ("ingress-removed", "dns-public-address"),
    "TCP002": ("database-stopped",),
    "DNS001": ("parameter-drift",),
    "DNS002": ("dns-public-address",),
    "AUT001": ("password-mismatch",),
    "APP002": ("stale-environment",),
    "APP003": ("ingress-removed", "container-stopped"),
}
"""Code -> recorded faults in which it fails as a symptom."""
