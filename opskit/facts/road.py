"""Which way leads to the instance."""

from __future__ import annotations

from dataclasses import dataclass

from opskit.config import Target
from opskit.errors import UsageError
from opskit.facts.app_instance import AppInstance
from opskit.facts.interface import Kms, Ssm, SsmMessages
from opskit.instance import ROADS
from opskit.instance.interface import Road

CHOICES = ("auto", *ROADS, "none")


@dataclass(frozen=True, slots=True)
class RoadChoice:
    """The road, or why there is none."""

    road: Road | None
    why_none: str = ""


def choose(
    target: Target, ssm: Ssm, kms: Kms, messages: SsmMessages, app: AppInstance
) -> RoadChoice:
    """The road that `--via` names; `auto` tries Run Command first, and a session where it is refused."""
    if target.via not in CHOICES:
        raise UsageError(f"--via '{target.via}' is not one of {', '.join(CHOICES)}")
    if target.via == "none":
        return RoadChoice(None, "the instance was not asked (--via none)")
    if target.via == "local":
        from opskit.instance.local import Local

        return RoadChoice(Local())
    from opskit.instance.auto import Auto
    from opskit.instance.run_command import RunCommand
    from opskit.instance.session_manager.commands import SessionManager

    instance_id = app.instance.instance_id
    by_command = RunCommand(ssm, instance_id)
    by_session = SessionManager(ssm, messages, kms, instance_id)
    if target.via == "auto":
        return RoadChoice(Auto((by_command, by_session)))
    return RoadChoice(by_command if target.via == "run-command" else by_session)
