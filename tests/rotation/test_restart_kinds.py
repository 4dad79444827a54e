"""Kinds of workloads and of restarts that opskit does not have work in a rotation without a line in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest

from opskit import workload
from opskit.commands import AwsCall
from opskit.config import Target
from opskit.engine.postgresql.engine import ENGINE
from opskit.errors import CannotProceed
from opskit.rotation import connections as connections_module
from opskit.rotation.composition import create_restarter
from opskit.rotation.connections import TargetConnections
from opskit.rotation.planning import restart_targets
from opskit.rotation.protocol.fence import Fence
from opskit.rotation.steps.restart import read, write
from opskit.transport.interface import CommandResult, TransportContext
from opskit.workload import read_location, write_location
from opskit.workload.ec2_instance import InstanceLocation
from opskit.workload.interface import Location, RestartTarget
from opskit.workload.restart import HostRestart, RestartKind, ServiceRestart
from tests import builders as b
from tests.fake_aws import FakeClient
from tests.workload.test_workloads import COMPOSE, ComposeProject, ThisMachine

HEALTH = "http://127.0.0.1:3000/health"


class ProjectRestart(HostRestart):
    """A compose project on this machine."""

    name = "compose"
    noun = "a project"
    name_form = re.compile("[a-z]+")
    place_form = re.compile("here")

    def location(self, place: str) -> Location:
        return ThisMachine()

    def program(self, name: str) -> tuple[str, ...]:
        return ("docker", "compose", "--project-name", name, "up", "-d", "--force-recreate")


class AppRunner(ServiceRestart):
    """A service that AWS starts again."""

    name = "apprunner"
    noun = "an App Runner service"
    name_form = place_form = re.compile("[a-z]+")
    service = "apprunner"
    missing: ClassVar = {"ResourceNotFoundException": "the service is not there"}

    def parse(self, text: str) -> tuple[str, str]:
        return text, "all"

    def restart_call(self, name: str, place: str) -> AwsCall:
        return AwsCall("apprunner", "StartDeployment", {"ServiceArn": name})

    def describe_call(self, name: str, place: str) -> AwsCall:
        return AwsCall("apprunner", "DescribeService", {"ServiceArn": name})

    def progress(self, reply: Mapping[str, Any]) -> tuple[str, bool]:
        is_running = reply["Service"]["Status"] == "RUNNING"
        return ("" if is_running else "it is being deployed"), is_running


@pytest.fixture(autouse=True)
def more_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (ProjectRestart(), AppRunner()):
        monkeypatch.setitem(workload.RESTARTS, kind.name, kind)
    monkeypatch.setitem(workload.WORKLOADS, ComposeProject.kind.name, ComposeProject)


class Machine:
    """Transport to a machine whose app answers after its restart as it is told to."""

    name = "made up"

    def __init__(self, health: str, exit_status: int = 0) -> None:
        self.health, self.exit_status = health, exit_status
        self.scripts: list[str] = []

    def run(self, script: str, **_: Any) -> CommandResult:
        self.scripts.append(script)
        if len(self.scripts) == 1:
            return CommandResult(self.exit_status, "", "no such project\n")
        lines = (
            f"opskit-probe\t1\tpython\nasked\tcontainers\nhealth\t{HEALTH}\t{self.health}\nend\n"
        )
        return CommandResult(0, lines, "")


class Service(FakeClient):
    """App Runner: it deploys for a while."""

    def __init__(self) -> None:
        self.states, self.started = ["OPERATION_IN_PROGRESS", "RUNNING"], list[Any]()

    def start_deployment(self, **arguments: Any) -> Mapping[str, Any]:
        self.started.append(arguments)
        return {}

    def describe_service(self, **_: Any) -> Mapping[str, Any]:
        return {"Service": {"Status": self.states.pop(0)}}


class Accounts:
    """Clients of one account."""

    region = "us-east-1"

    def __init__(self, **clients: Any) -> None:
        self._clients = clients

    def client(self, service: str) -> Any:
        return self._clients[service]

    def write_client(self, service: str, before_send: Any) -> Any:
        return self._clients[service]


def restart(target: RestartTarget, machine: Machine, **clients: Any) -> Any:
    asked: list[Location] = []

    def transport(location: Location) -> Any:
        asked.append(location)
        return machine

    accounts: Any = Accounts(**clients)
    function = create_restarter(
        accounts, Fence(0.0), transport, 0.05, lambda _: None, iter(range(1000)).__next__,
        ENGINE,
    )  # fmt: skip
    return function(target), asked


@pytest.mark.parametrize(
    ("health", "exit_status", "is_healthy"),
    [("200\t1\tok", 0, True), ("503\t1\tno", 0, False), ("200\t1\tok", 1, False)],
)
def test_a_third_kind_is_restarted_by_its_own_program(
    health: str, exit_status: int, is_healthy: bool
) -> None:
    machine = Machine(health, exit_status)
    [target] = restart_targets.select(("auto",), COMPOSE, b.probe(), "aaaaaa", lambda _: ())
    assert read(write(target)) == target
    result, asked = restart(target, machine)
    assert (asked, result.is_healthy) == ([ThisMachine()], is_healthy)
    assert machine.scripts[0] == "docker compose --project-name shop up -d --force-recreate"


def test_a_service_of_another_kind_is_restarted_by_its_own_calls() -> None:
    service = Service()
    [target] = restart_targets.select(
        ("apprunner:shop",), COMPOSE, b.probe(), "aaaaaa", lambda _: ()
    )
    assert not restart_targets.needs_instance(("apprunner:shop",))
    result, asked = restart(target, Machine(""), apprunner=service)
    assert (result.is_healthy, asked) == (True, [])
    assert service.started == [{"ServiceArn": "shop"}]


@pytest.mark.parametrize("text", ["compose\tSHOP\there\t", "compose\tshop\tthere\t", "x\ta\tb\t"])
def test_a_record_of_another_form_is_not_obeyed(text: str) -> None:
    with pytest.raises(
        CannotProceed, match="neither a container nor a service nor a project nor an"
    ):
        read(text)


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch, name: str) -> Iterator[list[TransportContext]]:
    contexts: list[TransportContext] = []

    def create(context: TransportContext, *_: Any) -> Any:
        contexts.append(context)
        return Machine("200\t1\tok")

    monkeypatch.setattr(connections_module, name, create)
    yield contexts


@pytest.mark.parametrize("app", [b.task(), COMPOSE], ids=["task", "compose"])
def test_a_rotation_connects_through_the_place_of_its_record(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = read_location(write_location(app))
    assert location is not None
    assert location.target == app.location.target
    assert not isinstance(location, InstanceLocation)
    own = TargetConnections(b.healthy(Target), Accounts(), lambda _: None)  # type: ignore[arg-type]
    with recorded(monkeypatch, "create_tunnel") as contexts:
        connector = own.connector(ENGINE, "db.example", 5432, "shop", location, "the app")
        assert connector._open_transport is not None
        connector._open_transport(lambda _: None)
    assert [context.location for context in contexts] == [location]
    with recorded(monkeypatch, "create_transport") as contexts:
        own.ask_instance(location, "db.example", 5432, ENGINE)
    assert [context.location for context in contexts] == [location]


def test_every_kind_has_one_mechanism() -> None:
    for name, kind in workload.RESTARTS.items():
        assert kind.name == name
        assert isinstance(kind, RestartKind)
        assert isinstance(kind, HostRestart) != isinstance(kind, ServiceRestart)
