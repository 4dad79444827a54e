"""Which way leads to the instance."""

from __future__ import annotations

from dataclasses import dataclass

from opskit.config import Target
from opskit.errors import UsageError
from opskit.facts.app_instance import AppInstance
from opskit.facts.interface import Ssm
from opskit.instance import ROADS
from opskit.instance.interface import Road

CHOICES = ("auto", *ROADS, "none")


@dataclass(frozen=True, slots=True)
class RoadChoice:
    """The road, or why there is none."""

    road: Road | None
    why_none: str = ""


def choose(target: Target, ssm: Ssm, app: AppInstance) -> RoadChoice:
    """The road that `--via` names; `auto` is Run Command, which is audited and needs no plugin."""
    if target.via not in CHOICES:
        raise UsageError(f"--via '{target.via}' is not one of {', '.join(CHOICES)}")
    if target.via == "none":
        return RoadChoice(None, "the instance was not asked (--via none)")
    if target.via == "local":
        from opskit.instance.local import Local

        return RoadChoice(Local())
    from opskit.instance.run_command import RunCommand

    return RoadChoice(RunCommand(ssm, app.instance.instance_id))
