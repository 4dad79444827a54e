"""Selects the EC2 instance that runs the app, by the database's rules and by names, never silently."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tabulate import tabulate

from opskit.config import ON_INSTANCE, ON_TASK, Target
from opskit.errors import TargetError
from opskit.escaping import visible
from opskit.facts.database import Database
from opskit.facts.ecs_task import EcsTask, TaskInterface
from opskit.facts.instances import Instance, Instances, Interface
from opskit.facts.interface import Fact, FactUnavailable, Known, Unknown
from opskit.facts.security_groups import SecurityGroups, admits
from opskit.transport.interface import InstanceLocation, Location


@dataclass(frozen=True, slots=True)
class AppInstance:
    """The instance that is diagnosed, and how it was found.

    Attributes:
        instance: where the app is an ECS task, an instance that stands for the task's network.
        task: the task; None where the app runs on an instance.
    """

    instance: Instance
    selection_reason: str
    task: EcsTask | None = None

    @property
    def workload_noun(self) -> str:
        """The kind of workload that runs the app, for sentences."""
        return ON_TASK if self.task else ON_INSTANCE

    @property
    def location(self) -> Location:
        """The location to which transports lead."""
        return self.task.location if self.task else InstanceLocation(self.instance.instance_id)


def select(
    target: Target,
    instances: Instances,
    database: Database,
    groups: Fact[SecurityGroups],
    task: Fact[EcsTask],
    interface: Fact[TaskInterface],
) -> AppInstance:
    """Find the instance that runs the app, or take the task that was named.

    Two hints are combined: the database's groups admit the instance, and its name, tags or profile
    contain the target's name. The second is needed because the first may be the very fault.

    Raises:
        TargetError: the named instance does not exist, or several fit.
        FactUnavailable: none fits.
    """
    if target.ecs_task:
        if isinstance(task, Unknown):
            raise FactUnavailable(task.reason, *task.missing)
        return _of_task(task.value, interface)
    if target.instance:
        return _named(target.instance, instances)
    running = [i for i in instances.all if i.state == "running"]
    words = [w for w in (target.prefix or target.name).lower().split("/") if w]
    admitted = [
        i for i in running if isinstance(groups, Known) and _admitted(i, database, groups.value)
    ]
    named = [i for i in running if all(word in i.searchable_text for word in words)]
    both = [i for i in named if i in admitted]
    for candidates, why in (
        (both, f"it carries the name {target.name} and the database admits its groups"),
        (named, f"it carries the name {target.name}"),
        (admitted, "the database's security groups admit it"),
    ):
        if len(candidates) == 1:
            return AppInstance(candidates[0], why)
        if candidates:
            raise _several(candidates, target)
    raise FactUnavailable(
        f"no running instance in {database.instance.vpc_id} carries the name {target.name} or is "
        "admitted by the database",
        "--instance ID",
    )


def _of_task(task: EcsTask, interface: Fact[TaskInterface]) -> AppInstance:
    """The task's network as an instance; empty where the groups of its interface are not known."""
    location = task.location
    known = interface.value if isinstance(interface, Known) else None
    groups = known.group_ids if known else ()
    name = location.service or task.family
    own = Interface(task.interface_id, 0, task.address, (), task.subnet_id, groups)
    instance = Instance(
        instance_id=location.task_id,
        name=name,
        state="running",
        address=task.address or None,
        subnet_id=task.subnet_id if known else None,
        group_ids=groups,
        profile_arn=None,
        metadata_tokens="",
        metadata_hop_limit=1,
        searchable_text=f"{location.cluster} {name} {task.family} {location.container}".lower(),
        vpc_id=known.vpc_id if known else "",
        interfaces=(own,) if known else (),
    )
    return AppInstance(instance, "it was named", task)


def _named(instance_id: str, instances: Instances) -> AppInstance:
    for instance in instances.all:
        if instance_id in (instance.instance_id, instance.name):
            return AppInstance(instance, "it was named")
    raise TargetError(
        f"there is no instance '{instance_id}' in this account and Region",
        "instances near the database:\n" + _table(instances.all),
    )


def _admitted(instance: Instance, database: Database, groups: SecurityGroups) -> bool:
    rules = groups.ingress_of(database.instance.security_group_ids)
    return admits(rules, database.port, instance.group_ids, instance.address) is True


def _several(candidates: list[Instance], target: Target) -> TargetError:
    return TargetError(
        f"{len(candidates)} instances may run {target.name}; say which one is meant with --instance",
        _table(candidates),
    )


def _table(instances: Iterable[Instance]) -> str:
    rows = [(i.instance_id, visible(i.name), i.address, i.state) for i in instances]
    return tabulate(rows, headers=("instance", "name", "address", "state"), tablefmt="plain")
