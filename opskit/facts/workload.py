"""Selects the workload and its role, of the kind that the settings name."""

from __future__ import annotations

from opskit.config import Target
from opskit.facts.interface import Fact, known_value
from opskit.workload.ec2_instance import Ec2InstanceWorkload, InstanceRole
from opskit.workload.ecs_task import EcsTaskWorkload, TaskRole
from opskit.workload.interface import Workload, WorkloadRole


def select(
    target: Target, instance: Fact[Ec2InstanceWorkload], task: Fact[EcsTaskWorkload]
) -> Workload:
    """Take the workload of the target's kind.

    Raises:
        FactUnavailable: it is not known.
    """
    by_kind: dict[str, Fact[Workload]] = {
        Ec2InstanceWorkload.kind.name: instance,
        EcsTaskWorkload.kind.name: task,
    }
    return known_value(by_kind[target.workload_kind.name])


def select_role(
    target: Target, of_instance: Fact[InstanceRole], of_task: Fact[TaskRole]
) -> WorkloadRole:
    """Take the role of the target's kind of workload.

    Raises:
        FactUnavailable: it is not known.
    """
    by_kind: dict[str, Fact[WorkloadRole]] = {
        Ec2InstanceWorkload.kind.name: of_instance,
        EcsTaskWorkload.kind.name: of_task,
    }
    return known_value(by_kind[target.workload_kind.name])
