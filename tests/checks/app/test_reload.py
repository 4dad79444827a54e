"""APP002 and APP004: the container that the finding names is restarted, and only where that helps."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from opskit.checks.fix import Danger
from opskit.checks.fix_commands import restart_commands, restart_if_unhealthy, restart_names
from opskit.checks.interface import Finding, Status
from opskit.engine.interface import LoginFailure
from opskit.facts.dns import OperatorDns
from opskit.facts.login import LoginAttemptResult
from opskit.probe.response import Health, LoginAttempt
from opskit.workload.interface import Workload
from tests import builders as b
from tests.checks.app.scene import UNHEALTHY, commands, container, ended, judge, probe, setting

STALE = setting("password", "bbbbbb")
OTHER_HOST = setting("host", "other.host")
ENV = "/srv/linkbox/.env"
APP = b.linkbox()[Workload]


def login(failure: LoginFailure) -> LoginAttemptResult:
    return LoginAttemptResult(False, failure, "no", 1.0, "", "the instance", "linkbox")


def advice(finding: Finding, *words: str) -> None:
    assert finding.status in (Status.FAIL, Status.WARN)
    assert finding.fix is None, finding.fix
    commands = [" ".join(c.arguments) for c in finding.advice_commands]
    for word in words:
        assert word in " ".join([finding.advice, *commands])


def test_the_worker_that_is_named_is_restarted_and_not_the_first_container() -> None:
    backend, worker = container("backend", serves_health=True), container("worker", STALE)
    found = judge("APP002", probe(backend, worker))
    assert found.summary.startswith("worker runs with another password")
    assert commands(found) == ["docker restart worker"]
    assert found.fix is not None
    assert found.fix.restarts == ("worker",)
    assert Danger.RESTARTS_APP in found.fix.dangers


def test_every_container_that_is_stale_is_named_and_restarted() -> None:
    found = judge("APP004", probe(container("a", OTHER_HOST), container("b", OTHER_HOST)))
    assert "a uses host other.host" in found.summary
    assert "b uses host other.host" in found.summary
    assert commands(found) == ["docker restart a", "docker restart b"]


def test_one_that_ended_is_not_judged_by_its_settings() -> None:
    found = judge("APP002", probe(container("new"), ended("old", STALE)))
    assert found.status is Status.PASS
    assert judge("APP004", probe(container("new"), ended("old", OTHER_HOST))).status is Status.PASS


def test_after_a_parameter_the_container_that_serves_is_restarted() -> None:
    both = probe(container("worker", serves_health=False), container("backend", serves_health=True))
    assert restart_names(APP, b.known(both)) == ("backend",)
    (command,) = restart_commands(APP, b.known(both))
    assert command.programs == (("docker", "restart", "backend"),)  # type: ignore[union-attr]


def test_where_none_is_known_to_serve_every_one_that_runs_is_restarted() -> None:
    both = probe(ended("old"), container("worker"), container("backend"))
    assert restart_names(APP, b.known(both)) == ("worker", "backend")
    assert len(restart_commands(APP, b.known(both))) == 2


def test_an_app_that_ended_without_its_settings_is_restarted() -> None:
    assert restart_names(APP, b.known(probe(ended("backend"), health=UNHEALTHY))) == ("backend",)


def test_one_whose_settings_are_fixed_does_not_read_parameters() -> None:
    fixed = container("backend", setting("password", "aaaaaa", "config"))
    assert restart_commands(APP, b.known(probe(fixed))) == ()


def test_an_app_that_redirects_its_health_path_is_healthy() -> None:
    redirects = probe(container("backend"), health=Health("http://x/", 302, 1.0, ""))
    assert restart_if_unhealthy(APP, b.known(redirects)) == ()


def test_an_ecs_service_is_named() -> None:
    assert restart_names(b.known(b.task()), b.known(b.probe())) == ("shop",)


@pytest.mark.parametrize("code", ["APP002", "APP004"])
def test_no_restart_where_the_parameters_do_not_log_in(code: str) -> None:
    stale = probe(container("backend", STALE, OTHER_HOST))
    advice(judge(code, stale, login(LoginFailure.PASSWORD)), "is refused", "Set that right first")


def test_no_restart_takes_away_a_password_that_works() -> None:
    works = LoginAttempt("container:backend", True, "", "", 8.0, "TLSv1.3", "require")
    stale = probe(container("backend", STALE), attempts=(works,))
    advice(judge("APP002", stale, login(LoginFailure.PASSWORD)), "rotate-password repair")


def test_no_restart_for_a_password_parameter_with_a_newline() -> None:
    password = b.parameter("password", format_problems=("a trailing newline",))
    stale = probe(container("backend", STALE))
    advice(judge("APP002", stale, b.parameters(password=password)), "a trailing newline")


def test_no_restart_where_the_parameter_itself_holds_host_and_port() -> None:
    endpoint = b.parameter("endpoint", value=f"{b.HOST}:5432")
    taken_whole = probe(container("backend", setting("host", f"{b.HOST}:5432")))
    found = judge("APP004", taken_whole, b.parameters(endpoint=endpoint))
    advice(found, "/linkbox/db-endpoint itself holds", "PGHOST", f"host alone into it, {b.HOST}")


def test_no_restart_where_rds_contradicts_the_parameter() -> None:
    old = b.parameters(endpoint=b.parameter("endpoint", value="old.host"))
    dns = OperatorDns("old.host", "NXDOMAIN", ("old.host",), (), ())
    gone = login(LoginFailure.NO_NAME)
    found = judge("APP004", probe(container("backend")), old, dns, gone)
    advice(found, f"linkbox-db is at {b.HOST}")


def test_a_restart_where_the_parameter_holds_an_alias() -> None:
    alias = b.parameters(endpoint=b.parameter("endpoint", value="db.internal"))
    dns = OperatorDns("db.internal", "NOERROR", ("db.internal", b.HOST), ("10.0.5.10",), ())
    found = judge("APP004", probe(container("backend", OTHER_HOST)), alias, dns)
    assert commands(found) == ["docker restart backend"]


def test_an_alias_counts_also_without_a_login() -> None:
    alias = b.parameters(endpoint=b.parameter("endpoint", value="db.internal"))
    dns = OperatorDns("db.internal", "NOERROR", ("db.internal", b.HOST), ("10.0.5.10",), ())
    silent = login(LoginFailure.NO_ANSWER)
    found = judge("APP004", probe(container("backend", OTHER_HOST)), alias, dns, silent)
    assert commands(found) == ["docker restart backend"]


def test_an_endpoint_without_a_port_names_no_wrong_one() -> None:
    found = judge("APP004", probe(container("backend", OTHER_HOST)), login(LoginFailure.NO_ANSWER))
    assert commands(found) == ["docker restart backend"]


def test_no_restart_onto_an_address_but_for_another_setting() -> None:
    endpoint = b.parameters(endpoint=b.parameter("endpoint", value="10.0.5.10"))
    advice(judge("APP004", probe(container("backend")), endpoint), "holds an address")
    user = setting("user", "postgres")
    at_address = probe(container("backend", setting("host", "10.0.5.10"), user))
    assert commands(judge("APP004", at_address, endpoint)) == ["docker restart backend"]


def test_clocks_may_differ_by_some_seconds() -> None:
    soon = (b.NOW + timedelta(seconds=5)).isoformat()
    found = judge("APP004", probe(container("backend", OTHER_HOST, started_at=soon)))
    assert commands(found) == ["docker restart backend"]


def test_no_restart_for_a_port_that_no_parameter_names() -> None:
    found = judge("APP004", probe(container("backend", setting("port", "5433"))))
    advice(found, "names no port", "PGPORT")


def test_no_restart_where_the_app_started_after_the_parameter_was_written() -> None:
    later = (b.NOW + timedelta(hours=1)).isoformat()
    found = judge("APP004", probe(container("backend", OTHER_HOST, started_at=later)))
    advice(found, "started after /linkbox/db-endpoint was written last", "path, Region or file")


def test_no_new_container_takes_a_value_that_rds_contradicts() -> None:
    old = b.parameters(endpoint=b.parameter("endpoint", value="old.host"))
    dns = OperatorDns("old.host", "NXDOMAIN", ("old.host",), (), ())
    edited = probe(container("backend", fixed("host", b.HOST, file_value="old.host")))
    advice(judge("APP004", edited, old, dns, login(LoginFailure.NO_NAME)), "linkbox-db is at")


def fixed(name: str, value: str, **more: Any) -> Any:
    return setting(name, value, "config", file=ENV, **more)


def test_a_wrong_value_in_the_env_file_is_corrected_there() -> None:
    wrong = fixed("host", "other.host", file_value="other.host", is_plain=True)
    advice(judge("APP004", probe(container("backend", wrong))), "PGHOST", ENV, "--force-recreate")


def test_a_container_is_created_again_where_its_file_is_right_already() -> None:
    old = fixed("host", "other.host", file_value=b.HOST)
    found = judge("APP004", probe(container("backend", old)))
    assert commands(found) == [
        "docker compose --project-directory /srv/linkbox up -d --force-recreate backend"
    ]
    assert found.fix is not None
    assert found.fix.restarts == ("backend",)


def test_a_value_of_unknown_origin_is_not_fixed_by_a_new_container() -> None:
    found = judge("APP002", probe(container("backend", setting("password", "bbbbbb", "config"))))
    advice(found, "was given to backend when it was created", "not known here")


def test_the_rest_is_told_where_only_one_of_two_is_healed_by_a_restart() -> None:
    unknown = container("worker", setting("password", "bbbbbb", "config"))
    found = judge("APP002", probe(container("backend", STALE), unknown))
    assert commands(found) == ["docker restart backend"]
    assert found.fix is not None
    assert "was given to worker" in found.fix.caution
