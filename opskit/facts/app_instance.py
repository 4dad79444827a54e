"""Selects the EC2 instance that runs the app, by the database's rules and by names, never silently.

The app may be the patient: its instance is searched in every state, and in the whole Region.
"""

from __future__ import annotations

from collections.abc import Iterable

from tabulate import tabulate

from opskit.config import Target
from opskit.errors import AmbiguousTarget, UsageError, or_option
from opskit.escaping import visible
from opskit.facts.database import Database
from opskit.facts.identity import Identity, account_words
from opskit.facts.instances import Instances
from opskit.facts.interface import Fact, FactUnavailable, Known, Unknown
from opskit.facts.region import Region
from opskit.facts.security_groups import SecurityGroups, admits
from opskit.facts.vpc_scope import VpcScope
from opskit.workload.ec2_instance import RUNNING, Ec2InstanceWorkload, Instance, undescribed

MOST_LISTED = 12
OPTION = "--instance ID"


def select(
    target: Target,
    region: Region,
    identity: Fact[Identity],
    instances: Fact[Instances],
    scope: Fact[VpcScope],
    database: Fact[Database],
    groups: Fact[SecurityGroups],
) -> Ec2InstanceWorkload:
    """Find the instance that runs the app.

    Two hints are combined: the database's groups admit the instance, and its name, tags or profile
    contain the target's name. The second is needed because the first may be the very fault. A running
    instance near the database comes first, since what is stopped may be left over; then one that is
    stopped and has both; then any other of the Region that carries the name.

    Raises:
        UsageError: the named instance does not exist.
        AmbiguousTarget: several fit.
        FactUnavailable: none fits, or the settings name another kind of workload.
    """
    kind = target.workload_kind
    if kind is not Ec2InstanceWorkload.kind:
        raise FactUnavailable(f"the app runs in {kind.indefinite}")
    where = account_words(identity, region)
    if isinstance(instances, Unknown):
        if target.instance and target.instance.startswith(("i-", "mi-")):
            why = f"it was named; {instances.reason}"
            return Ec2InstanceWorkload(undescribed(target.instance), selection_reason=why)
        raise FactUnavailable(instances.reason, *or_option(instances.missing, OPTION))
    if target.instance:
        return _named(target, instances.value, where)
    near = {scope.value.vpc_id, *scope.value.peered_vpc_ids} if isinstance(scope, Known) else set()
    name = target.name
    for candidates, why in _rankings(instances.value.all, target, near, database, groups):
        if len(candidates) == 1:
            return Ec2InstanceWorkload(candidates[0], selection_reason=why)
        if candidates:
            raise _several(candidates, target)
    searched = "" if instances.value.is_complete else "; not all of its instances were read"
    reason = f"no instance in {where} carries the name {name}{searched}"
    if isinstance(database, Unknown):
        reason += f", and which ones the database admits is not known: {database.reason}"
        raise FactUnavailable(reason, *or_option(database.missing, OPTION))
    if isinstance(groups, Unknown):
        reason += f", and which ones the database admits is not known: {groups.reason}"
        raise FactUnavailable(reason, *or_option(groups.missing, OPTION))
    raise FactUnavailable(f"{reason} or is admitted by the database", OPTION)


def _rankings(
    instances: Iterable[Instance],
    target: Target,
    near: set[str],
    database: Fact[Database],
    groups: Fact[SecurityGroups],
) -> Iterable[tuple[list[Instance], str]]:
    """Groups of candidates, the likeliest first, each with the reason for which it is selected."""
    both: list[Instance] = []
    named: list[Instance] = []
    admitted: list[Instance] = []
    elsewhere: list[Instance] = []
    stopped_both: list[Instance] = []
    stopped: list[Instance] = []
    stopped_elsewhere: list[Instance] = []
    for instance in instances:
        carries = instance.carries(target.name_words)
        is_near = instance.vpc_id in near
        fits = is_near and _is_admitted(instance, database, groups)
        if instance.state == RUNNING:
            if carries and fits:
                both.append(instance)
            if fits:
                admitted.append(instance)
            if carries:
                (named if is_near else elsewhere).append(instance)
        elif carries:
            (stopped_both if fits else stopped if is_near else stopped_elsewhere).append(instance)
    carried = f"it carries the name {target.name}"
    return (
        (both, f"{carried} and the database admits its groups"),
        (named, carried),
        (stopped_both, f"{carried} and the database admits its groups"),
        (admitted, "the database's security groups admit it"),
        (elsewhere, f"{carried}; it is in another VPC than the database"),
        (stopped, carried),
        (stopped_elsewhere, carried),
    )


def _named(target: Target, instances: Instances, where: str) -> Ec2InstanceWorkload:
    """The instance that the settings name by its id, or by its name if only one has it."""
    wanted = target.instance
    rows = [i for i in instances.all if wanted in (i.instance_id, i.name)]
    running = [i for i in rows if i.state == RUNNING]
    candidates = running or rows
    if len(candidates) == 1:
        return Ec2InstanceWorkload(candidates[0], selection_reason="it was named")
    if candidates:
        raise _several(candidates, target)
    origin = target.origins.get("instance", "--instance")
    listed = [i for i in instances.all if i.carries(target.name_words)] or instances.all
    raise UsageError(
        f"{origin} '{wanted}': there is no such instance in {where}",
        "EC2 forgets a terminated instance about an hour after its end. Instances there:\n"
        + _table(listed),
    )


def _is_admitted(
    instance: Instance, database: Fact[Database], groups: Fact[SecurityGroups]
) -> bool:
    if isinstance(database, Unknown) or isinstance(groups, Unknown):
        return False
    rules = groups.value.ingress_of(database.value.instance.security_group_ids)
    return admits(rules, database.value.port, instance.group_ids, instance.address) is True


def _several(candidates: list[Instance], target: Target) -> AmbiguousTarget:
    return AmbiguousTarget(
        f"{len(candidates)} instances may run {target.name}; say which one is meant with --instance",
        _table(candidates),
    )


def _table(instances: Iterable[Instance]) -> str:
    listed = list(instances)
    rows = [
        (i.instance_id, visible(i.name), i.address, i.state, i.vpc_id) for i in listed[:MOST_LISTED]
    ]
    headers = ("instance", "name", "address", "state", "VPC")
    more = f"\nand {len(listed) - MOST_LISTED} more" if len(listed) > MOST_LISTED else ""
    return tabulate(rows, headers=headers, tablefmt="plain") + more
