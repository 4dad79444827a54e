"""The role that the instance's programs get, through its instance profile."""

from __future__ import annotations

from dataclasses import dataclass

from opskit.facts.app_instance import AppInstance
from opskit.facts.interface import Iam


@dataclass(frozen=True, slots=True)
class InstanceRole:
    """The instance's profile and role; `None` means that there is none, which was read.

    Attributes:
        boundary_arn: the role's permissions boundary.
    """

    profile_name: str | None
    role_name: str | None
    role_arn: str | None
    boundary_arn: str | None


def read(iam: Iam, app: AppInstance) -> InstanceRole:
    """Follow the instance's profile to its role."""
    if app.instance.profile_arn is None:
        return InstanceRole(None, None, None, None)
    name = app.instance.profile_arn.rsplit("/", 1)[-1]
    roles = iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]
    if not roles:
        return InstanceRole(name, None, None, None)
    boundary = (roles[0].get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
    return InstanceRole(name, roles[0]["RoleName"], roles[0]["Arn"], boundary)
