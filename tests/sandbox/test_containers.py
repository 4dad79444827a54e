"""Containers beside the app on the imitated instance, as people make them: with `docker run`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from opskit.sandbox import lifecycle
from tests.conftest import Operator
from tests.sandbox.test_sandbox import on_instance

RUN = "docker run --env-file {project}/.env"


@pytest.fixture
def instance(operator: Operator) -> Iterator[Operator]:
    """The instance, without the containers that a test adds."""
    operator.wait_until_healthy()
    yield operator
    for name in ("linkbox-old", "linkbox-migrate"):
        on_instance(operator, f"docker rm -f {name}")
    assert on_instance(operator, "docker start linkbox-backend") == "Success"
    operator.wait_until_healthy()


def app_check(operator: Operator) -> dict[str, Any]:
    found, _ = operator.diagnose(layer="app")
    return next(c for c in found["checks"] if c["code"] == "APP001")


def test_what_ended_beside_the_app_is_told_from_the_app(instance: Operator) -> None:
    run = RUN.format(project=instance.running.project)
    image = "linkbox/backend"
    assert on_instance(instance, f"{run} --name linkbox-migrate {image}:1.4.2 migrate") == "Success"
    old = f"{run} -d --name linkbox-old {image}:1.4.1 worker && docker stop linkbox-old"
    assert on_instance(instance, old) == "Success"

    found = app_check(instance)
    assert found["status"] == "pass"
    beside = [e["text"] for e in found["evidence"] if "no fault" in e["text"]]
    assert [text.split(": ")[1].split()[0] for text in beside] == ["linkbox-migrate", "linkbox-old"]

    assert on_instance(instance, "docker stop linkbox-backend") == "Success"
    found = app_check(instance)
    assert (found["status"], found["fix"]) == ("fail", None)
    assert "linkbox/backend:1.4.1, exited" in found["advice"]
    assert "linkbox-backend" in found["advice"]
    assert "linkbox-migrate" not in found["advice"]

    assert on_instance(instance, "docker rm linkbox-old") == "Success"
    found = app_check(instance)
    (command,) = found["fix"]["commands"]
    assert "docker start linkbox-backend" in command
    assert instance.script(command).returncode == 0
    instance.wait_until_healthy()
    assert app_check(instance)["status"] == "pass"


def test_the_worker_that_was_forgotten_is_restarted_and_not_the_app(operator: Operator) -> None:
    operator.wait_until_healthy()
    lifecycle.send_command(operator.running, "inject", ["stale-worker"])
    operator.wait_until_healthy()
    found, status = operator.diagnose()
    assert (found["verdict"], status) == ("degraded", 1)
    (cause,) = found["root_causes"]
    assert cause["code"] == "APP002"
    stale = next(c for c in found["checks"] if c["code"] == "APP002")
    (command,) = stale["fix"]["commands"]
    assert "docker restart linkbox-worker" in command
    assert operator.script(command).returncode == 0
    assert operator.wait_for(0)[1] == 0
