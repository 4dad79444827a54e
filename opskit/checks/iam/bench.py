"""What the commands that mend the role's rights are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from opskit.checks.fix import Command
from opskit.checks.fix_commands import restart_if_unhealthy
from opskit.config import Target
from opskit.facts.app_instance import AppInstance
from opskit.facts.identity import Identity
from opskit.facts.instance_role import InstanceRole
from opskit.facts.interface import Fact, Known
from opskit.facts.key import Key
from opskit.facts.policies import RolePolicies
from opskit.facts.probe import InstanceProbe
from opskit.facts.region import Region
from opskit.facts.simulation import DECRYPT, READ, parameter_arn
from opskit.policy.access import RoleAccess


@dataclass(frozen=True, slots=True)
class Bench:
    """What the commands are made of: a fact like any other, so that checks ask for one thing."""

    target: Target
    region: Region
    identity: Identity
    role: InstanceRole | None
    key: Key | None
    access: RoleAccess | None
    policies: RolePolicies | None
    restart: tuple[Command, ...]

    @property
    def parameter_arns(self) -> list[str]:
        """The ARNs of the parameters."""
        names = self.target.parameters.values()
        return [parameter_arn(self.region, self.identity, name) for name in names]

    @property
    def parameters(self) -> list[str]:
        """One pattern when all parameters share a path, else each by name."""
        paths = {arn.rsplit("/", 1)[0] for arn in self.parameter_arns}
        return [f"{paths.pop()}/*"] if len(paths) == 1 else sorted(self.parameter_arns)

    def statement(self, *, is_decrypt: bool) -> dict[str, Any]:
        """The smallest statement that allows what is refused."""
        if not is_decrypt or self.key is None:
            actions = [*READ, "ssm:GetParametersByPath"]
            return {"Effect": "Allow", "Action": actions, "Resource": self.parameters}
        via = {"StringEquals": {"kms:ViaService": f"ssm.{self.region.name}.amazonaws.com"}}
        return {
            "Effect": "Allow",
            "Action": DECRYPT,
            "Resource": self.key.arn,
            "Condition": via,
        }


def derive(
    target: Target,
    region: Region,
    identity: Identity,
    role: Fact[InstanceRole],
    key: Fact[Key],
    access: Fact[RoleAccess],
    policies: Fact[RolePolicies],
    app: Fact[AppInstance],
    probe: Fact[InstanceProbe],
) -> Bench:
    """Put together what the commands are made of."""
    return Bench(
        target,
        region,
        identity,
        role.value if isinstance(role, Known) else None,
        key.value if isinstance(key, Known) else None,
        access.value if isinstance(access, Known) else None,
        policies.value if isinstance(policies, Known) else None,
        restart_if_unhealthy(app, probe),
    )
