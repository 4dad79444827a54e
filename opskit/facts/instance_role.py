"""The role that the instance's programs get, through its instance profile."""

from __future__ import annotations

from dataclasses import dataclass

from opskit.config import Target
from opskit.facts.app_instance import AppInstance
from opskit.facts.interface import Iam, pages


@dataclass(frozen=True, slots=True)
class InstanceRole:
    """The instance's profile and role; `None` means that there is none, which was read.

    Attributes:
        boundary_arn: the role's permissions boundary.
        candidates: without a profile, the names of profiles that carry the target's name.
    """

    profile_name: str | None
    role_name: str | None
    role_arn: str | None
    boundary_arn: str | None
    candidates: tuple[str, ...] = ()


def read(iam: Iam, app: AppInstance, target: Target) -> InstanceRole:
    """Follow the instance's profile to its role."""
    if app.instance.profile_arn is None:
        found = pages(iam.list_instance_profiles, "InstanceProfiles", token="Marker")
        names = [p["InstanceProfileName"] for p in found if p["Roles"]]
        words = [w for w in (target.prefix or target.name).lower().split("/") if w]
        fitting = tuple(n for n in names if all(word in n.lower() for word in words))
        return InstanceRole(None, None, None, None, fitting)
    name = app.instance.profile_arn.rsplit("/", 1)[-1]
    roles = iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]
    if not roles:
        return InstanceRole(name, None, None, None)
    boundary = (roles[0].get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
    return InstanceRole(name, roles[0]["RoleName"], roles[0]["Arn"], boundary)
