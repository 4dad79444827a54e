"""Pass means seen: every check of the catalogue with its facts unknown, empty and contradicting.

The facts, their values and the changes are made from the signatures of checks and readers and from the
types of the facts, so that a new check or field is tried without a line here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any

import pytest

from opskit.analysis import ANALYSES, required_facts
from opskit.checks.catalogue import all_checks
from opskit.checks.interface import Check, Finding, Status
from opskit.checks.run import run_check
from opskit.checks.seen import has_evidence
from opskit.facts.binding import bind, blocking_input, inputs_of, producers
from opskit.facts.gather import READERS
from opskit.facts.interface import Fact, Known, Unknown
from opskit.facts.snapshot import Snapshot
from opskit.sandbox.faults import FAULTS
from tests import builders as b
from tests import recorded
from tests.checks.variants import emptied, variants

CHECKS = all_checks()
READ = frozenset(producers(READERS))
"""The fact types that readers give: the others are given, such as the target, or derived."""
NEEDS = {check: required_facts(i.type for i in inputs_of(check.judge)) for check in CHECKS}
"""Check -> the facts that it depends on, through analyses too."""
HEALTHY = b.snapshot()
NOT_KNOWN = Unknown("you may not call x:Y", ("x:Y",))
FACTS = sorted((k for k in b.linkbox() if k in READ), key=lambda kind: kind.__name__)


def with_facts(facts: dict[type, Fact[Any]]) -> Snapshot:
    """The healthy LinkBox with other facts, and all that follows from them."""
    return b._analyzed({**b.linkbox(), **facts})


def judged_bare(check: Check, snapshot: Snapshot) -> Finding | None:
    """A check's finding without the guard of `run_check`; None where an unknown fact blocks it."""
    if blocking_input(check.judge, snapshot.get) is not None:
        return None
    return check.judge(**bind(check.judge, snapshot.get))


def problems(
    snapshot: Snapshot, checks: Iterable[Check], *, nothing_is_wrong: bool = False
) -> Iterator[str]:
    """The passes without evidence, the exceptions, and where nothing is wrong every alarm."""
    yield from (f"analysis: {bug}" for bug in snapshot.bugs)
    for check in checks:
        try:
            finding = judged_bare(check, snapshot)
        except Exception as error:
            yield f"{check.code}: {error!r} at {run_check(check, snapshot).bug}"
            continue
        if finding is None:
            continue
        if finding.status is Status.PASS and not has_evidence(check.passes_on, snapshot):
            yield f"{check.code} passes on nothing: {finding.summary}"
        if nothing_is_wrong and finding.status in (Status.FAIL, Status.WARN):
            yield f"{check.code} {finding.status}: {finding.summary}"


def concerned(kind: type) -> list[Check]:
    return [check for check in CHECKS if kind in NEEDS[check]]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.code)
def test_a_check_names_its_evidence_among_its_facts(check: Check) -> None:
    taken = {item.type for item in inputs_of(check.judge)}
    assert check.passes_on
    for way in check.passes_on:
        for seen in way:
            assert seen.fact in taken, seen.name
            value: Any = HEALTHY.get(seen.fact)
            assert isinstance(value, Known), seen.name
            for attribute in seen.path.split(".") if seen.path else ():
                value = value.value if isinstance(value, Known) else value
                assert value is None or hasattr(value, attribute), seen.name
                value = getattr(value, attribute, None)
    finding = judged_bare(check, HEALTHY)
    assert finding is not None
    assert finding.status is not Status.PASS or has_evidence(check.passes_on, HEALTHY)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.code)
def test_what_is_unknown_neither_passes_nor_fails(check: Check) -> None:
    """Every set of unknown facts, in an app where nothing is wrong."""
    given = {item.type for item in inputs_of(check.judge)} - {
        i for i in HEALTHY.facts if is_given(i)
    }
    kinds = sorted(given, key=lambda kind: kind.__name__)
    for count in range(1, len(kinds) + 1):
        for unknown in combinations(kinds, count):
            facts = {**HEALTHY.facts, **dict.fromkeys(unknown, NOT_KNOWN)}
            found = list(problems(Snapshot(facts), [check], nothing_is_wrong=True))
            assert found == [], [kind.__name__ for kind in unknown]


def is_given(kind: type) -> bool:
    derived = set(producers(ANALYSES))
    return kind not in READ and kind not in derived


@pytest.mark.parametrize("kind", FACTS, ids=lambda kind: kind.__name__)
def test_a_fact_that_is_unknown_or_empty_is_no_evidence(kind: type) -> None:
    assert (
        list(problems(with_facts({kind: NOT_KNOWN}), concerned(kind), nothing_is_wrong=True)) == []
    )
    empty = emptied(b.healthy(kind))
    assert list(problems(with_facts({kind: b.known(empty)}), concerned(kind))) == []


DEPTHS = [pytest.param(0, id="fields"), pytest.param(2, id="nested", marks=pytest.mark.full)]


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("kind", FACTS, ids=lambda kind: kind.__name__)
def test_a_fact_that_contradicts_the_others_is_judged(kind: type, depth: int) -> None:
    found = {}
    for description, other in variants(b.healthy(kind), depth):
        wrong = list(problems(with_facts({kind: b.known(other)}), concerned(kind)))
        if wrong:
            found[description] = wrong
    assert found == {}


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_the_facts_of_a_fault_among_healthy_ones_are_judged(name: str) -> None:
    """Every fact that a fault changes, alone in a healthy app: sources that contradict each other."""
    healthy, fault = recorded.load(recorded.HEALTHY), recorded.load(name)
    for kind, fact in fault.facts.items():
        if kind not in READ or fact == healthy.facts.get(kind):
            continue
        mixed = b._analyzed({**healthy.facts, kind: fact})
        assert list(problems(mixed, concerned(kind))) == [], kind.__name__


@pytest.mark.full
@pytest.mark.parametrize("name", sorted(FAULTS))
def test_less_knowledge_makes_no_failure_in_another_layer(name: str) -> None:
    """Within a layer a coarser code may take the place of a finer one.

    The load balancer's word on the app counts where the app itself was not asked.
    """
    snapshot = recorded.load(name)
    whole = b._analyzed(dict(snapshot.facts))
    alarms = (Status.FAIL, Status.WARN)
    before = {c.layer for c in CHECKS if run_check(c, whole).status in alarms} | {"app"}
    for kind in [k for k in snapshot.facts if k in READ]:
        blind = b._analyzed({**snapshot.facts, kind: NOT_KNOWN})
        after = {c.layer for c in CHECKS if run_check(c, blind).status is Status.FAIL}
        assert after <= before, kind.__name__
