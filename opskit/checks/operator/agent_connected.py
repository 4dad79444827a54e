"""The agent on the app's instance can be reached.

Means: no command or session can be started on the instance, so that TCP, TLS, the login and the app are
not tested from the instance. The app itself is not affected.
Found by: the instance's registration with Systems Manager, its connection to Session Manager, its
state, and its profile in EC2.
Looks alike: a permission that the operator lacks: there the agent is online and the call is refused.
Fix: restart the agent on the instance (`sudo systemctl restart amazon-ssm-agent`), or restore what it
lost: its profile, the permissions of AmazonSSMManagedInstanceCore, or the way to the APIs ssm and
ssmmessages (NET015): a NAT gateway or interface endpoints.
Not the fix: opening port 22 to the internet.
"""

from __future__ import annotations

from opskit import utc
from opskit.checks.fix import Advice, Fix
from opskit.checks.fix_commands import call
from opskit.checks.interface import Finding, derived, failed, passed, reported, warned
from opskit.checks.network.api_paths import ApiPaths
from opskit.checks.seen import Seen, is_true, one_of
from opskit.checks.workload_state import judge_state
from opskit.commands import OpskitCommand
from opskit.facts.agent import SsmAgent
from opskit.facts.interface import Fact, Unknown
from opskit.workload.interface import Workload

ONE_STREAM_UP_TO = (3, 0, 196, 0)
"""Agents up to this version forward one connection at a time, and have no non-interactive sessions."""
passes_on = one_of(Seen(SsmAgent, "takes_sessions", is_true))


def check(app: Workload, agent: SsmAgent, ways: Fact[ApiPaths]) -> Finding:
    """Judge the agent's registration and connection."""
    label, state = app.label, app.reported_state
    if state is not None and not state.is_running:
        return judge_state(state)
    known = tuple(reported(text) for text in app.agent_evidence)
    if agent.takes_sessions:
        if _is_old(agent.version):
            return warned(
                f"the agent of {label} is old ({agent.version}): sessions need a terminal, and a tunnel "
                "carries one connection at a time",
                fix=Fix(
                    (
                        call(
                            "ssm",
                            "SendCommand",
                            InstanceIds=[app.identifier],
                            DocumentName="AWS-UpdateSSMAgent",
                        ),
                    ),
                    "updates the agent",
                    no_undo="an older agent has to be installed by hand",
                    caution="The agent restarts; the app does not.",
                ),
            )
        return passed(f"the agent of {label} ({agent.version or 'no version'}) takes sessions")
    closed = _closed_way(app, agent, ways)
    if closed is not None:
        return closed
    if agent.ping is None:
        return failed(
            f"{label} is not registered with Systems Manager here",
            *known,
            fix=Advice(
                f"Give {label} a profile with AmazonSSMManagedInstanceCore and a way to port 443 of ssm, "
                "ssmmessages and ec2messages; it registers within minutes after its agent starts."
            ),
        )
    if agent.ping == "Online":
        return failed(
            f"the agent of {label} is online, yet holds no connection to ssmmessages: its role lacks "
            "ssmmessages:OpenControlChannel, the endpoint is not reached, or it needs a restart",
            *known,
            fix=Advice(
                "Run Command works: `systemctl restart amazon-ssm-agent` on it; then look at its role "
                "(AmazonSSMManagedInstanceCore) and at port 443 of ssmmessages."
            ),
        )
    heard = utc.minute(agent.last_ping_at) if agent.last_ping_at else "never"
    return failed(
        f"the agent of {label} is offline ({agent.ping}), last heard {heard}",
        *known,
        fix=Advice(
            f"Look at {label} by the EC2 serial console or SSH: is it out of memory or disk, does it reach "
            "port 443 of ssm? Then restart amazon-ssm-agent, or reboot the instance."
        ),
    )


def _closed_way(app: Workload, agent: SsmAgent, ways: Fact[ApiPaths]) -> Finding | None:
    """The finding for an agent whose way to its APIs is closed; None where it is not certainly so."""
    if isinstance(ways, Unknown):
        return None
    dropped = ways.value.dropped
    if agent.ping == "Online":
        # Its pings arrive by ssm, so a model that closes that way is wrong about this network.
        dropped = () if any(p.service == "ssm" for p in dropped) else dropped
    if not dropped:
        return None
    names = " and ".join(p.service for p in dropped)
    return failed(
        f"{app.label} has no way to {names}: {'; '.join(dict.fromkeys(p.detail for p in dropped))}",
        reported(f"its agent is {agent.ping or 'not registered'}"),
        *(derived(p.path.line) for p in dropped if p.path is not None),
        fix=Advice(
            "The diagnosis of the network names the rule or endpoint to change (NET015).",
            (OpskitCommand(("diagnose", "network")),),
        ),
    )


def _is_old(version: str) -> bool:
    parts = version.split(".")
    return all(p.isdigit() for p in parts) and tuple(map(int, parts)) <= ONE_STREAM_UP_TO
