"""Whether the instance's Systems Manager agent answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from opskit.facts.interface import FactUnavailable, Ssm, run_concurrently
from opskit.workload.interface import Workload


@dataclass(frozen=True, slots=True)
class SsmAgent:
    """The agent's registration.

    Attributes:
        ping: Online, ConnectionLost or Inactive; None when the instance never registered in this
            account and Region.
        takes_sessions: whether it holds a connection to ssmmessages.
    """

    ping: str | None
    last_ping_at: datetime | None
    version: str
    takes_sessions: bool


def read(ssm: Ssm, app: Workload) -> SsmAgent:
    """Describe the instance as a managed node and read its connection status concurrently."""
    target = app.managed_node_id
    if target is None:
        raise FactUnavailable(f"{app.kind.indefinite} is no managed node")
    filters = [{"Key": "InstanceIds", "Values": [target]}]
    reply, status = run_concurrently(
        [
            lambda: ssm.describe_instance_information(Filters=filters),
            lambda: ssm.get_connection_status(Target=target),
        ]
    )
    takes_sessions = status["Status"] == "connected"
    rows = reply["InstanceInformationList"]
    if not rows:
        return SsmAgent(None, None, "", takes_sessions)
    row = rows[0]
    version = row.get("AgentVersion", "")
    return SsmAgent(row["PingStatus"], row.get("LastPingDateTime"), version, takes_sessions)
