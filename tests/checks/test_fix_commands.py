"""The commands that several checks offer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from opskit.checks.fix_commands import (
    call,
    docker,
    is_fixed,
    recreate,
    restart_commands,
    restart_if_unhealthy,
    restart_names,
    set_public,
)
from opskit.commands import AwsCall, InstanceCommand
from opskit.facts.interface import Unknown
from opskit.probe.response import ConnectionSetting, Health
from opskit.workload.ec2_instance import Ec2InstanceWorkload
from tests import builders as b

UNKNOWN = Unknown("you may not read it", ("x:Y",))
APP = b.known(b.healthy(Ec2InstanceWorkload))
FROM_COMPOSE = ConnectionSetting("config", "password", "aaaaaa", "PGPASSWORD", "")
FIXED = b.container(name="fixed", settings=(FROM_COMPOSE,))
READS = b.container(name="reads")
RESTART = InstanceCommand("i-1", (("docker", "restart", "reads"),))


def test_calls_have_the_names_of_the_api() -> None:
    assert call("kms", "EnableKey", KeyId="k") == AwsCall("kms", "EnableKey", {"KeyId": "k"})
    for is_public in (True, False):
        assert set_public("db", is_public=is_public) == AwsCall(
            "rds",
            "ModifyDBInstance",
            {
                "DBInstanceIdentifier": "db",
                "PubliclyAccessible": is_public,
                "ApplyImmediately": True,
            },
        )


def test_docker_runs_on_the_instance() -> None:
    assert docker(APP.value, "unpause", READS) == (
        InstanceCommand("i-1", (("docker", "unpause", "reads"),)),
    )


@pytest.mark.parametrize(
    ("service", "command"),
    [
        ("web", "docker compose --project-directory /srv/app up -d --force-recreate web"),
        ("", "docker compose --project-directory /srv/app up -d --force-recreate"),
    ],
)
def test_a_compose_service_is_created_again(service: str, command: str) -> None:
    container = replace(READS, project_directory="/srv/app", service=service)
    assert " ".join(recreate(container)) == command


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ((FROM_COMPOSE,), True),
        ((replace(FROM_COMPOSE, source="process"),), False),
        ((replace(FROM_COMPOSE, name="host"),), False),
        ((), False),
    ],
)
def test_a_password_of_the_container_s_configuration_is_fixed(
    settings: tuple[ConnectionSetting, ...], expected: bool
) -> None:
    assert is_fixed(b.container(settings=settings)) is expected


class TestRestart:
    def test_containers_that_read_the_parameters_are_restarted(self) -> None:
        probe = b.known(b.probe(containers=(FIXED, READS)))
        assert restart_commands(APP, probe) == (RESTART,)
        assert restart_names(APP, probe) == ("reads",)

    @pytest.mark.parametrize(
        ("app", "probe"),
        [
            (UNKNOWN, b.known(b.probe())),
            (APP, UNKNOWN),
            (APP, b.known(b.probe(containers=(FIXED,)))),
        ],
    )
    def test_what_is_not_known_is_not_restarted(self, app: Any, probe: Any) -> None:
        assert restart_commands(app, probe) == ()
        assert restart_names(app, probe) == ()

    @pytest.mark.parametrize(
        ("health", "commands"),
        [
            (Health("http://127.0.0.1:3000/health", 500, 3.0, ""), (RESTART,)),
            (Health("http://127.0.0.1:3000/health", 200, 3.0, ""), ()),
            (None, ()),
        ],
    )
    def test_an_unhealthy_app_is_restarted(self, health: Health | None, commands: Any) -> None:
        probe = b.known(b.probe(containers=(READS,), health=health))
        assert restart_if_unhealthy(APP, probe) == commands
        assert restart_if_unhealthy(APP, UNKNOWN) == ()
