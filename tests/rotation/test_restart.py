"""Restarts: one target after the other, each healthy before the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from opskit.errors import CannotProceed, NotExecuted, UsageError
from opskit.probe.response import ConnectionSetting, Container
from opskit.rotation.planning import restart_targets
from opskit.rotation.steps.restart import (
    DEPLOYED_WITHIN_S,
    POLL_S,
    SLOW_POLL_S,
    HostRestarter,
    ServiceRestarter,
    command_of,
    read,
    write,
)
from opskit.transport.interface import CommandResult
from opskit.workload.ec2_instance import ContainerRestart
from opskit.workload.ecs_task import ServiceDeployment
from opskit.workload.interface import RestartTarget, Workload
from tests import builders as b
from tests.conftest import Operator
from tests.fake_aws import FakeClient
from tests.rotation.scene import Scene

URL = "http://127.0.0.1:3000/health"
CONTAINER, SERVICE = ContainerRestart(), ServiceDeployment()
BATCH = RestartTarget("container", "web", "i-1", URL)


def lines(status: str, health: str) -> str:
    container = "\t".join(("container", "web", status, "", "0", "host", "", ""))
    return f"opskit-probe\t1\tsh\ntool\tsh\nasked\tcontainers\n{container}\nhealth\t{URL}\t{health}\nend\n"


class FakeTransport:
    """Transport that describes the container, replies to the restart, and then to the probes in turn."""

    name = "made up"

    def __init__(self, exit_status: int, *probes: str) -> None:
        self.exit_status, self.probes = exit_status, list(probes)
        self.scripts: list[str] = []

    def run(self, script: str, **_: Any) -> CommandResult:
        self.scripts.append(script)
        if len(self.scripts) == 1:
            return CommandResult(0, lines("running", "\t\t"), "")
        if len(self.scripts) == 2:
            return CommandResult(self.exit_status, "", "no such container\n")
        return CommandResult(0, self.probes.pop(0) if len(self.probes) > 1 else self.probes[0], "")


def containers(transport: FakeTransport, within_s: float = 0.05) -> HostRestarter:
    return HostRestarter(
        lambda _: transport, "us-east-1", lambda text: "password" in text, within_s, lambda _: None
    )


def test_it_waits_until_the_app_is_healthy() -> None:
    transport = FakeTransport(
        0,
        lines("exited", "\t\trefused"),
        lines("running", "503\t1\tstarting"),
        lines("running", "200\t1\tok"),
    )
    assert containers(transport, 5).restart(BATCH, CONTAINER).is_healthy
    assert transport.scripts[1] == "docker restart web"
    assert len(transport.scripts) == 5


@pytest.mark.parametrize(
    ("text", "is_about_login"),
    [("password authentication failed", True), ("disk full", False)],
)
def test_an_app_that_stays_ill_says_why(text: str, is_about_login: bool) -> None:
    done = containers(FakeTransport(0, lines("running", f"503\t1\t{text}"))).restart(
        BATCH, CONTAINER
    )
    assert not done.is_healthy
    assert text in done.why
    assert done.is_about_login is is_about_login


def test_a_command_that_fails_is_no_matter_of_logins() -> None:
    done = containers(FakeTransport(1, "")).restart(BATCH, CONTAINER)
    assert not done.is_healthy
    assert not done.is_about_login
    assert "no such container" in done.why


def test_a_road_that_is_closed_says_nothing_of_the_app() -> None:
    """The app is neither restarted nor unhealthy: the restart is tried again."""

    class Closed(FakeTransport):
        def run(self, script: str, **_: Any) -> CommandResult:
            raise NotExecuted("the agent is offline")

    done = containers(Closed(0)).restart(BATCH, CONTAINER)
    assert (done.is_healthy, done.is_about_login, done.is_unknown, done.why) == (
        False,
        False,
        True,
        "the agent is offline",
    )


@pytest.mark.parametrize(
    ("name", "directory", "is_fixed", "command"),
    [
        ("web", "", False, "docker restart web"),
        ("web", "/srv/app", False, "docker restart web"),
        (
            "web",
            "/srv/my app",
            True,
            "docker compose --project-directory '/srv/my app' up -d --force-recreate svc",
        ),
        ("we b", "", True, "docker restart 'we b'"),
    ],
)
def test_what_makes_a_container_read_anew(
    name: str, directory: str, is_fixed: bool, command: str
) -> None:
    source = "config" if is_fixed else "process"
    password = ConnectionSetting(source, "password", "aaaaaa", "PGPASSWORD", "")
    found = Container(name, "running", "", "0", "", directory, "svc", (password,))
    assert command_of(found) == command


def test_a_batch_comes_back_from_the_journal() -> None:
    for restart_target in (BATCH, RestartTarget("ecs", "s", "c")):
        assert read(write(restart_target)) == restart_target
    assert "docker" not in write(BATCH), "names, and never a command"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "container\tweb\ti-1\trm -rf /\thttp://127.0.0.1/",
        "container\tweb; rm -rf /\ti-1\t",
        "container\tweb\ti-1; id\t",
        "container\tweb\ti-1\tfile:///etc/shadow",
        "container\tweb\ti-1\thttp://127.0.0.1/ -o /etc/passwd",
        "container\t-v\ti-1\t",
        "ecs\ts/../x\tc\t",
        "shell\tweb\ti-1\t",
    ],
)
def test_a_record_that_names_anything_else_is_not_obeyed(text: str) -> None:
    with pytest.raises(CannotProceed, match="not obeyed"):
        read(text)


class Ecs(FakeClient):
    """ECS, which rolls out in three observations."""

    def __init__(self, *looks: Mapping[str, Any]) -> None:
        self.looks = list(looks)
        self.forced: list[dict[str, Any]] = []

    def update_service(self, **arguments: Any) -> None:
        self.forced.append(arguments)

    def describe_services(self, **_: Any) -> Mapping[str, Any]:
        return {"services": [self.looks.pop(0)]} if self.looks else {"services": []}


def look(deployments: int, running: int, state: str = "COMPLETED") -> dict[str, Any]:
    rows = [{"status": "PRIMARY", "rolloutState": state, "rolloutStateReason": "tasks fail"}]
    rows += [{"status": "ACTIVE"}] * (deployments - 1)
    return {"deployments": rows, "runningCount": running, "desiredCount": 2}


def test_a_service_is_deployed_when_one_deployment_is_left() -> None:
    ecs = Ecs(look(2, 2, "IN_PROGRESS"), look(2, 2), look(1, 1), look(1, 2))
    assert (
        ServiceRestarter(ecs, ecs, sleep=lambda _: None)
        .restart(restart_targets.service("ecs:c/s"), SERVICE)
        .is_healthy
    )
    assert ecs.forced == [{"cluster": "c", "service": "s", "forceNewDeployment": True}]


def test_a_deployment_that_fails_or_is_not_there() -> None:
    failing = Ecs(look(2, 1, "FAILED"))
    done = ServiceRestarter(failing, failing, sleep=lambda _: None).restart(
        restart_targets.service("ecs:s"), SERVICE
    )
    assert "tasks fail" in done.why
    assert (
        ServiceRestarter(Ecs(), Ecs(), sleep=lambda _: None)
        .restart(restart_targets.service("ecs:s"), SERVICE)
        .why
        == "the service is not there"
    )


def virtual_time() -> tuple[Callable[[float], None], Callable[[], float]]:
    """Return a sleep and a clock without real time."""
    now = [0.0]
    return lambda seconds: now.__setitem__(0, now[0] + seconds), lambda: now[0]


def test_each_wait_ends_at_its_limit() -> None:
    sleep, clock = virtual_time()
    ecs = Ecs(*[look(2, 1, "IN_PROGRESS")] * 1000)
    result = ServiceRestarter(ecs, ecs, sleep, clock).restart(
        restart_targets.service("ecs:s"), SERVICE
    )
    assert "not complete: 1 of 2" in result.why
    assert DEPLOYED_WITHIN_S <= clock() <= DEPLOYED_WITHIN_S + 2 * SLOW_POLL_S
    sleep, clock = virtual_time()
    transport = FakeTransport(0, lines("running", "503\tpassword\t"))
    result = HostRestarter(
        lambda _: transport, "us-east-1", lambda text: "password" in text, 2.0, sleep, clock
    ).restart(BATCH, CONTAINER)
    assert not result.is_healthy
    assert 2.0 <= clock() <= 2.0 + 2 * POLL_S


def held() -> str:
    return b.probe().containers[0].setting("password").value  # type: ignore[union-attr]


def choose(*options: str, fingerprint: str | None = None) -> list[str]:
    found = restart_targets.select(
        options, b.healthy(Workload)  ,  b.probe(), held() if fingerprint is None else fingerprint,
        lambda name: [f"{name}-1", f"{name}-2"],
    )  # fmt: skip
    return [f"{x.kind}:{x.name}@{x.where}" for x in found]


def test_what_is_restarted() -> None:
    [auto] = choose("auto")
    name, where = auto.split(":")[1].split("@")
    assert choose("auto", fingerprint="other") == []
    assert choose(f"container:{name}") == [auto]
    assert choose("asg:group") == [f"container:{name}@group-1", f"container:{name}@group-2"]
    assert choose("ecs:cluster/service", "auto") == [
        "ecs:service@cluster",
        f"container:{name}@{where}",
    ]


@pytest.mark.parametrize("wish", ["rocket", "container:", "asg:", "container:nobody"])
def test_what_cannot_be_restarted(wish: str) -> None:
    with pytest.raises(UsageError):
        choose(wish)


@pytest.mark.full
def test_a_service_is_deployed_anew(operator: Operator) -> None:
    """Its tasks have the new password when the rotation ends, on any instance."""
    operator.wait_until_healthy()
    scene = Scene(operator)
    status, output = scene.rotate("--restart", "ecs:linkbox/linkbox-backend")
    assert status == 0, output
    assert "the app is healthy" in output
    assert scene.verdict() == []
    operator.wait_for(0)
    status, output = scene.rotate("--restart", "ecs:linkbox/nowhere", "--on-unhealthy", "stop")
    assert status == 5, output
    assert "not there" in output
    status, output = scene.rotate("--rollback", "--restart", "none")
    assert status == 0, output
    assert scene.verdict() == []
