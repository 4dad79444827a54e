"""Inputs for building the IAM fix commands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from opskit.checks.fix_commands import restart_if_unhealthy
from opskit.checks.inline_policy import PolicyHolder
from opskit.commands import Command
from opskit.config import Target
from opskit.credential_source import source_of
from opskit.credential_source.interface import DECRYPT, CredentialSource
from opskit.facts.identity import Identity
from opskit.facts.interface import Fact, Known
from opskit.facts.key import Key
from opskit.facts.policies import RolePolicies
from opskit.facts.probe import InstanceProbe
from opskit.facts.region import Region
from opskit.facts.simulation import location_arn
from opskit.policy.difference import WantedAccess
from opskit.policy.role_access import RequiredPermission, RoleAccess
from opskit.workload.interface import Workload, WorkloadRole

VIA_SERVICE = "kms:ViaService"


@dataclass(frozen=True, slots=True)
class IamFixContext:
    """Inputs of the IAM fixes as one derived fact, so that each check declares one parameter for them.

    Attributes:
        role, key, access, policies: None where they are not known.
    """

    target: Target
    region: Region
    identity: Identity
    role: WorkloadRole | None
    key: Key | None
    access: RoleAccess | None
    policies: RolePolicies | None
    restart: tuple[Command, ...]

    @property
    def source(self) -> CredentialSource:
        """The credential source that the app reads."""
        return source_of(self.target)

    @property
    def read(self) -> WantedAccess:
        """The access to read each of the target's parameters by name."""
        source = self.source
        arns = tuple(location_arn(source, self.region, self.identity, n) for n in source.names)
        reads = self.access.reads if self.access else ()
        actions = source.actions.read
        calls = tuple(n.request for n in reads if n.action in actions)
        return WantedAccess(actions, arns, requests=calls)

    @property
    def decrypt(self) -> WantedAccess | None:
        """The access to decrypt with the password's key through Parameter Store; None for an unknown key."""
        if self.key is None:
            return None
        calls = tuple(n.request for n in (self.access.decrypts if self.access else ()))
        via = {VIA_SERVICE: self.source.via_service(self.region.name)}
        return WantedAccess((DECRYPT,), (self.key.arn,), via, calls)

    @property
    def needs(self) -> list[WantedAccess]:
        """All access that the app needs; without decryption where that needs no statement."""
        decrypt = self.decrypt
        return [self.read, *([decrypt] if decrypt and decrypt.requests else [])]

    @property
    def holder(self) -> PolicyHolder | None:
        """The role with its policies; None where they are not known."""
        if self.role is None or self.role.role_name is None or self.policies is None:
            return None
        return PolicyHolder("role", self.role.role_name, self.policies.identity)


def wanted_of(needs: Iterable[RequiredPermission]) -> WantedAccess:
    """The access for exactly the calls of these needs, which share their actions."""
    permissions = tuple(needs)
    actions = tuple(dict.fromkeys(n.action for n in permissions))
    resources = tuple(dict.fromkeys(n.resource for n in permissions))
    return WantedAccess(actions, resources, requests=tuple(n.request for n in permissions))


def analyze(
    target: Target,
    region: Region,
    identity: Identity,
    role: Fact[WorkloadRole],
    key: Fact[Key],
    access: Fact[RoleAccess],
    policies: Fact[RolePolicies],
    app: Fact[Workload],
    probe: Fact[InstanceProbe],
) -> IamFixContext:
    """Collect the inputs, as far as they are known."""
    return IamFixContext(
        target,
        region,
        identity,
        role.value if isinstance(role, Known) else None,
        key.value if isinstance(key, Known) else None,
        access.value if isinstance(access, Known) else None,
        policies.value if isinstance(policies, Known) else None,
        restart_if_unhealthy(app, probe),
    )
