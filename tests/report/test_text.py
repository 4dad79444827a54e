"""The text for people, as whole files; `OPSKIT_GOLDEN=renew pytest tests/report` renews them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from opskit.analysis import analyze_all
from opskit.checks.catalogue import checks_of_layer, default_checks
from opskit.checks.fix_verification import verify_fix
from opskit.checks.interface import Check, CheckResult
from opskit.checks.run import run_check
from opskit.checks.shell_rendering import Caller
from opskit.diagnosis.result import Diagnosis, TargetSummary
from opskit.diagnosis.root_causes import find_root_causes, verdict_of
from opskit.diagnosis.run import network_paths
from opskit.errors import Alternatives
from opskit.facts.interface import Unknown
from opskit.facts.load_balancer import LoadBalancer
from opskit.facts.rds import DbSubnet
from opskit.facts.security_groups import SecurityGroups
from opskit.facts.snapshot import Snapshot
from opskit.probe.response import Resolution
from opskit.report.diagnosis_text import render
from opskit.report.interface import Style
from tests import builders as b

GOLDEN = Path(__file__).parents[1] / "golden"
PLACE = TargetSummary(
    "linkbox",
    "us-east-1",
    "123456789012",
    "arn:x",
    "i-1",
    "linkbox-backend-1",
    "linkbox-db",
    "run-command",
)
GONE = b.probe(connections=(b.connection("timeout"),), attempts=(), health=None)
COMMAND = "opskit diagnose db --prefix /linkbox"
RUNBOOKS = {"NET002": "could-not-connect"}


def diagnosis(snapshot: Snapshot, checks: Sequence[Check] = ()) -> Diagnosis:
    caller = Caller("us-east-1", "", "--prefix /linkbox")
    judged = find_root_causes(
        CheckResult(c, verify_fix(c, run_check(c, snapshot), snapshot, caller))
        for c in checks or default_checks()
    )
    return Diagnosis(
        PLACE, judged, verdict_of(judged), network_paths(snapshot), 24, 4, 1.23, caller=caller
    )


CASES = {
    "healthy": (b.snapshot(), Style()),
    "broken": (b.snapshot(b.groups((b.rule(5432, "sg-alb"),)), GONE), Style()),
    "broken-narrow": (b.snapshot(b.groups((b.rule(5432, "sg-alb"),)), GONE), Style(width=60)),
    "broken-colour": (b.snapshot(b.groups((b.rule(5432, "sg-alb"),)), GONE), Style(color=True)),
    "broken-ascii": (b.snapshot(b.groups((b.rule(5432, "sg-alb"),)), GONE), Style(unicode=False)),
    "broken-quiet": (b.snapshot(b.groups((b.rule(5432, "sg-alb"),)), GONE), Style(detail=0)),
    "path": (b.snapshot(b.groups((b.rule(5432, "sg-alb"),)), GONE), Style(path_from="alb")),
    "path-from-app": (b.snapshot(), Style(path_from="app", detail=0)),
    "undetermined": (b.snapshot(unknown=(type(GONE),)), Style()),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    snapshot, style = CASES[name]
    style = replace(style, command=COMMAND, runbooks=RUNBOOKS)
    text = without_counts(render(diagnosis(snapshot), style)) + "\n"
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("OPSKIT_GOLDEN") == "renew":
        path.write_text(text)
    assert text == path.read_text()


IN_ONE_SUBNET = (
    b.database(subnets=(DbSubnet("subnet-app", "a"),)),
    b.probe(
        resolutions=(Resolution(b.HOST, ("10.0.2.99",), ""),),
        connections=(replace(b.connection("connected"), address="10.0.2.99"),),
    ),
)
NO_REPLY = b.acl("db", ("subnet-db-a", "subnet-db-b"), b.entry(100, "in", "0.0.0.0/0", None))
PATHS = {
    "path-open": b.snapshot(),
    "path-drops-replies": b.snapshot(b.acls(db=NO_REPLY), GONE),
    "path-in-one-subnet": b.snapshot(*IN_ONE_SUBNET),
    "path-without-balancer": b.snapshot(unknown=(LoadBalancer,)),
}


@pytest.mark.parametrize("name", PATHS)
def test_the_path_from_the_load_balancer(name: str) -> None:
    """`diagnose network --from alb`: eleven numbered checkpoints of a three-tier app, there and back."""
    style = Style(path_from="alb", command=f"{COMMAND} --from alb", runbooks=RUNBOOKS)
    text = without_counts(render(diagnosis(PATHS[name], checks_of_layer("network")), style)) + "\n"
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("OPSKIT_GOLDEN") == "renew":
        path.write_text(text)
    assert text == path.read_text()
    numbers = [int(n) for n in re.findall(r"^  (\d+) +\S", text, re.MULTILINE)]
    assert numbers == list(range(1, 12))


NOT_DETERMINED = {
    "cause-not-determined": (b.snapshot(GONE, unknown=(SecurityGroups,)), default_checks()),
    "tcp-alone": (b.snapshot(GONE), checks_of_layer("tcp")),
}


@pytest.mark.parametrize("name", NOT_DETERMINED)
def test_a_symptom_without_a_cause_says_why_there_is_none(name: str) -> None:
    snapshot, checks = NOT_DETERMINED[name]
    style = Style(command=COMMAND, runbooks=RUNBOOKS)
    text = without_counts(render(diagnosis(snapshot, checks), style)) + "\n"
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("OPSKIT_GOLDEN") == "renew":
        path.write_text(text)
    assert text == path.read_text()
    assert "ROOT CAUSE" not in text


def without_counts(text: str) -> str:
    """The text without the numbers that every new check changes."""
    return re.sub(r"\d+ (checks|not judged)", r"N \1", text)


def test_the_last_line_counts() -> None:
    snapshot, style = CASES["broken"]
    found = diagnosis(snapshot)
    unknown = sum(j.finding.status == "unknown" for j in found.judged)
    last = render(found, style).splitlines()[-1]
    assert last.startswith(f"{len(found.judged)} checks · 24 AWS calls in 4 rounds · 1.2 s")
    assert f" · {unknown} not judged" in last


def test_alternatives_are_reported_a_line_each() -> None:
    unknown = Unknown("nothing could be sent", (Alternatives(("x:A", "x:B, or so")), "x:C"))
    snapshot = analyze_all(Snapshot({**b.linkbox(), type(GONE): unknown}))
    text = render(diagnosis(snapshot), Style())
    assert "    needs x:A\n       or x:B, or so\n      and x:C\n" in text


def test_lines_to_read_fit_and_commands_are_whole() -> None:
    snapshot, _ = CASES["broken"]
    text = render(diagnosis(snapshot), Style(runbooks=RUNBOOKS, command=COMMAND))
    for line in text.splitlines():
        assert len(line) <= 100 or line.startswith(("  AWS_PAGER= aws ", "THEN")), line
    command = (
        "AWS_PAGER= aws --region us-east-1 ec2 authorize-security-group-ingress --group-id sg-db "
        "--protocol tcp --port 5432 --source-group sg-web"
    )
    assert f"\n  {command}\n" in text


def test_nothing_but_ascii_where_the_locale_has_nothing_else() -> None:
    snapshot, _ = CASES["broken"]
    assert render(diagnosis(snapshot), Style(unicode=False)).isascii()


def test_a_command_is_never_altered_by_what_the_terminal_cannot_show() -> None:
    found = replace(diagnosis(CASES["broken"][0]), caller=Caller("us-east-1", "bücher"))
    style = Style(runbooks=RUNBOOKS, command=COMMAND)
    assert "--profile 'bücher' ec2 authorize" in render(found, style)
    text = render(found, replace(style, unicode=False))
    assert "ec2 authorize" not in text
    assert "this terminal cannot show" in text
