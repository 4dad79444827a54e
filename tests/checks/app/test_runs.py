"""APP001: what ended beside a running app is no fault, and no old release is ever started."""

from __future__ import annotations

from dataclasses import replace

from opskit.checks.interface import Status
from opskit.config import Target
from tests import builders as b
from tests.checks.app.scene import (
    ANSWERS,
    SILENT,
    UNHEALTHY,
    commands,
    container,
    ended,
    judge,
    probe,
)


def test_an_old_release_beside_a_healthy_app_is_no_fault() -> None:
    found = judge("APP001", probe(container("green"), ended("blue"), health=ANSWERS))
    assert found.status is Status.PASS
    assert any("blue" in e.text and "no fault" in e.text for e in found.evidence)


def test_an_old_release_beside_an_unhealthy_app_is_no_fault() -> None:
    green = container("green", serves_health=True)
    found = judge("APP001", probe(green, ended("blue"), health=UNHEALTHY))
    assert found.status is Status.PASS
    assert found.fix is None


def test_an_old_release_is_not_started_where_it_is_not_known_who_serves() -> None:
    found = judge("APP001", probe(ended("blue"), container("green"), health=None))
    assert found.status is Status.PASS


def test_an_old_release_is_not_started_while_the_new_one_does_not_listen_yet() -> None:
    green = container("green", serves_health=False, created_at="2026-01-01T09:05:00Z")
    found = judge("APP001", probe(ended("blue"), green, health=SILENT))
    assert found.status is Status.PASS
    assert found.fix is None


def test_the_app_that_ended_beside_its_worker_is_started() -> None:
    worker = container("worker", serves_health=False, created_at="2026-01-01T00:00:00Z")
    found = judge("APP001", probe(worker, ended("backend"), health=SILENT))
    assert found.status is Status.FAIL
    assert commands(found) == ["docker start backend"]
    assert found.fix is not None
    assert [c.programs for c in found.fix.undo] == [(("docker", "stop", "backend"),)]  # type: ignore[union-attr]
    assert "docker logs --tail 50 backend" in found.fix.caution


def test_a_migration_that_is_done_is_not_started_in_place_of_the_app() -> None:
    migration = ended("migrate", exit_code=0)
    found = judge("APP001", probe(migration, ended("backend"), health=SILENT))
    assert commands(found) == ["docker start backend"]


def test_of_several_none_is_started() -> None:
    found = judge("APP001", probe(ended("v1"), ended("v2", image="x:2"), health=SILENT))
    assert found.status is Status.FAIL
    assert found.fix is None
    for name in ("v1", "v2", "x:2", "exit code 1", "2026-01-01 09:00:00 UTC", "--container NAME"):
        assert name in found.advice


def test_the_one_that_publishes_the_port_is_the_app() -> None:
    backend = ended("backend", serves_health=True)
    found = judge("APP001", probe(ended("other"), backend, health=SILENT))
    assert commands(found) == ["docker start backend"]


def test_one_that_was_named_is_the_app_however_it_ended() -> None:
    target = replace(b.healthy(Target), container="backend")
    found = judge("APP001", target, probe(ended("backend", exit_code=0), health=SILENT))
    assert commands(found) == ["docker start backend"]


def test_nothing_is_started_where_all_that_ended_was_work_that_is_done() -> None:
    done = ended("migrate", exit_code=0)
    found = judge("APP001", probe(done, health=SILENT))
    assert (found.status, found.fix) == (Status.FAIL, None)
    assert "docker start NAME" in found.advice
    assert judge("APP001", probe(done, health=None)).status is Status.UNKNOWN


def test_one_that_ends_again_and_again_is_not_started_but_read() -> None:
    found = judge("APP001", probe(ended("backend", status="restarting"), health=SILENT))
    assert (found.status, found.fix) == (Status.FAIL, None)
    assert "docker logs --tail 50 backend" in found.advice


def test_one_that_is_paused_goes_on() -> None:
    found = judge("APP001", probe(container("backend", status="paused"), health=SILENT))
    assert commands(found) == ["docker unpause backend"]
