"""Workload: a task of Amazon ECS, on Fargate or on an instance."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from opskit.commands import AwsCall, Command
from opskit.errors import NotExecuted, UsageError
from opskit.workload.interface import (
    Location,
    MissingRole,
    NetworkInterface,
    ReportedState,
    RestartTarget,
    Workload,
    WorkloadKind,
    WorkloadRole,
)
from opskit.workload.restart import ServiceRestart

TASK_FORM = "CLUSTER/TASK[/CONTAINER] or CLUSTER/service:NAME[/CONTAINER]"
SERVICE = "service:"
RUNNING = "RUNNING"
ECS_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")


@dataclass(frozen=True, slots=True)
class TaskName:
    """An ECS task as the user names it: by its id, or by the service that runs it."""

    cluster: str
    task: str
    service: str
    container: str

    @property
    def words(self) -> str:
        """The name without the container."""
        return f"{self.cluster}/{self.task or 'service:' + self.service}"


def task_name(text: str) -> TaskName:
    """Parse the name of an ECS task.

    Raises:
        UsageError: it has a wrong form.
    """
    parts = text.split("/")
    if len(parts) not in (2, 3) or not all(parts) or parts[1] == SERVICE or ":" in parts[0]:
        raise UsageError(f"--ecs-task '{text}' is not {TASK_FORM}")
    is_service = parts[1].startswith(SERVICE)
    return TaskName(
        parts[0],
        "" if is_service else parts[1],
        parts[1].removeprefix(SERVICE) if is_service else "",
        parts[2] if len(parts) == 3 else "",
    )


@dataclass(frozen=True, slots=True)
class TaskLocation(Location):
    """The container in which the app runs, and its task.

    Attributes:
        cluster: its name.
        task_id: the last part of the task's ARN.
        runtime_id: the container's id, as Session Manager uses it.
        service: the service that started the task; empty for a task that was run by itself.
        is_enabled: whether the task was started with ECS Exec.
        agent: the status of the task's ExecuteCommandAgent; empty when ECS reports none.
    """

    # A task has neither an agent of Run Command nor an SSH server, and ECS Exec carries no connections.
    transports: ClassVar = ("ecs-exec",)
    tunnels: ClassVar = ("session-manager",)
    cluster: str
    task_id: str
    container: str
    runtime_id: str
    service: str
    is_enabled: bool
    agent: str

    @property
    def text(self) -> str:
        """Cluster, task, container and the container's id, with slashes between them."""
        return "/".join((self.cluster, self.task_id, self.container, self.runtime_id))

    @property
    def target(self) -> str:
        """The container's name as a target of Session Manager."""
        return f"ecs:{self.cluster}_{self.task_id}_{self.runtime_id}"

    @property
    def label(self) -> str:
        """The container's name, for sentences."""
        return f"container {self.container} of task {self.task_id} ({self.cluster})"

    def require(self) -> None:
        """Check before a call whether the task can have a session.

        Raises:
            NotExecuted: the task was started without ECS Exec, or its agent is not running.
        """
        if not self.is_enabled:
            raise NotExecuted(
                f"task {self.task_id} was started without ECS Exec",
                self._redeploy_command,
                missing=f"a task of {self.service or self.cluster} run with --enable-execute-command",
            )
        if self.agent not in ("", "RUNNING"):
            raise self.agent_unavailable()

    def agent_unavailable(self) -> NotExecuted:
        """The error for a task whose agent is not connected."""
        message = f" (ECS says {self.agent})" if self.agent not in ("", "RUNNING") else ""
        return NotExecuted(
            f"the ECS Exec agent in task {self.task_id} is not connected{message}: it needs the four "
            "ssmmessages rights in the task's role and a way to ssmmessages; a stopped one stays so",
            self._redeploy_command,
            missing=f"a connected ECS Exec agent in task {self.task_id}",
        )

    @property
    def _redeploy_command(self) -> str:
        if not self.service:
            return f"aws ecs run-task --cluster {self.cluster} --enable-execute-command ...   runs it again"
        return (
            f"aws ecs update-service --cluster {self.cluster} --service {self.service} "
            "--enable-execute-command --force-new-deployment"
        )


class ServiceDeployment(ServiceRestart):
    """An ECS service, whose tasks a new deployment replaces step by step."""

    name = "ecs"
    noun = "a service"
    name_form = ECS_NAME
    place_form = ECS_NAME
    service = "ecs"
    missing: ClassVar = {
        "ClusterNotFoundException": "the cluster is not there",
        "ServiceNotFoundException": "the service is not there",
        "ServiceNotActiveException": "the service was deleted",
    }

    def parse(self, text: str) -> tuple[str, str]:
        """A service, and its cluster; without a cluster it is in the default one."""
        cluster, _, service = text.rpartition("/")
        return service, cluster or "default"

    def restart_call(self, name: str, place: str) -> AwsCall:
        """Force a deployment of the same definition."""
        named = {"cluster": place, "service": name}
        return AwsCall("ecs", "UpdateService", {**named, "forceNewDeployment": True})

    def describe_call(self, name: str, place: str) -> AwsCall:
        """Describe the service."""
        return AwsCall("ecs", "DescribeServices", {"cluster": place, "services": [name]})

    def progress(self, reply: Mapping[str, Any]) -> tuple[str, bool]:
        """The deployment has to be the only one, and complete."""
        services = reply.get("services")
        if not isinstance(services, list) or not services:
            return self.missing["ServiceNotFoundException"], True
        service = services[0]
        deployments: list[Mapping[str, Any]] = service["deployments"]
        primary = next((d for d in deployments if d.get("status") == "PRIMARY"), {})
        if primary.get("rolloutState") == "FAILED":
            return f"the deployment failed: {primary.get('rolloutStateReason', '')}", True
        counts = f"{service.get('runningCount')} of {service.get('desiredCount')} tasks run"
        is_complete = (
            len(deployments) == 1
            and primary.get("rolloutState", "COMPLETED") == "COMPLETED"
            and service.get("runningCount") == service.get("desiredCount")
        )
        return ("", True) if is_complete else (f"the deployment is not complete: {counts}", False)


@dataclass(frozen=True, slots=True)
class EcsTask:
    """A task, and the app's container in it.

    Attributes:
        definition_arn: of its task definition.
        role_arn: the task role that overrides its definition's for this one task.
        interface_id: of its own network interface; empty in network modes without one.
        status: ECS's word for its state, such as `RUNNING`.
        stopped_reason: ECS's sentence on why it ended; empty where it has not.
    """

    location: TaskLocation
    definition_arn: str
    role_arn: str
    interface_id: str
    subnet_id: str
    address: str
    status: str = RUNNING
    stopped_reason: str = ""

    @property
    def family(self) -> str:
        """The task definition's name."""
        return self.definition_arn.rsplit("/", 1)[-1].partition(":")[0]


@dataclass(frozen=True, slots=True)
class TaskInterface:
    """The task's network interface; `group_ids` are its security groups."""

    vpc_id: str
    group_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TaskRole(WorkloadRole):
    """The role of the task's programs; `family` is the name of its task definition."""

    family: str = field(kw_only=True)

    def missing(self, app: Workload) -> MissingRole:
        """The finding for a task definition without a task role."""
        return MissingRole(
            f"task definition {self.family} names no task role, so nothing in its containers gets AWS "
            "credentials",
            ("ecs:DescribeTaskDefinition shows no taskRoleArn; the execution role is not it",),
            f"Register a new revision of {self.family} with taskRoleArn, and update the service to it; which "
            "role it should be is not known here, so no command is offered.",
        )


@dataclass(frozen=True, slots=True)
class EcsTaskWorkload(Workload):
    """An ECS task that runs the app; `interface` is None where it was not read, or is not its own."""

    kind: ClassVar = WorkloadKind(
        name="ecs-task",
        noun="task",
        aws_noun="ECS task",
        setting="ecs_task",
        form=TASK_FORM,
        transports=TaskLocation.transports,
        role_noun="task role",
        role_source="a task role",
        check_name=task_name,
        rotation_refusal=(
            "rotate-password restarts containers on EC2 instances; it cannot restart ECS tasks",
            "with --instance in place of --ecs-task it rotates; then: aws ecs update-service "
            "--force-new-deployment",
        ),
    )
    task: EcsTask
    interface: TaskInterface | None

    @property
    def identifier(self) -> str:
        """The task's id."""
        return self.task.location.task_id

    @property
    def name(self) -> str:
        """The service, else the task definition."""
        return self.task.location.service or self.task.family

    @property
    def location(self) -> Location:
        """The app's container."""
        return self.task.location

    @classmethod
    def read_location(cls, text: str) -> Location | None:
        """The container with this text; whether it has ECS Exec is not in it and shows when it is asked."""
        parts = text.split("/")
        if len(parts) != 4 or not all(map(ECS_NAME.fullmatch, parts)):
            return None
        cluster, task_id, container, runtime_id = parts
        return TaskLocation(
            cluster, task_id, container, runtime_id, service="", is_enabled=True, agent="RUNNING"
        )

    @property
    def searchable_text(self) -> str:
        """Cluster, service, task definition and container in lower case."""
        location = self.task.location
        names = (location.cluster, self.name, self.task.family, location.container)
        return " ".join(names).lower()

    @property
    def interfaces(self) -> tuple[NetworkInterface, ...]:
        """The task's own interface; none where its security groups are not known."""
        task, own = self.task, self.interface
        if own is None:
            return ()
        return (
            NetworkInterface(task.interface_id, 0, task.address, (), task.subnet_id, own.group_ids),
        )

    @property
    def address(self) -> str:
        """The private address of the task's own interface."""
        return self.task.address

    @property
    def vpc_id(self) -> str:
        """The VPC of the task's own interface."""
        return self.interface.vpc_id if self.interface else ""

    @property
    def ecs_service(self) -> str:
        """CLUSTER/SERVICE of the task; empty for a task without a service."""
        location = self.task.location
        return f"{location.cluster}/{location.service}" if location.service else ""

    def with_groups(self, interface_id: str, group_ids: tuple[str, ...]) -> Workload:
        """The workload once its interface has other security groups."""
        if self.interface is None or interface_id != self.task.interface_id:
            return self
        return replace(self, interface=replace(self.interface, group_ids=group_ids))

    def group_advice(self, group: str) -> str:
        """The change to the service's network configuration."""
        return (
            f"Add {group} to the security groups of the ECS service's network configuration "
            "(ecs:UpdateService): the interface of a task belongs to ECS."
        )

    @property
    def reported_state(self) -> ReportedState | None:
        """The task's last status."""
        if self.task.status != RUNNING:
            return self._stopped()
        return ReportedState(
            f"{self.task.location.label} runs", "ecs:DescribeTasks says that the task is RUNNING"
        )

    def _stopped(self) -> ReportedState:
        task = self.task
        why = f": {task.stopped_reason}" if task.stopped_reason else ""
        again = (
            f"service {task.location.service} starts another task by itself: its events say why it does not "
            f"(aws ecs describe-services --cluster {task.location.cluster} --services "
            f"{task.location.service})"
            if task.location.service
            else f"start a new task of {task.family}"
        )
        return ReportedState(
            f"{task.location.label} does not run: task {self.identifier} is {task.status}",
            f"ecs:DescribeTasks says {task.status}{why}",
            is_running=False,
            advice=f"No command is offered: a task that has ended is not started again. End what ended it; "
            f"then {again}.",
        )

    def restart_commands(self, containers: Sequence[str]) -> tuple[Command, ...]:
        """A new deployment of the same definition; a task without a service has no restart command."""
        return tuple(
            ServiceDeployment().restart_call(target.name, target.where)
            for target in self.restart_targets(containers, "")
        )

    def restart_targets(
        self, containers: Sequence[str], health_url: str
    ) -> tuple[RestartTarget, ...]:
        """The service; its own health checks decide whether its tasks are healthy."""
        location = self.task.location
        if not location.service:
            return ()
        return (RestartTarget(ServiceDeployment.name, location.service, location.cluster),)

    def restart_names(self, containers: Sequence[str]) -> tuple[str, ...]:
        """The service."""
        service = self.task.location.service
        return (service,) if service else ()

    def log_words(self, containers: Sequence[str]) -> str:
        """The log of the app's container."""
        return f"The log of {self.task.location.label}"

    def setting_value(self, named: str | None) -> tuple[str | None, str]:
        """The name that the user gave: a service's next task has another id."""
        return named, f"task {self.task.location.task_id} now"
