"""Every kind of workload gives what the checks, the analyses and the transports ask of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest

from opskit.checks.catalogue import all_checks, check_of
from opskit.checks.fix_commands import restart_commands, restart_names
from opskit.checks.fix_verification import verify_fix
from opskit.checks.interface import Status
from opskit.checks.run import run_check
from opskit.checks.shell_rendering import Caller, render
from opskit.commands import Command, InstanceCommand, LocalCommand
from opskit.config import SETTINGS, Target
from opskit.errors import UsageError
from opskit.facts import workload as workload_facts
from opskit.facts.binding import inputs_of
from opskit.facts.interface import FactUnavailable, Unknown, fact_type
from opskit.facts.operator_simulation import BY_KIND
from opskit.probe.response import Health
from opskit.rotation.steps.restart import read, write
from opskit.transport import CHOICES, TRANSPORTS, TUNNELS
from opskit.workload import (
    ANY_TRANSPORT,
    RESTARTS,
    WORKLOADS,
    check_settings,
    kind_of,
    read_location,
    write_location,
)
from opskit.workload.ec2_instance import Ec2InstanceWorkload, InstanceRole
from opskit.workload.ecs_task import TaskRole
from opskit.workload.interface import (
    Location,
    MissingRole,
    NetworkInterface,
    RestartTarget,
    Workload,
    WorkloadKind,
    WorkloadRole,
)
from tests import builders as b

CALLER = Caller("us-east-1", "", "--prefix /linkbox")


@dataclass(frozen=True)
class Sample:
    """A workload, the settings that name it, and its role where it has none."""

    workload: Workload
    settings: dict[str, Any]
    no_role: WorkloadRole


SAMPLES = {
    "ec2-instance": Sample(
        b.healthy(Workload),
        {"instance": "i-1"},
        InstanceRole(None, None),
    ),
    "ecs-task": Sample(
        b.task(), {"ecs_task": "prod/service:shop"}, TaskRole(None, None, family="shop")
    ),
}
every_kind = pytest.mark.parametrize("name", WORKLOADS)


def target_of(sample: Sample) -> Target:
    return replace(b.healthy(Target), **sample.settings)


@dataclass(frozen=True, slots=True)
class ThisMachine(Location):
    """The machine on which opskit runs."""

    transports: ClassVar = ("local",)
    tunnels: ClassVar = ()

    @property
    def text(self) -> str:
        return "here"

    @property
    def target(self) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class NoRole(WorkloadRole):
    """The role of a program outside of AWS."""

    def missing(self, app: Workload) -> MissingRole:
        return MissingRole(f"{app.label} runs outside of AWS", (), "Use the settings of a person.")


@dataclass(frozen=True, slots=True)
class ComposeProject(Workload):
    """A third kind: containers on a laptop, without a VPC, an instance profile or an agent."""

    kind: ClassVar = WorkloadKind(
        "compose", "project", "compose project", "instance", "NAME", ("local",), "role",
        "an instance profile", str,
    )  # fmt: skip
    identifier = "shop"
    name = ""
    searchable_text = "shop"
    interfaces: ClassVar[tuple[NetworkInterface, ...]] = ()
    vpc_id = ""
    location = ThisMachine()

    def with_groups(self, interface_id: str, group_ids: tuple[str, ...]) -> Workload:
        return self

    def host_commands(self, *programs: tuple[str, ...]) -> tuple[Command, ...]:
        return tuple(LocalCommand(words) for words in programs)

    def restart_commands(self, containers: Sequence[str]) -> tuple[Command, ...]:
        return self.host_commands(("docker", "compose", "restart", *containers))

    def restart_targets(
        self, containers: Sequence[str], health_url: str
    ) -> tuple[RestartTarget, ...]:
        return (RestartTarget("compose", "shop", "here", health_url),)

    @classmethod
    def read_location(cls, text: str) -> Location | None:
        return ThisMachine() if text == "here" else None

    def restart_names(self, containers: Sequence[str]) -> tuple[str, ...]:
        return tuple(containers)

    def log_words(self, containers: Sequence[str]) -> str:
        return "The log of the project"

    def setting_value(self, named: str | None) -> tuple[str | None, str]:
        return named, "it was named"


@dataclass(frozen=True, slots=True)
class SystemdUnit(Ec2InstanceWorkload):
    """A fourth kind: a unit of systemd on an EC2 instance, which has its network, role and agent."""

    def restart_commands(self, containers: Sequence[str]) -> tuple[Command, ...]:
        return self.host_commands(("systemctl", "restart", "shop"))

    def restart_names(self, containers: Sequence[str]) -> tuple[str, ...]:
        return ("shop",)

    def log_words(self, containers: Sequence[str]) -> str:
        return f"`journalctl -u shop -n 50` on {self.label}"


UNIT = SystemdUnit(
    b.healthy(Ec2InstanceWorkload).instance,
    selection_reason="it was named",
)
COMPOSE = ComposeProject(selection_reason="it was named")


def test_the_first_kind_is_searched_where_none_is_named() -> None:
    assert kind_of({}) is next(iter(WORKLOADS.values())).kind
    every = {name: value for sample in SAMPLES.values() for name, value in sample.settings.items()}
    with pytest.raises(UsageError, match="two places"):
        kind_of(every)


def test_every_transport_leads_to_a_kind() -> None:
    led_to = [name for workload in WORKLOADS.values() for name in workload.kind.transports]
    assert set(led_to) == set(TRANSPORTS)
    assert {*ANY_TRANSPORT, *led_to} == set(CHOICES)


@every_kind
def test_a_kind_is_known_by_its_setting(name: str) -> None:
    kind, sample = WORKLOADS[name].kind, SAMPLES[name]
    assert kind.name == name
    assert kind.setting in SETTINGS
    assert kind_of(sample.settings) is kind
    assert target_of(sample).workload_kind is kind
    check_settings(sample.settings)
    for via in (*ANY_TRANSPORT, *kind.transports):
        check_settings({**sample.settings, "via": via})
    for other in set(TRANSPORTS) - set(kind.transports):
        with pytest.raises(UsageError, match=f"--via {other} leads to an? "):
            check_settings({**sample.settings, "via": other})
    assert len(kind.rotation_refusal) in (0, 2)


@every_kind
def test_a_location_is_reached_by_the_kinds_transports(name: str) -> None:
    location, kind = SAMPLES[name].workload.location, WORKLOADS[name].kind
    assert location.target
    assert set(location.transports) <= set(kind.transports)
    assert location.tunnels
    assert set(location.tunnels) <= set(TUNNELS)
    location.require()


@every_kind
def test_a_workload_has_one_network(name: str) -> None:
    app = SAMPLES[name].workload
    assert isinstance(app, WORKLOADS[name])
    assert fact_type(app) is Workload
    primary = app.interfaces[0]
    assert (app.address, app.subnet_id) == (primary.address, primary.subnet_id)
    assert set(app.group_ids) == {g for i in app.interfaces for g in i.group_ids}
    assert app.vpc_id
    assert app.identifier in app.label
    value, why = app.setting_value(SAMPLES[name].settings[app.kind.setting])
    assert value == SAMPLES[name].settings[app.kind.setting]
    assert why


def test_other_groups_are_those_of_the_interface() -> None:
    own = NetworkInterface("eni-1", 0, "10.0.2.45", (), "subnet-app", ("sg-web",))
    instance: Any = SAMPLES["ec2-instance"].workload
    listed = replace(instance, instance=replace(instance.instance, interfaces=(own,)))
    for app in (listed, SAMPLES["ecs-task"].workload):
        changed = app.with_groups("eni-1", ("sg-a", "sg-b"))
        assert changed.group_ids == changed.interfaces[0].group_ids == ("sg-a", "sg-b")
        assert app.with_groups("eni-9", ("sg-a",)).group_ids == app.group_ids


@every_kind
def test_a_restart_is_named_and_can_be_pasted(name: str) -> None:
    app, probe = b.known(SAMPLES[name].workload), b.known(b.probe())
    commands = restart_commands(app, probe)
    assert len(commands) == len(restart_names(app, probe)) == 1
    assert " --region us-east-1 " in render(commands[0], CALLER)
    assert restart_commands(Unknown("no"), probe) == ()
    assert restart_names(Unknown("no"), probe) == ()


@every_kind
def test_a_rotation_finds_the_place_again_and_restarts_the_app(name: str) -> None:
    app = SAMPLES[name].workload
    location = read_location(write_location(app))
    assert location is not None
    assert (location.target, location.tunnels) == (app.location.target, app.location.tunnels)
    location.require()
    [target] = app.restart_targets(["linkbox-backend"], "http://127.0.0.1:3000/health")
    assert target.kind in RESTARTS
    assert read(write(target)) == target
    assert RESTARTS[target.kind].noun in ("a container", "a service")


@pytest.mark.parametrize(
    "text", ["", "i-1", "ec2-instance:", "ec2-instance:i-1; id", "ecs-task:a/b", "rocket:i-1"]
)
def test_a_place_of_another_form_is_none(text: str) -> None:
    assert read_location(text) is None


@every_kind
def test_a_missing_role_is_a_finding_with_a_remedy(name: str) -> None:
    sample = SAMPLES[name]
    assert fact_type(sample.no_role) is WorkloadRole
    found = run_check(check_of("IAM001"), b.snapshot(sample.workload, sample.no_role))
    assert found.status is Status.FAIL
    assert found.fix or found.advice
    assert found.evidence


def test_the_instances_one_fitting_profile_is_attached() -> None:
    app, check = b.healthy(Ec2InstanceWorkload), check_of("IAM001")
    bare = replace(app, instance=replace(app.instance, profile_arn=None))
    snapshot = b.snapshot(bare, InstanceRole(None, None, candidates=("linkbox-app",)))
    found = verify_fix(check, run_check(check, snapshot), snapshot, CALLER)
    assert found.fix is not None
    assert [c.subject for c in found.fix.changes] == ["instance profile"]
    task = b.snapshot(b.task(), InstanceRole(None, None, candidates=("linkbox-app",)))
    assert verify_fix(check, run_check(check, task), task, CALLER).fix is None


@every_kind
def test_a_reader_selects_the_named_kind(name: str) -> None:
    types = {item.type for item in inputs_of(workload_facts.select)} - {Target}
    assert types == set(WORKLOADS.values())
    assert set(BY_KIND) == set(WORKLOADS)
    sample = SAMPLES[name]
    facts = [
        b.known(s.workload) if s is sample else Unknown("another kind") for s in SAMPLES.values()
    ]
    assert workload_facts.select(target_of(sample), *facts) is sample.workload
    bug = Unknown("a bug in opskit", bug="KeyError")
    with pytest.raises(FactUnavailable) as caught:
        workload_facts.select(target_of(sample), bug, bug)
    assert caught.value.unknown is bug


@pytest.mark.parametrize(
    "app",
    [*(s.workload for s in SAMPLES.values()), COMPOSE, UNIT],
    ids=lambda app: type(app).__name__,
)
def test_every_check_judges_every_kind(app: Workload) -> None:
    """A kind of its own, without a network, a role and an agent, needs no line in any check."""
    role: Any = b.healthy(WorkloadRole) if app is not COMPOSE else NoRole(None, None)
    probe = replace(b.probe(), workload_noun=app.kind.definite)
    snapshot = b.snapshot(app, role, probe)
    for check in all_checks():
        found = run_check(check, snapshot)
        assert not found.bug, (check.code, found)
        assert verify_fix(check, found, snapshot, CALLER).summary == found.summary


def test_what_a_third_kind_lacks_is_unknown() -> None:
    snapshot = b.snapshot(COMPOSE, NoRole(None, None))
    found = {code: run_check(check_of(code), snapshot) for code in ("NET002", "IAM001", "APP001")}
    assert {code: f.status for code, f in found.items()} == {
        "NET002": Status.UNKNOWN,
        "IAM001": Status.FAIL,
        "APP001": Status.PASS,
    }
    restarts = restart_commands(b.known(COMPOSE), b.known(b.probe()))
    assert restarts == (LocalCommand(("docker", "compose", "restart", "linkbox-backend")),)


def test_a_fourth_kind_restarts_its_unit_and_names_its_log() -> None:
    probe = b.probe(health=Health("http://127.0.0.1:3000/health", 503, 3.0, "no"), containers=())
    found = run_check(check_of("APP003"), b.snapshot(UNIT, probe))
    assert "`journalctl -u shop -n 50` on linkbox-backend-1 (i-1) says more." in found.advice
    [command] = restart_commands(b.known(UNIT), b.known(probe))
    assert command == InstanceCommand("i-1", (("systemctl", "restart", "shop"),))
