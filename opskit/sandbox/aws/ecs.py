"""ECS with one cluster and one service: its tasks are views of the app instance as a container.

They have its network interface, its role and its files, without its container engine. Tasks, their
settings and their ends are real as far as DescribeTasks and ExecuteCommand show them.

Source: Amazon ECS API Reference; messages as reported in public issues.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from opskit.sandbox import topology
from opskit.sandbox.aws.ssm import Answer, error, role_of
from opskit.sandbox.session_manager.gateway import ECS_EXEC, Sessions

OWN = f"arn:aws:ecs:{topology.REGION}:{topology.ACCOUNT}"
NOT_ENABLED = (
    "The execute command failed because execute command was not enabled when the task was run or the "
    "execute command agent isn’t running. Wait and try again or run a new task with execute command "
    "enabled and try again."
)


@dataclass
class Task:
    """One task."""

    is_enabled: bool
    containers: tuple[str, ...]
    group: str
    task_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    status: str = "RUNNING"
    reason: str = ""
    agent: str = "RUNNING"

    @property
    def arn(self) -> str:
        """Its ARN."""
        return f"{OWN}:task/{topology.CLUSTER}/{self.task_id}"

    def runtime_id(self, container: str) -> str:
        """A container's runtime id, in Fargate's format."""
        return f"{self.task_id}-{1000000000 + sum(container.encode())}"


class Tasks:
    """The operations on tasks.

    Args:
        instance: the app instance, in moto's form.
        is_role_right: whether the role of an instance id lets its agent connect.
        restart_app: restarts the app, and returns whether it became healthy.
    """

    def __init__(
        self,
        instance: Callable[[], Any],
        is_role_right: Callable[[str], bool],
        restart_app: Callable[[], bool],
    ) -> None:
        self._instance = instance
        self._is_role_right = is_role_right
        self._restart_app = restart_app
        self._is_enabled = True
        self._first = self._new()
        self.sessions: Sessions | None = None
        self.reset()

    def reset(self) -> None:
        """Run only the first task, as at the start."""
        self._rollout = "COMPLETED"
        self._is_enabled = True
        self._tasks = [replace(self._first)]

    def answer(self, operation: str, body: Mapping[str, Any], owner: str) -> Answer | None:
        """The answer to an operation that this module implements; None for all others."""
        if body.get("cluster", topology.CLUSTER).rsplit("/", 1)[-1] != topology.CLUSTER:
            return error("ClusterNotFoundException", "Cluster not found.")
        if operation == "ExecuteCommand":
            return self._execute(body, owner)
        method = {
            "DescribeTasks": self._describe,
            "ListTasks": self._list,
            "DescribeTaskDefinition": self._definition,
            "UpdateService": self._update,
            "DescribeServices": self._services,
            "StopTask": self._stop,
            "RunTask": self._run,
        }.get(operation)
        return method(body) if method else None

    def is_online(self, target: str) -> bool:
        """Whether a target of Session Manager is a container whose agent is connected."""
        return any(
            target == self._target(task, container) and self._is_connected(task)
            for task in self._tasks
            for container in task.containers
        )

    def _target(self, task: Task, container: str) -> str:
        return f"ecs:{topology.CLUSTER}_{task.task_id}_{task.runtime_id(container)}"

    def _is_connected(self, task: Task) -> bool:
        whole = task.is_enabled and task.status == "RUNNING" and task.agent == "RUNNING"
        instance = self._instance()
        return whole and instance is not None and self._is_role_right(instance.id)

    def _new(self) -> Task:
        return Task(self._is_enabled, (topology.CONTAINER,), f"service:{topology.SERVICE}")

    def _find(self, name: str) -> Task | None:
        return next((t for t in self._tasks if t.task_id == name.rsplit("/", 1)[-1]), None)

    def _describe(self, body: Mapping[str, Any]) -> Answer:
        tasks = {name: self._find(name) for name in body["tasks"]}
        failures = [{"arn": n, "reason": "MISSING"} for n, task in tasks.items() if task is None]
        rows = [self._row(task) for task in tasks.values() if task is not None]
        return 200, {"tasks": rows, "failures": failures}

    def _row(self, task: Task) -> dict[str, Any]:
        interface = next(iter(self._instance().nics.values()))
        agent = {"name": "ExecuteCommandAgent", "lastStatus": task.agent}
        details = {
            "subnetId": interface.subnet.id,
            "networkInterfaceId": interface.id,
            "privateIPv4Address": interface.private_ip_address,
        }
        return {
            "taskArn": task.arn,
            "clusterArn": f"{OWN}:cluster/{topology.CLUSTER}",
            "taskDefinitionArn": f"{OWN}:task-definition/{topology.SERVICE}:7",
            "launchType": "FARGATE",
            "lastStatus": task.status,
            "stoppedReason": task.reason,
            "enableExecuteCommand": task.is_enabled,
            "group": task.group,
            "overrides": {"containerOverrides": []},
            "attachments": [
                {
                    "type": "ElasticNetworkInterface",
                    "status": "ATTACHED",
                    "details": [{"name": k, "value": v} for k, v in details.items()],
                }
            ],
            "containers": [
                {
                    "name": name,
                    "runtimeId": task.runtime_id(name),
                    "lastStatus": task.status,
                    "managedAgents": [agent] if task.is_enabled else [],
                }
                for name in task.containers
            ],
        }

    def _list(self, body: Mapping[str, Any]) -> Answer:
        service = body.get("serviceName", topology.SERVICE)
        if service != topology.SERVICE:
            return error("ServiceNotFoundException", "Service not found.")
        wanted = body.get("desiredStatus", "RUNNING")
        rows = [
            t.arn
            for t in self._tasks
            if t.status == wanted and ("serviceName" not in body or t.group == f"service:{service}")
        ]
        return 200, {"taskArns": rows}

    def _definition(self, body: Mapping[str, Any]) -> Answer:
        role = role_of(self._instance())
        named = {"taskRoleArn": role.entity_arn} if role else {}
        about = {"family": topology.SERVICE, "networkMode": "awsvpc", "revision": 7, **named}
        return 200, {"taskDefinition": {"taskDefinitionArn": body["taskDefinition"], **about}}

    def _update(self, body: Mapping[str, Any]) -> Answer:
        """Deploy: replace the service's tasks at once; the app in them starts a moment later."""
        if body["service"].rsplit("/", 1)[-1] != topology.SERVICE:
            return error("ServiceNotFoundException", "Service not found.")
        self._is_enabled = body.get("enableExecuteCommand", self._is_enabled)
        of_service = [t for t in self._tasks if t.group == f"service:{topology.SERVICE}"]
        count = int(body.get("desiredCount", sum(t.status == "RUNNING" for t in of_service) or 1))
        if body.get("forceNewDeployment"):
            self._end(of_service, "Scaling activity initiated by deployment")
            self._rollout = "IN_PROGRESS"
            threading.Thread(target=self._deploy, daemon=True).start()
        running = [t for t in of_service if t.status == "RUNNING"]
        self._end(running[count:], "Scaling activity initiated by deployment")
        self._tasks += [self._new() for _ in range(count - len(running))]
        return 200, {"service": {"serviceName": topology.SERVICE, "desiredCount": count}}

    def _deploy(self) -> None:
        self._rollout = "COMPLETED" if self._restart_app() else "FAILED"

    def _services(self, body: Mapping[str, Any]) -> Answer:
        """The one service, and the progress of its deployment."""
        if body["services"] != [topology.SERVICE]:
            return 200, {"services": [], "failures": [{"reason": "MISSING"}]}
        count = sum(
            t.group == f"service:{topology.SERVICE}" and t.status == "RUNNING" for t in self._tasks
        )
        deployments = [{"status": "PRIMARY", "rolloutState": self._rollout}]
        if self._rollout == "IN_PROGRESS":
            deployments.append({"status": "ACTIVE", "rolloutState": "COMPLETED"})
        row = {"serviceName": topology.SERVICE, "runningCount": count, "desiredCount": count}
        return 200, {"services": [{**row, "deployments": deployments}], "failures": []}

    def _stop(self, body: Mapping[str, Any]) -> Answer:
        task = self._find(body["task"])
        if task is None:
            return error("InvalidParameterException", "The referenced task was not found.")
        self._end([task], body.get("reason", "Task stopped by user"))
        return 200, {"task": self._row(task)}

    def _run(self, body: Mapping[str, Any]) -> Answer:
        """Run a standalone task, with as many containers as are overridden."""
        named = body.get("overrides", {}).get("containerOverrides", ())
        containers = tuple(c["name"] for c in named) or (topology.CONTAINER,)
        task = Task(
            bool(body.get("enableExecuteCommand")), containers, f"family:{topology.SERVICE}"
        )
        if body.get("startedBy") == "agent-stopped":
            task.agent = "STOPPED"
        self._tasks.append(task)
        return 200, {"tasks": [self._row(task)], "failures": []}

    def _end(self, tasks: list[Task], reason: str) -> None:
        for task in tasks:
            task.status, task.reason = "STOPPED", reason
            assert self.sessions is not None
            for container in task.containers:
                self.sessions.end_target(self._target(task, container))

    def _execute(self, body: Mapping[str, Any], owner: str) -> Answer:
        assert self.sessions is not None
        task = self._find(body["task"])
        if task is None or task.status != "RUNNING":
            return error("InvalidParameterException", "The referenced task was not found.")
        container = body.get("container") or task.containers[0]
        if container not in task.containers:
            return error("InvalidParameterException", "The container is not in the task.")
        if not task.is_enabled or task.agent != "RUNNING":
            return error("InvalidParameterException", NOT_ENABLED)
        if not self._is_connected(task):
            text = "The execute command failed due to an internal error. Try again later."
            return error("TargetNotConnectedException", text)
        if not body.get("interactive"):
            return error(
                "InvalidParameterException", "Interactive is the only mode supported currently."
            )
        session = self.sessions.open(
            self._target(task, container), ECS_EXEC, {"command": [body["command"]]}, owner
        )
        # The one service whose reply has names in lower camel case.
        reply = {f"{k[0].lower()}{k[1:]}": v for k, v in session.items()}
        return 200, {
            "clusterArn": f"{OWN}:cluster/{topology.CLUSTER}",
            "taskArn": task.arn,
            "containerArn": f"{OWN}:container/{topology.CLUSTER}/{task.task_id}/{uuid.uuid4()}",
            "containerName": container,
            "interactive": True,
            "session": reply,
        }


def resources(action: str, fields: Mapping[str, Any]) -> list[str]:
    """The call's resources, where IAM's decision depends on them."""
    cluster = str(fields.get("cluster", topology.CLUSTER)).rsplit("/", 1)[-1]
    named = [*fields.get("tasks", ()), *([fields["task"]] if "task" in fields else [])]
    tasks = [f"{OWN}:task/{cluster}/{name.rsplit('/', 1)[-1]}" for name in named]
    if action == "ExecuteCommand":
        return [f"{OWN}:cluster/{cluster}", *tasks]
    return tasks or ["*"]


def session_resource(target: str) -> str:
    """The task that a target of Session Manager belongs to."""
    cluster, task_id, _ = target.removeprefix("ecs:").split("_", 2)
    return f"{OWN}:task/{cluster}/{task_id}"
