"""The ECS task that runs the app, its network interface and its role."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from opskit.aws_protocols import paginate
from opskit.config import Target
from opskit.errors import AmbiguousTarget, AwsError, TargetError, UsageError
from opskit.facts.interface import ClientFactory, Ec2, Ecs, Fact, FactUnavailable, Known
from opskit.facts.region import Region
from opskit.workload.ecs_task import (
    EcsTask,
    EcsTaskWorkload,
    TaskInterface,
    TaskLocation,
    TaskName,
    TaskRole,
    task_name,
)

GONE = ("ClusterNotFoundException", "ServiceNotFoundException", "InvalidParameterException")
MOST_LISTED = 8


def named(target: Target) -> TaskName:
    """The name of the task that the user gave."""
    if target.ecs_task is None:
        raise FactUnavailable("the app is no ECS task: none was named", "--ecs-task CLUSTER/TASK")
    return task_name(target.ecs_task)


def read(ecs: Ecs, name: TaskName, region: Region, clients: ClientFactory) -> EcsTask:
    """Find the task and its container.

    Raises:
        UsageError: the cluster, the service, the task or the container does not exist.
        AmbiguousTarget: several match.
    """
    try:
        return _read(ecs, name)
    except UsageError as error:
        try:
            account = clients.client("sts").get_caller_identity()["Account"]
        except AwsError:
            account = "unknown"
        raise UsageError(
            f"{error.sentence} (account {account}, {region.name})", error.next_step
        ) from None


def _read(ecs: Ecs, name: TaskName) -> EcsTask:
    task_id = name.task or _only_task(ecs, name)
    reply = _asked(name, lambda: ecs.describe_tasks(cluster=name.cluster, tasks=[task_id]))
    if not reply.get("tasks"):
        tasks = list(islice(_listed(ecs, cluster=name.cluster), MOST_LISTED))
        raise UsageError(
            f"there is no task {task_id} in cluster {name.cluster}; ECS forgets a task an hour after "
            "its end",
            f"tasks there: {', '.join(tasks) or 'none'}",
        )
    raw = reply["tasks"][0]
    return _task(raw, name, _container(raw, name))


def read_interface(ec2: Ec2, task: EcsTask) -> TaskInterface:
    """Read the security groups of the task's own interface."""
    if not task.interface_id:
        raise FactUnavailable(
            f"task {task.location.task_id} has no network interface of its own: in the network modes bridge "
            "and host it uses its instance's",
            "--instance ID for the instance that the task runs on",
        )
    reply = ec2.describe_network_interfaces(NetworkInterfaceIds=[task.interface_id])
    raw = reply["NetworkInterfaces"][0]
    return TaskInterface(raw["VpcId"], tuple(g["GroupId"] for g in raw.get("Groups", ())))


def read_role(ecs: Ecs, task: EcsTask) -> TaskRole:
    """Read the role that the task itself was started with, else its definition's."""
    arn = task.role_arn
    if not arn:
        reply = ecs.describe_task_definition(taskDefinition=task.definition_arn)
        arn = reply["taskDefinition"].get("taskRoleArn", "")
    return TaskRole(arn.rsplit("/", 1)[-1] or None, arn or None, family=task.family)


def select(task: EcsTask, interface: Fact[TaskInterface]) -> EcsTaskWorkload:
    """Take the task that was named."""
    own = interface.value if isinstance(interface, Known) else None
    return EcsTaskWorkload(task, own, selection_reason="it was named")


def _only_task(ecs: Ecs, name: TaskName) -> str:
    """The one task of a service; one of several is never chosen silently."""
    arguments = {"cluster": name.cluster, "serviceName": name.service, "desiredStatus": "RUNNING"}
    ids: list[str] = _asked(name, lambda: list(_listed(ecs, **arguments)))
    if not ids:
        raise TargetError(
            f"service {name.service} in cluster {name.cluster} runs no task",
            f"aws ecs describe-services --cluster {name.cluster} --services {name.service} "
            "--query 'services[].events[:5]'   says why",
        )
    if len(ids) > 1:
        more = f"\nand {len(ids) - MOST_LISTED} more" if len(ids) > MOST_LISTED else ""
        raise AmbiguousTarget(
            f"{len(ids)} tasks of service {name.service} run; say which one is meant",
            "\n".join(f"--ecs-task {name.cluster}/{i}" for i in ids[:MOST_LISTED]) + more,
        )
    return ids[0]


def _listed(ecs: Ecs, **arguments: Any) -> Iterator[str]:
    """The ids of the tasks that ECS lists."""
    for arn in paginate(ecs.list_tasks, "taskArns", token="nextToken", **arguments):
        yield str(arn).rsplit("/", 1)[-1]


def _asked(name: TaskName, call: Callable[[], Any]) -> Any:
    """The reply, or a UsageError that says which resource does not exist."""
    try:
        return call()
    except AwsError as error:
        if error.code not in GONE:
            raise
        is_service = error.code == "ServiceNotFoundException"
        what = f"service {name.service}" if is_service else f"task {name.task}"
        message = (
            f"there is no ECS cluster {name.cluster}"
            if error.code == GONE[0]
            else f"there is no {what} in cluster {name.cluster}: {error.message[:200]}"
        )
        raise UsageError(
            message, "aws ecs list-clusters   and --region say where it may be"
        ) from None


def _container(raw: Mapping[str, Any], name: TaskName) -> Mapping[str, Any]:
    containers = {c["name"]: c for c in raw.get("containers", ())}
    if name.container in containers:
        return dict(containers[name.container])
    if name.container:
        raise UsageError(
            f"{name.words} has no container {name.container}",
            f"containers there: {', '.join(containers) or 'none'}",
        )
    if len(containers) != 1:
        raise AmbiguousTarget(
            f"{name.words} has {len(containers)} containers; say which one is meant",
            "\n".join(f"--ecs-task {name.words}/{container}" for container in containers),
        )
    return dict(next(iter(containers.values())))


def _task(raw: Mapping[str, Any], name: TaskName, container: Mapping[str, Any]) -> EcsTask:
    agents = {a.get("name"): a.get("lastStatus", "") for a in container.get("managedAgents", ())}
    attached: dict[str, str] = {}
    for attachment in raw.get("attachments", ()):
        if attachment.get("type") == "ElasticNetworkInterface":
            attached = {d["name"]: d["value"] for d in attachment.get("details", ())}
    service = raw.get("group", "")
    return EcsTask(
        TaskLocation(
            cluster=raw.get("clusterArn", name.cluster).rsplit("/", 1)[-1],
            task_id=raw["taskArn"].rsplit("/", 1)[-1],
            container=container["name"],
            runtime_id=container.get("runtimeId", ""),
            service=service.removeprefix("service:") if service.startswith("service:") else "",
            is_enabled=bool(raw.get("enableExecuteCommand")),
            agent=agents.get("ExecuteCommandAgent", ""),
        ),
        definition_arn=raw.get("taskDefinitionArn", ""),
        role_arn=raw.get("overrides", {}).get("taskRoleArn", ""),
        interface_id=attached.get("networkInterfaceId", ""),
        subnet_id=attached.get("subnetId", ""),
        address=attached.get("privateIPv4Address", ""),
        status=raw["lastStatus"],
        stopped_reason=raw.get("stoppedReason", "")[:200],
    )
