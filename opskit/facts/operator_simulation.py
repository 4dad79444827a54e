"""The permissions that the commands need, by resource, and the IAM simulator's answers for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opskit.config import DEFAULT_SSH_USER, Target
from opskit.credential_source import source_of
from opskit.facts.database import Database
from opskit.facts.identity import Identity
from opskit.facts.interface import Fact, FactUnavailable, Iam, Known, run_concurrently
from opskit.facts.key import Key
from opskit.facts.operator_policies import OperatorPolicies
from opskit.facts.permissions import Permission, PermissionGroup, ResourceScope, permissions_of
from opskit.facts.region import Region
from opskit.facts.simulation import Simulation, decisions_of, location_arn
from opskit.facts.unfinished_rotation import journal_of
from opskit.parameter_reference import arn_of
from opskit.workload.ec2_instance import Ec2InstanceWorkload
from opskit.workload.ecs_task import EcsTaskWorkload, task_name
from opskit.workload.interface import Workload

OS_USER = "ec2:osuser"
"""The condition key of SendSSHPublicKey: the OS user whose account the key opens."""


@dataclass(frozen=True, slots=True)
class OperatorNeeds:
    """Every (permission, resource) that the commands need.

    Attributes:
        ssh_user: the OS user for whom a key would be sent; empty unless `--via` is `ssh-session`.
    """

    all: tuple[tuple[Permission, str], ...]
    ssh_user: str = ""

    def context_of(self, permission: Permission) -> dict[str, str]:
        """The condition keys that a request for a permission carries."""
        return {OS_USER: self.ssh_user} if permission.on is ResourceScope.SSH_KEY else {}


@dataclass(frozen=True, slots=True)
class OperatorSimulation:
    """The simulator's answers about the operator; it does not evaluate key policies."""

    answers: Simulation


@dataclass(frozen=True, slots=True)
class _Arns:
    """The common parts of ARNs: `arn:` with the partition, the Region and the account."""

    partition: str
    region: str
    account: str

    def of(self, service: str) -> str:
        """The beginning of the ARNs of a service's resources."""
        return f"{self.partition}:{service}:{self.region}:{self.account}"


def select(
    target: Target,
    region: Region,
    identity: Identity,
    key: Fact[Key],
    app: Fact[Workload],
    database: Fact[Database],
) -> OperatorNeeds:
    """Name the resources; an AWS managed key needs no permission, an unknown workload is any."""
    own = f"arn:{region.partition}"
    source = source_of(target)
    arns = _Arns(own, region.name, identity.account)
    secret = database.value.instance.managed_secret_arn if isinstance(database, Known) else None
    resources = {
        ResourceScope.EVERYTHING: ["*"],
        ResourceScope.PARAMETERS: [
            location_arn(source, region, identity, name) for name in source.names
        ],
        ResourceScope.KEY: [key.value.arn]
        if isinstance(key, Known) and not key.value.is_aws_managed
        else [],
        ResourceScope.DOCUMENT: [f"{own}:ssm:{region.name}::document/AWS-RunShellScript"],
        ResourceScope.TUNNEL_DOCUMENT: [
            f"{own}:ssm:{region.name}::document/AWS-StartPortForwardingSessionToRemoteHost"
        ],
        ResourceScope.SSH_DOCUMENT: [f"{own}:ssm:{region.name}::document/AWS-StartSSHSession"],
        ResourceScope.JOURNAL: [
            arn_of(
                journal_of(source.location("password").name),
                region.partition,
                region.name,
                identity.account,
            )
        ],
        ResourceScope.DATABASE: [
            f"{own}:rds:{region.name}:{identity.account}:db:{database.value.instance.identifier}"
        ]
        if isinstance(database, Known)
        else [],
        ResourceScope.MANAGED_SECRET: [secret] if secret else [],
        ResourceScope.SESSIONS: [f"{own}:ssm:{region.name}:{identity.account}:session/*"],
    }
    identifier = app.value.identifier if isinstance(app, Known) else "*"
    resources |= BY_KIND[target.workload_kind.name].resources(arns, target, identifier)
    wants_ssh = target.via == "ssh-session"
    return OperatorNeeds(
        tuple(
            (p, r)
            for p in permissions_of(source.actions)
            if _applies(p, target)
            for r in resources.get(p.on, ())
        ),
        (target.ssh_user or DEFAULT_SSH_USER) if wants_ssh else "",
    )


def _of_instance(arns: _Arns, _: Target, identifier: str) -> dict[ResourceScope, list[str]]:
    instance = f"{arns.of('ec2')}:instance/{identifier}"
    document = f"{arns.partition}:ssm:{arns.region}::document/AWS-StartNonInteractiveCommand"
    return {
        ResourceScope.INSTANCE: [instance],
        ResourceScope.SESSION_DOCUMENT: [document],
        ResourceScope.SSH_KEY: [instance],
    }


def _of_task(arns: _Arns, target: Target, identifier: str) -> dict[ResourceScope, list[str]]:
    cluster = task_name(target.ecs_task or "").cluster
    return {
        ResourceScope.CLUSTER: [f"{arns.of('ecs')}:cluster/{cluster}"],
        ResourceScope.TASK: [f"{arns.of('ecs')}:task/{cluster}/{identifier}"],
        ResourceScope.TASK_SESSIONS: [f"{arns.of('ssm')}:session/ecs-execute-command-*"],
    }


@dataclass(frozen=True, slots=True)
class _KindNeeds:
    """The permissions for one kind of workload: their group, and the resources that only it has."""

    group: PermissionGroup
    resources: Callable[[_Arns, Target, str], dict[ResourceScope, list[str]]]


BY_KIND = {
    Ec2InstanceWorkload.kind.name: _KindNeeds(PermissionGroup.INSTANCE, _of_instance),
    EcsTaskWorkload.kind.name: _KindNeeds(PermissionGroup.TASKS, _of_task),
}
"""Name of a kind of workload -> the permissions that are needed for it alone."""


def _applies(permission: Permission, target: Target) -> bool:
    """Whether a permission is needed: by the kind of workload, and for SSH only if `--via` names it."""
    if permission.group is PermissionGroup.SSH and target.via != "ssh-session":
        return False
    own = BY_KIND[target.workload_kind.name].group
    return permission.group is own or permission.group not in {n.group for n in BY_KIND.values()}


def read(iam: Iam, policies: OperatorPolicies, needs: OperatorNeeds) -> OperatorSimulation:
    """Simulate all needs, by one concurrent call for each kind of resource."""
    if policies.is_root:
        raise FactUnavailable("the root user cannot be simulated", "credentials of a user or role")
    calls: list[Callable[[], Any]] = []
    for on in ResourceScope:
        rows = [(p.action, r) for p, r in needs.all if p.on is on]
        if rows:
            actions = list(dict.fromkeys(a for a, _ in rows))
            resources = list(dict.fromkeys(r for _, r in rows))
            user = needs.ssh_user if on is ResourceScope.SSH_KEY else ""
            calls.append(_asking(iam, policies.arn, actions, resources, user))
    replies = run_concurrently(calls)
    return OperatorSimulation(
        Simulation(tuple(d for reply in replies for d in decisions_of(reply)))
    )


def _asking(
    iam: Iam, arn: str, actions: list[str], resources: list[str], ssh_user: str
) -> Callable[[], Any]:
    entry = {"ContextKeyName": OS_USER, "ContextKeyValues": [ssh_user], "ContextKeyType": "string"}
    return lambda: iam.simulate_principal_policy(
        PolicySourceArn=arn,
        ActionNames=actions,
        ResourceArns=resources,
        MaxItems=1000,
        **({"ContextEntries": [entry]} if ssh_user else {}),
    )
