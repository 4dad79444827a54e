"""What has to be read for a fact, and what an analysis that cannot run leaves behind."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from opskit import analysis
from opskit.analysis import ANALYSES, analyze_all, required_facts
from opskit.checks.iam.effective_permissions import EffectivePermissions
from opskit.facts.binding import inputs_of, outputs_of
from opskit.facts.database import Database
from opskit.facts.interface import FactUnavailable, Known, Unknown
from opskit.facts.region import Region
from opskit.facts.security_groups import SecurityGroups
from opskit.facts.snapshot import Snapshot
from opskit.facts.subnets import Subnets
from opskit.policy.role_access import RoleAccess
from opskit.reachability import database_paths
from opskit.reachability.database_paths import DatabasePaths
from opskit.reachability.load_balancer_paths import LoadBalancerPaths
from opskit.workload.interface import Workload
from tests import builders as b


class TestRequired:
    def test_a_fact_that_is_read_requires_itself(self) -> None:
        assert required_facts([Region, Database]) == {Region, Database}
        assert required_facts([]) == set()

    def test_an_analysis_requires_its_inputs(self) -> None:
        wanted = {item.type for item in inputs_of(database_paths.analyze)}
        assert required_facts([DatabasePaths]) == wanted

    def test_the_inputs_of_an_input_are_required_too(self) -> None:
        required = required_facts([LoadBalancerPaths, Region])
        assert {Region, SecurityGroups, Subnets} <= required
        assert DatabasePaths not in required

    def test_no_analysis_has_to_be_read(self) -> None:
        derived = {kind for function in ANALYSES for kind in outputs_of(function)}
        assert not derived & required_facts(derived)

    def test_every_analysis_comes_after_those_that_it_needs(self) -> None:
        derived = {kind: n for n, function in enumerate(ANALYSES) for kind in outputs_of(function)}
        for number, function in enumerate(ANALYSES):
            assert all(derived.get(item.type, -1) < number for item in inputs_of(function))


def facts() -> Snapshot:
    read = {k: f for k, f in b.snapshot().facts.items() if k not in (DatabasePaths, RoleAccess)}
    return Snapshot(read, 7, 3)


class TestAnalyzeAll:
    def test_results_are_added_and_counts_stay(self) -> None:
        before = facts()
        after = analyze_all(before)
        paths = after.get(DatabasePaths)
        assert isinstance(paths, Known)
        assert paths.source == "derived"
        assert 0 <= (datetime.now(UTC) - paths.read_at).total_seconds() < 600
        assert (after.calls, after.rounds) == (7, 3)
        assert DatabasePaths not in before.facts
        assert isinstance(after.get(EffectivePermissions), Known), "it needs another's result"

    def test_an_unknown_input_is_passed_on(self) -> None:
        unknown = Unknown("you may not read it", ("ec2:DescribeSubnets",))
        after = analyze_all(Snapshot({**facts().facts, Subnets: unknown}))
        assert after.get(DatabasePaths) is unknown
        assert after.get(LoadBalancerPaths) is unknown
        assert isinstance(after.get(RoleAccess), Known), "others go on"

    @pytest.mark.parametrize(
        ("error", "unknown"),
        [
            (FactUnavailable("it has none", "a role"), Unknown("it has none", ("a role",))),
            (KeyError("x"), None),
        ],
    )
    def test_an_analysis_that_fails_leaves_all_its_facts_unknown(
        self, error: Exception, unknown: Unknown | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def analyze(app: Workload) -> DatabasePaths:
            raise error

        analyze.__annotations__ = {"app": Workload, "return": DatabasePaths}
        monkeypatch.setattr(analysis, "ANALYSES", (analyze,))
        fact = analyze_all(facts()).get(DatabasePaths)
        assert isinstance(fact, Unknown)
        if unknown is not None:
            assert fact == unknown
        else:
            assert fact.bug.startswith("KeyError")
