"""The account's instance profiles, read early so that the app's role needs no further call."""

from __future__ import annotations

from dataclasses import dataclass

from opskit.aws_protocols import paginate
from opskit.facts.interface import Iam


@dataclass(frozen=True, slots=True)
class InstanceProfile:
    """A profile with the name and ARN of its role; None when the profile holds no role."""

    name: str
    arn: str
    role_name: str | None
    role_arn: str | None


@dataclass(frozen=True, slots=True)
class InstanceProfiles:
    """All instance profiles."""

    all: tuple[InstanceProfile, ...]

    def get(self, arn: str) -> InstanceProfile | None:
        """The profile of an ARN."""
        return next((p for p in self.all if p.arn == arn), None)


def read(iam: Iam) -> InstanceProfiles:
    """List every profile; one call returns up to a thousand."""
    rows = paginate(iam.list_instance_profiles, "InstanceProfiles", token="Marker", MaxItems=1000)
    return InstanceProfiles(
        tuple(
            InstanceProfile(
                p["InstanceProfileName"],
                p["Arn"],
                p["Roles"][0]["RoleName"] if p["Roles"] else None,
                p["Roles"][0]["Arn"] if p["Roles"] else None,
            )
            for p in rows
        )
    )
