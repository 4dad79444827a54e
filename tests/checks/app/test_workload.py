"""Sentences about an ECS task say `the task`, and no word is replaced in a finished sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from opskit.config import Target
from opskit.facts.dns import OperatorDns
from opskit.probe.response import Health, Resolution
from tests import builders as b
from tests.checks.app.scene import judge

TASK = replace(b.healthy(Target), ecs_task="prod/service:the-instance-api")
ELSEWHERE = OperatorDns(b.HOST, "NOERROR", (b.HOST,), ("10.0.9.9",), ("10.0.0.2",))


def texts(*replaced: Any) -> str:
    found = [judge(c, *replaced) for c in ("DNS001", "DNS002", "DNS003", "APP003")]
    return " ".join(f"{f.summary} {f.advice} {[e.text for e in f.evidence]}" for f in found)


def test_of_a_task_it_is_said_that_it_is_one() -> None:
    sick = b.probe(health=Health("http://x/health", 503, 1.0, "no"))
    message = texts(TASK, sick, ELSEWHERE) + texts(
        TASK, b.probe(resolutions=(Resolution(b.HOST, ("203.0.113.25",), ""),))
    )
    assert "on the task" in message
    assert "the instance" not in message
    assert "on the instance" in texts(sick)


def test_a_name_that_holds_the_words_is_left_alone() -> None:
    host = replace(b.healthy(Target))
    assert host.workload_kind.definite == "the instance"
    assert TASK.workload_kind.definite == "the task"
    body = Health("http://x/health", 503, 1.0, "the instance of Pool is closed")
    found = judge("APP003", TASK, b.probe(health=body))
    assert "the instance of Pool is closed" in found.summary
