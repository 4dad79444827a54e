"""The role of the instance's programs, by its instance profile."""

from __future__ import annotations

from opskit.config import Target
from opskit.facts.instance_profiles import InstanceProfiles
from opskit.facts.interface import Fact, FactUnavailable, Iam, Known
from opskit.workload.ec2_instance import DESCRIBE, ENDED, Ec2InstanceWorkload, InstanceRole


def read(
    iam: Iam,
    app: Ec2InstanceWorkload,
    target: Target,
    profiles: Fact[InstanceProfiles],
) -> InstanceRole:
    """Find the role of the instance's profile, in the list of profiles or else by a separate call.

    Raises:
        FactUnavailable: EC2 could not be asked for the profile, or a terminated instance has lost it.
    """
    if not app.is_described:
        raise FactUnavailable(f"the instance profile of {app.label} is not known", DESCRIBE)
    known = profiles.value if isinstance(profiles, Known) else None
    arn = app.profile_arn
    if arn is None and app.instance.state in ENDED:
        raise FactUnavailable(f"{app.label} is {app.instance.state}")
    if arn is None:
        name_words = target.name_words
        usable = [p.name for p in known.all if p.role_name] if known else []
        fitting = tuple(
            n for n in usable if all(name_word in n.lower() for name_word in name_words)
        )
        return InstanceRole(None, None, None, fitting)
    profile = known.get(arn) if known else None
    if profile is not None:
        return InstanceRole(profile.role_name, profile.role_arn, profile.name)
    name = arn.rsplit("/", 1)[-1]
    roles = iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]
    if not roles:
        return InstanceRole(None, None, name)
    return InstanceRole(roles[0]["RoleName"], roles[0]["Arn"], name)
