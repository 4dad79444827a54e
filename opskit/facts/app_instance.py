"""Selects the EC2 instance that runs the app, by the database's rules and by names, never silently."""

from __future__ import annotations

from collections.abc import Iterable

from tabulate import tabulate

from opskit.config import Target
from opskit.errors import TargetError
from opskit.escaping import visible
from opskit.facts.database import Database
from opskit.facts.instances import Instances
from opskit.facts.interface import Fact, FactUnavailable, Known
from opskit.facts.security_groups import SecurityGroups, admits
from opskit.workload.ec2_instance import Ec2InstanceWorkload, Instance


def select(
    target: Target,
    instances: Instances,
    database: Database,
    groups: Fact[SecurityGroups],
) -> Ec2InstanceWorkload:
    """Find the instance that runs the app.

    Two hints are combined: the database's groups admit the instance, and its name, tags or profile
    contain the target's name. The second is needed because the first may be the very fault.

    Raises:
        TargetError: the named instance does not exist, or several fit.
        FactUnavailable: none fits, or the settings name another kind of workload.
    """
    kind = target.workload_kind
    if kind is not Ec2InstanceWorkload.kind:
        raise FactUnavailable(f"the app runs in {kind.indefinite}")
    if target.instance:
        return _named(target.instance, instances)
    running = [i for i in instances.all if i.state == "running"]
    name_words = [w for w in (target.prefix or target.name).lower().split("/") if w]
    admitted = [
        i for i in running if isinstance(groups, Known) and _admitted(i, database, groups.value)
    ]
    named = [i for i in running if all(name_word in i.searchable_text for name_word in name_words)]
    both = [i for i in named if i in admitted]
    for candidates, why in (
        (both, f"it carries the name {target.name} and the database admits its groups"),
        (named, f"it carries the name {target.name}"),
        (admitted, "the database's security groups admit it"),
    ):
        if len(candidates) == 1:
            return Ec2InstanceWorkload(candidates[0], selection_reason=why)
        if candidates:
            raise _several(candidates, target)
    raise FactUnavailable(
        f"no running instance in {database.instance.vpc_id} carries the name {target.name} or is "
        "admitted by the database",
        "--instance ID",
    )


def _named(instance_id: str, instances: Instances) -> Ec2InstanceWorkload:
    for instance in instances.all:
        if instance_id in (instance.instance_id, instance.name):
            return Ec2InstanceWorkload(instance, selection_reason="it was named")
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
