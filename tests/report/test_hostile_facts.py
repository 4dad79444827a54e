"""No text of a fact or an error acts on the terminal or passes for a line of opskit's; JSON stays exact."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from opskit.analysis import analyze_all
from opskit.commands import LocalCommand
from opskit.diagnosis.result import Diagnosis
from opskit.errors import AwsError
from opskit.facts.gather import unknown_from
from opskit.facts.interface import Unknown, fact_type
from opskit.facts.security_groups import SecurityGroups
from opskit.facts.snapshot import Snapshot
from opskit.report import diagnosis_json as json_report
from opskit.report import diagnosis_text as text_report
from opskit.report.interface import Style
from tests import builders as b
from tests.report.hostile import HOSTILE, poisoned, poisoned_everywhere, problems
from tests.report.test_text import GONE, diagnosis

STYLES = (
    Style(detail=0),
    Style(),
    Style(detail=2, path_from="alb", color=True),
    Style(detail=2, path_from="app", width=60),
    Style(detail=2, unicode=False),
)
FACTS = {kind.__name__: kind for kind in b.linkbox()}
BROKEN = (b.groups((b.rule(5432, "sg-alb"),)), GONE)


def facts_of(*replaced: Any) -> dict[type, Any]:
    return {**b.linkbox(), **{fact_type(value): b.known(value) for value in replaced}}


def assert_harmless(found: Diagnosis) -> None:
    for style in STYLES:
        output = text_report.render(found, style)
        assert problems(output) == [], style
    exact = json.loads(json.dumps(json_report.document(found, {})))
    for unicode in (True, False):
        output = json_report.render(found, Style(unicode=unicode))
        assert problems(output) == []
        assert json.loads(output) == exact


@pytest.mark.parametrize("name", FACTS)
def test_all_texts_of_a_fact(name: str) -> None:
    """In a healthy LinkBox, and in one whose root cause is printed with a fix."""
    for facts in (facts_of(), facts_of(*BROKEN)):
        hostile = b.known(poisoned_everywhere(facts[FACTS[name]].value))
        assert_harmless(diagnosis(analyze_all(Snapshot({**facts, FACTS[name]: hostile}))))


@pytest.mark.full
@pytest.mark.parametrize("name", FACTS)
def test_each_text_of_a_fact(name: str) -> None:
    for facts in (facts_of(), facts_of(*BROKEN)):
        for value in poisoned(facts[FACTS[name]].value):
            snapshot = Snapshot({**facts, FACTS[name]: b.known(value)})
            assert_harmless(diagnosis(analyze_all(snapshot)))


@pytest.mark.parametrize(
    "name", ["DbInstances", "Database", "InstanceProbe", "SecurityGroups", "LoginAttemptResult"]
)
def test_each_text_of_a_fact_that_is_often_shown(name: str) -> None:
    facts = facts_of(*BROKEN)
    for value in poisoned(facts[FACTS[name]].value):
        assert_harmless(diagnosis(analyze_all(Snapshot({**facts, FACTS[name]: b.known(value)}))))


@pytest.mark.parametrize("name", FACTS)
def test_a_fact_that_is_unknown_for_a_hostile_reason(name: str) -> None:
    refused = AwsError(f"rds:Describe{HOSTILE}", "AccessDenied", HOSTILE)
    failed = AwsError("rds:Describe", HOSTILE, HOSTILE)
    for unknown in (unknown_from(refused), unknown_from(failed), Unknown(HOSTILE, (HOSTILE,))):
        assert_harmless(diagnosis(analyze_all(Snapshot({**facts_of(), FACTS[name]: unknown}))))


def test_the_place_and_the_options_of_the_target() -> None:
    found = diagnosis(b.snapshot(*BROKEN))
    hostile = replace(found, target=poisoned_everywhere(found.target))
    undetermined = diagnosis(b.snapshot(unknown=(type(GONE),)))
    for style in STYLES:
        named = replace(style, command=f"opskit {HOSTILE}", operator_command=f"opskit {HOSTILE}")
        assert problems(text_report.render(hostile, named)) == []
        assert problems(text_report.render(undetermined, named)) == []
    document = json.loads(json_report.render(hostile, Style()))
    assert document["target"]["instance_name"] == hostile.target.instance_name


def test_the_reports_do_show_it() -> None:
    """The test reaches the place: a hostile name stands in the report, in its visible form."""
    groups = BROKEN[0].by_id
    named = replace(groups["sg-db"], name=f"database-sg{HOSTILE}")
    broken = SecurityGroups({**groups, "sg-db": named})
    output = text_report.render(diagnosis(b.snapshot(broken, GONE)), Style())
    assert r"database-sgx\x1b[2J\x1b]52;c;Zm9v\x07\x9b31m\x85\u202e" in output


def test_a_command_is_whole_or_not_shown() -> None:
    """A letter that shows nothing may be a part of a value; the JSON has it."""
    found = diagnosis(b.snapshot(*BROKEN))
    cause = next(j for j in found.judged if j.finding.fix)
    assert cause.finding.fix is not None
    fix = replace(cause.finding.fix, commands=(LocalCommand(("rm", "a\u3164b")),), undo=())
    finding = replace(cause.finding, fix=fix)
    judged = tuple(replace(j, finding=finding) if j is cause else j for j in found.judged)
    output = text_report.render(replace(found, judged=judged), Style())
    assert "rm" not in output.split()
    assert "--output json prints it" in output
