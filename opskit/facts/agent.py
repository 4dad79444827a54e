"""Whether the instance's Systems Manager agent answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from opskit.facts.app_instance import AppInstance
from opskit.facts.interface import NotThere, Ssm


@dataclass(frozen=True, slots=True)
class Agent:
    """The agent's registration.

    Attributes:
        ping: Online, ConnectionLost or Inactive; None when the instance never registered in this
            account and Region.
    """

    ping: str | None
    last_ping_at: datetime | None
    version: str


def read(ssm: Ssm, app: AppInstance) -> Agent:
    """Describe the instance as a managed node."""
    if app.task is not None:
        raise NotThere("an ECS task is no managed node")
    filters = [{"Key": "InstanceIds", "Values": [app.instance.instance_id]}]
    found = ssm.describe_instance_information(Filters=filters)["InstanceInformationList"]
    if not found:
        return Agent(None, None, "")
    return Agent(
        found[0]["PingStatus"], found[0].get("LastPingDateTime"), found[0].get("AgentVersion", "")
    )
