"""The permissions that the commands need, by resource, and the IAM simulator's answers for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opskit.config import DEFAULT_SSH_USER, Target, task_name
from opskit.credential_source import source_of
from opskit.facts.app_instance import AppInstance
from opskit.facts.database import Database
from opskit.facts.ecs_task import EcsTask
from opskit.facts.identity import Identity
from opskit.facts.interface import Fact, FactUnavailable, Iam, Known, run_concurrently
from opskit.facts.key import Key
from opskit.facts.operator_policies import OperatorPolicies
from opskit.facts.permissions import Permission, PermissionGroup, ResourceScope, permissions_of
from opskit.facts.region import Region
from opskit.facts.simulation import Simulation, decisions_of, location_arn
from opskit.facts.unfinished_rotation import journal_of
from opskit.parameter_reference import arn_of

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


def select(
    target: Target,
    region: Region,
    identity: Identity,
    key: Fact[Key],
    app: Fact[AppInstance],
    database: Fact[Database],
    task: Fact[EcsTask],
) -> OperatorNeeds:
    """Name the resources; an AWS managed key needs no permission, an unknown instance is any."""
    own = f"arn:{region.partition}"
    source = source_of(target)
    instance = app.value.instance.instance_id if isinstance(app, Known) else "*"
    secret = database.value.instance.managed_secret_arn if isinstance(database, Known) else None
    resources = {
        ResourceScope.EVERYTHING: ["*"],
        ResourceScope.PARAMETERS: [
            location_arn(source, region, identity, name) for name in source.names
        ],
        ResourceScope.KEY: [key.value.arn]
        if isinstance(key, Known) and not key.value.is_aws_managed
        else [],
        ResourceScope.INSTANCE: [f"{own}:ec2:{region.name}:{identity.account}:instance/{instance}"],
        ResourceScope.DOCUMENT: [f"{own}:ssm:{region.name}::document/AWS-RunShellScript"],
        ResourceScope.SESSION_DOCUMENT: [
            f"{own}:ssm:{region.name}::document/AWS-StartNonInteractiveCommand"
        ],
        ResourceScope.TUNNEL_DOCUMENT: [
            f"{own}:ssm:{region.name}::document/AWS-StartPortForwardingSessionToRemoteHost"
        ],
        ResourceScope.SSH_DOCUMENT: [f"{own}:ssm:{region.name}::document/AWS-StartSSHSession"],
        ResourceScope.SSH_KEY: [f"{own}:ec2:{region.name}:{identity.account}:instance/{instance}"],
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
    ecs = f"{own}:ecs:{region.name}:{identity.account}"
    resources |= _of_task(target, task, ecs, f"{own}:ssm:{region.name}:{identity.account}")
    wants_ssh = target.via == "ssh-session"
    return OperatorNeeds(
        tuple(
            (p, r)
            for p in permissions_of(source.actions)
            if _applies(p, target)
            for r in resources[p.on]
        ),
        (target.ssh_user or DEFAULT_SSH_USER) if wants_ssh else "",
    )


def _of_task(
    target: Target, task: Fact[EcsTask], ecs: str, ssm: str
) -> dict[ResourceScope, list[str]]:
    """The resources of the ECS Exec permissions; none where the app is not a task."""
    if target.ecs_task is None:
        return {ResourceScope.CLUSTER: [], ResourceScope.TASK: [], ResourceScope.TASK_SESSIONS: []}
    cluster = task_name(target.ecs_task).cluster
    one = task.value.location.task_id if isinstance(task, Known) else "*"
    return {
        ResourceScope.CLUSTER: [f"{ecs}:cluster/{cluster}"],
        ResourceScope.TASK: [f"{ecs}:task/{cluster}/{one}"],
        ResourceScope.TASK_SESSIONS: [f"{ssm}:session/ecs-execute-command-*"],
    }


def _applies(permission: Permission, target: Target) -> bool:
    """Whether a permission is needed: by the kind of workload, and for SSH only if `--via` names it."""
    if permission.group is PermissionGroup.SSH and target.via != "ssh-session":
        return False
    if target.ecs_task is None:
        return permission.group is not PermissionGroup.TASKS
    of_instance = permission.on in (ResourceScope.INSTANCE, ResourceScope.SESSION_DOCUMENT)
    return permission.group is not PermissionGroup.INSTANCE and not of_instance


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
