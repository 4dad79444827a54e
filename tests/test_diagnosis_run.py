"""From a snapshot to a diagnosis: what is summarized, what is passed on, and what ends the run."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from opskit.checks.catalogue import check_of, default_checks
from opskit.checks.interface import CheckResult, Finding, Status, failed, passed
from opskit.checks.shell_rendering import Caller
from opskit.config import Target
from opskit.diagnosis import run
from opskit.diagnosis.result import Diagnosis, TargetSummary, Verdict
from opskit.diagnosis.run import (
    bugs_of,
    doubted_database,
    judge,
    network_paths,
    notices_of,
    raise_if_unreachable,
)
from opskit.errors import ExitStatus, TargetError
from opskit.facts.database import Database
from opskit.facts.given_facts import Now
from opskit.facts.identity import Identity
from opskit.facts.interface import Unknown
from opskit.facts.login import LoginAttemptResult, TunnelLogin
from opskit.facts.probe import InstanceProbe
from opskit.facts.rds import DbInstances
from opskit.facts.region import Region
from opskit.facts.snapshot import Snapshot
from opskit.facts.target_health import TargetHealths
from opskit.reachability.database_paths import DatabasePaths
from opskit.reachability.load_balancer_paths import LoadBalancerPaths
from opskit.workload.interface import Workload
from tests import builders as b

TARGET = Target("linkbox", b.NAMES, "/linkbox", profile="ops", config_file="/etc/opskit.toml")
OPEN = b.groups((b.rule(5432, "sg-alb"),))
GONE = b.probe(connections=(b.connection("timeout"),), attempts=(), health=None)


def diagnosis(snapshot: Snapshot, target: Target = TARGET) -> Diagnosis:
    return judge(snapshot, target, "us-east-1", default_checks())


class TestJudge:
    def test_a_healthy_snapshot(self) -> None:
        found = diagnosis(replace(b.snapshot(), calls=24, rounds=4))
        assert found.target == TargetSummary(
            name="linkbox",
            region="us-east-1",
            account="123456789012",
            operator="arn:aws:iam::123456789012:user/oncall",
            instance="i-1",
            instance_name="linkbox-backend-1",
            database="linkbox-db",
            via="run-command",
            config_file="/etc/opskit.toml",
        )
        assert (found.verdict, found.exit_status) == (Verdict.HEALTHY, ExitStatus.HEALTHY)
        assert (found.calls, found.rounds, found.seconds) == (24, 4, 0.0)
        assert [j.check for j in found.judged] == list(default_checks())
        assert (found.notices, found.bugs) == ((), ())
        assert found.caller == Caller("us-east-1", "ops", TARGET.flags)
        assert found.network_paths is not None
        assert found.judged_at == b.NOW

    def test_bugs_of_readers_are_passed_on(self) -> None:
        facts = {**b.snapshot().facts, Identity: Unknown("a bug in opskit", bug="KeyError a")}
        del facts[Now]
        found = diagnosis(Snapshot(facts))
        assert found.bugs == ("KeyError a",)
        assert found.judged_at is None

    def test_what_is_not_known_is_left_out_of_the_summary(self) -> None:
        kinds = (Identity, Workload, Database, InstanceProbe)
        target = replace(TARGET, config_file="", profile=None)
        found = diagnosis(b.snapshot(unknown=kinds), target)
        assert found.target == TargetSummary(
            "linkbox", "us-east-1", None, None, None, None, None, None, None
        )
        assert found.caller.profile == ""
        assert found.network_paths is None

    def test_a_failure_is_a_cause_with_a_verified_fix(self) -> None:
        found = diagnosis(b.snapshot(OPEN, GONE))
        [cause] = found.root_causes
        assert cause.check.code == "NET002"
        assert cause.finding.fix is not None
        assert cause.finding.fix.changes, "it was evaluated"
        assert (found.verdict, found.exit_status) == (Verdict.DEGRADED, ExitStatus.FAULT)

    def test_the_analyses_are_run_again(self) -> None:
        read = b.snapshot(OPEN).facts
        bare = {k: f for k, f in read.items() if k not in (DatabasePaths, LoadBalancerPaths)}
        assert diagnosis(Snapshot(bare)).network_paths is not None


class TestDiagnose:
    def test_a_run_reads_what_the_checks_need_and_is_timed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: dict[str, Any] = {}

        def gather(wanted: Any, clients: Any, given: Any, **options: Any) -> Snapshot:
            asked.update(wanted=set(wanted), clients=clients, given=list(given), **options)
            options["on_wait"]("reading")
            return b.snapshot()

        clock = iter([10.0, 12.5])
        monkeypatch.setattr(run, "gather", gather)
        monkeypatch.setattr(run, "time", SimpleNamespace(monotonic=lambda: next(clock)))
        waits: list[str] = []
        clients: Any = object()
        found = run.diagnose(
            TARGET, clients, "us-east-1", [check_of("HYG004")], timeout_s=9, on_wait=waits.append
        )
        assert found.seconds == 2.5
        assert [j.check.code for j in found.judged] == ["HYG004"]
        assert asked["wanted"] == {Database, Identity}
        assert (asked["clients"], asked["deadline_s"], waits) == (clients, 9, ["reading"])
        assert TARGET in asked["given"]
        assert Region("us-east-1") in asked["given"]
        assert asked["allows_ambiguity"] is False
        assert found.target.region == found.caller.region == "us-east-1"

    @pytest.mark.parametrize(
        ("codes", "expected"), [(("OPR001", "OPR002"), True), (("OPR001", "HYG004"), False)]
    )
    def test_the_operator_s_rights_alone_need_no_single_database(
        self, codes: tuple[str, ...], expected: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        options: dict[str, Any] = {}

        def gather(*_: Any, **given: Any) -> Snapshot:
            options.update(given)
            return b.snapshot()

        monkeypatch.setattr(run, "gather", gather)
        clients: Any = object()
        run.diagnose(TARGET, clients, "us-east-1", [check_of(code) for code in codes])
        assert options["allows_ambiguity"] is expected

    def test_a_minute_is_the_limit_and_nothing_is_told(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        options: dict[str, Any] = {}

        def gather(*_: Any, **given: Any) -> Snapshot:
            options.update(given)
            given["on_wait"]("reading")
            return Snapshot({DbInstances: UNREACHABLE, Identity: UNREACHABLE})

        monkeypatch.setattr(run, "gather", gather)
        with pytest.raises(TargetError, match="in eu-west-1"):
            run.diagnose(TARGET, object(), "eu-west-1", [check_of("HYG004")])  # type: ignore[arg-type]
        assert options["deadline_s"] == 60


UNREACHABLE = Unknown("no connection", is_unreachable=True)
DENIED = Unknown("you may not", ("x:Y",))


class TestUnreachable:
    def test_it_is_one_error_with_its_reason(self) -> None:
        with pytest.raises(TargetError) as caught:
            raise_if_unreachable(Snapshot({Identity: UNREACHABLE}), TARGET, "eu-west-1")
        assert caught.value.sentence == "AWS does not answer in eu-west-1: no connection"
        assert "HTTPS_PROXY" in caught.value.next_step

    @pytest.mark.parametrize(
        "facts",
        [
            {},
            {Identity: DENIED},
            {Identity: UNREACHABLE, DbInstances: DENIED},
            {Identity: UNREACHABLE, DbInstances: b.known(DbInstances(()))},
            {Database: UNREACHABLE},
        ],
    )
    def test_one_answer_is_enough(self, facts: Any) -> None:
        raise_if_unreachable(Snapshot(facts), TARGET, "eu-west-1")


def test_notices_of_both_transports_are_told_once() -> None:
    probe = replace(b.probe(), notices=("a new key", "a slow one"))
    tunnel = TunnelLogin(None, ("a slow one", "another"))
    assert notices_of(b.snapshot(probe, tunnel)) == ("a new key", "a slow one", "another")
    assert notices_of(b.snapshot(probe)) == ("a new key", "a slow one")
    assert notices_of(Snapshot({TunnelLogin: b.known(tunnel)})) == ("a slow one", "another")
    assert notices_of(Snapshot()) == ()


def test_bugs_of_readers_and_checks_are_told_once() -> None:
    snapshot = Snapshot({Identity: Unknown("x", bug="KeyError a"), Database: DENIED})
    findings = [
        replace(failed("x"), bug="KeyError b"),
        replace(failed("x"), bug="KeyError a"),
        passed("ok"),
    ]
    assert bugs_of(snapshot, findings) == ("KeyError a", "KeyError b")


class TestNetworkPaths:
    def test_all_of_it(self) -> None:
        snapshot = b.snapshot()
        found = network_paths(snapshot)
        assert found is not None
        assert found.paths == snapshot.value(DatabasePaths)
        assert found.load_balancer_paths == snapshot.value(LoadBalancerPaths)
        assert found.targets == b.healthy(TargetHealths).all

    def test_as_far_as_it_is_known(self) -> None:
        found = network_paths(b.snapshot(unknown=(TargetHealths,)))
        assert found is not None
        assert found.targets == ()
        assert network_paths(Snapshot()) is None


FAILED, WARNED = failed("x"), Finding(Status.WARN, "x")


@pytest.mark.parametrize(
    ("finding", "changes", "status"),
    [
        (passed("ok"), {}, ExitStatus.HEALTHY),
        (FAILED, {}, ExitStatus.FAULT),
        (FAILED, {"bugs": ("x",), "verdict": Verdict.UNDETERMINED}, ExitStatus.FAULT),
        (passed("ok"), {"bugs": ("x",)}, ExitStatus.BUG),
        (passed("ok"), {"bugs": ("x",), "verdict": Verdict.UNDETERMINED}, ExitStatus.BUG),
        (passed("ok"), {"verdict": Verdict.UNDETERMINED}, ExitStatus.NOT_JUDGED),
        (WARNED, {}, ExitStatus.HEALTHY),
        (WARNED, {"fails_on_warning": True}, ExitStatus.FAULT),
        (passed("ok"), {"fails_on_warning": True}, ExitStatus.HEALTHY),
    ],
)
def test_the_exit_status(finding: Finding, changes: dict[str, Any], status: ExitStatus) -> None:
    rows = (CheckResult(check_of("PAR001"), finding),)
    found = replace(diagnosis(b.snapshot()), judged=rows, **changes)
    assert found.exit_status is status


@pytest.mark.parametrize(
    ("doubt", "login", "doubted"),
    [("", None, ""), ("it may be another's", None, "linkbox-db"), ("it may be another's", False, "linkbox-db"), ("it may be another's", True, "")],
)  # fmt: skip
def test_a_database_is_doubted_until_a_login_succeeds(
    doubt: str, login: bool | None, doubted: str
) -> None:
    database = replace(b.database(), doubt=doubt)
    facts = [b.known(database)]
    if login is not None:
        facts.append(b.known(replace(b.healthy(LoginAttemptResult), succeeded=login)))
    snapshot = Snapshot({type(fact.value): fact for fact in facts})
    assert doubted_database(snapshot) == doubted
    assert doubted_database(Snapshot()) == ""


def test_a_finding_with_a_cause_is_no_cause() -> None:
    rows = (
        CheckResult(check_of("NET002"), failed("x")),
        replace(CheckResult(check_of("TCP001"), failed("x")), caused_by="NET002"),
        CheckResult(check_of("PAR001"), Finding(Status.PASS, "x")),
    )
    found = replace(diagnosis(b.snapshot()), judged=rows)
    assert found.root_causes == rows[:1]
