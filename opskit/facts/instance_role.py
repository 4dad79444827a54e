"""The role of the instance's programs, by its instance profile."""

from __future__ import annotations

from dataclasses import dataclass

from opskit.config import Target
from opskit.facts.app_instance import AppInstance
from opskit.facts.ecs_task import TaskRole
from opskit.facts.instance_profiles import InstanceProfiles
from opskit.facts.interface import Fact, FactUnavailable, Iam, Known


@dataclass(frozen=True, slots=True)
class InstanceRole:
    """The instance's profile and role; `None` means that they were read and do not exist.

    A task has a role without a profile.

    Attributes:
        candidates: without a profile, the names of profiles that contain the target's name.
    """

    profile_name: str | None
    role_name: str | None
    role_arn: str | None
    candidates: tuple[str, ...] = ()


def read(
    iam: Iam,
    app: AppInstance,
    target: Target,
    profiles: Fact[InstanceProfiles],
    of_task: Fact[TaskRole],
) -> InstanceRole:
    """Find the role of the instance's profile, in the list of profiles or else by a separate call."""
    if app.task is not None:
        if not isinstance(of_task, Known):
            raise FactUnavailable(of_task.reason, *of_task.missing)
        role = of_task.value.arn
        return InstanceRole(None, role.rsplit("/", 1)[-1] if role else None, role)
    known = profiles.value if isinstance(profiles, Known) else None
    arn = app.instance.profile_arn
    if arn is None:
        words = [w for w in (target.prefix or target.name).lower().split("/") if w]
        usable = [p.name for p in known.all if p.role_name] if known else []
        fitting = tuple(n for n in usable if all(word in n.lower() for word in words))
        return InstanceRole(None, None, None, fitting)
    found = known.get(arn) if known else None
    if found is not None:
        return InstanceRole(found.name, found.role_name, found.role_arn)
    name = arn.rsplit("/", 1)[-1]
    roles = iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]
    if not roles:
        return InstanceRole(name, None, None)
    return InstanceRole(name, roles[0]["RoleName"], roles[0]["Arn"])
