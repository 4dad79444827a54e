"""Members of the security groups: the app, its siblings, databases, a load balancer, others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from opskit.config import Target
from opskit.facts.database import Database
from opskit.facts.instances import Instances
from opskit.facts.interface import Fact, Known
from opskit.facts.interface_owners import InterfaceOwners
from opskit.facts.load_balancer import LoadBalancer
from opskit.facts.rds import DbInstance, DbInstances
from opskit.facts.target_health import TargetHealths
from opskit.workload.ec2_instance import Instance
from opskit.workload.interface import Workload


class MemberKind(Enum):
    """The relation of a security group's member to the app."""

    APP = auto()
    SIBLING = auto()
    OTHER_INSTANCE = auto()
    DATABASE = auto()
    OTHER_DATABASE = auto()
    LOAD_BALANCER = auto()
    OTHER_INTERFACE = auto()


@dataclass(frozen=True, slots=True)
class Member:
    """A resource with security groups; `label` is its name for a reader."""

    kind: MemberKind
    label: str
    group_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GroupMembers:
    """The known members of the security groups around the app and its database.

    Attributes:
        app, database: the diagnosed workload and database.
        is_complete: instances and databases were read; otherwise a missing member proves nothing.
        knows_load_balancer: the app's load balancer, or that it has none, was read.
        knows_interfaces: the owners of all other network interfaces were read.
    """

    app: Workload
    database: DbInstance
    members: tuple[Member, ...]
    is_complete: bool
    knows_load_balancer: bool
    knows_interfaces: bool = True

    def of(self, group_id: str) -> tuple[Member, ...]:
        """The members of a group."""
        return tuple(m for m in self.members if group_id in m.group_ids)

    def has(self, kind: MemberKind) -> bool:
        """Whether any member of a kind is known."""
        return any(m.kind is kind for m in self.members)


def analyze(
    app: Workload,
    database: Database,
    target: Fact[Target],
    instances: Fact[Instances],
    databases: Fact[DbInstances],
    load_balancer: Fact[LoadBalancer],
    targets: Fact[TargetHealths],
    owners: Fact[InterfaceOwners],
) -> GroupMembers:
    """List every known member."""
    name_words = target.value.name_words if isinstance(target, Known) else ()
    known = instances.value.all if isinstance(instances, Known) else ()
    own = database.instance
    members = [Member(MemberKind.APP, app.label, app.group_ids)]
    members += [_instance(app, i, name_words) for i in known if i.instance_id != app.identifier]
    members.append(Member(MemberKind.DATABASE, own.identifier, own.security_group_ids))
    listed = databases.value.all if isinstance(databases, Known) else ()
    members += [_database(own, d) for d in listed if d.identifier != own.identifier]
    if isinstance(load_balancer, Known):
        balancer = load_balancer.value
        members.append(Member(MemberKind.LOAD_BALANCER, balancer.name, balancer.group_ids))
    if isinstance(owners, Known):
        members += _others(app, owners.value, tuple(members))
    has_none = isinstance(targets, Known) and not any(
        t.group.load_balancer_arns for t in targets.value.all
    )
    return GroupMembers(
        app,
        own,
        tuple(members),
        isinstance(instances, Known) and isinstance(databases, Known),
        isinstance(load_balancer, Known) or has_none,
        isinstance(owners, Known),
    )


def is_sibling(app: Workload, other: Instance, name_words: tuple[str, ...]) -> bool:
    """Whether another instance runs the same app: by its Auto Scaling group, its profile or its name.

    A batch worker of the same product has the product's name too, but its name has a further word
    that the app's name lacks.
    """
    if app.scaling_group and other.scaling_group:
        return app.scaling_group == other.scaling_group
    if app.profile_arn and app.profile_arn == other.profile_arn:
        return True
    named = bool(name_words) and all(part in other.searchable_text for part in name_words)
    return named and _role_words(other, name_words) <= _role_words(app, name_words)


def _role_words(named: Instance | Workload, name_words: tuple[str, ...]) -> set[str]:
    """The words of a name, without numbers and the target's own words."""
    own_words = set(re.findall(r"[a-z]+", named.name.lower()))
    return own_words - {
        part for name_word in name_words for part in re.findall(r"[a-z]+", name_word)
    }


def _instance(app: Workload, other: Instance, name_words: tuple[str, ...]) -> Member:
    kind = MemberKind.SIBLING if is_sibling(app, other, name_words) else MemberKind.OTHER_INSTANCE
    return Member(kind, other.label, other.group_ids)


def _others(app: Workload, owners: InterfaceOwners, known: tuple[Member, ...]) -> Iterator[Member]:
    """The other interfaces' owners; the tasks of the app's own ECS service are its siblings."""
    own = {i.interface_id for i in app.interfaces}
    balancers = {f"load balancer {m.label}" for m in known if m.kind is MemberKind.LOAD_BALANCER}
    for owner in owners.all:
        if owner.interface_id in own or owner.label in balancers:
            continue
        is_sibling_task = owner.ecs_service != "" and owner.ecs_service == app.ecs_service
        kind = MemberKind.SIBLING if is_sibling_task else MemberKind.OTHER_INTERFACE
        yield Member(kind, owner.label, owner.group_ids)


def _database(own: DbInstance, other: DbInstance) -> Member:
    """A database as a member; the instances of one cluster share their groups by design."""
    same = own.cluster_id is not None and own.cluster_id == other.cluster_id
    kind = MemberKind.DATABASE if same else MemberKind.OTHER_DATABASE
    return Member(kind, other.identifier, other.security_group_ids)
