"""Computes the snapshot after AWS calls, on which a fix is verified before it is shown.

Only the state that AWS describes is changed. Observations (connections, reads, logins, the app's health)
say nothing about the state afterwards, so they are dropped where a call may change them. Each module
here holds calls of one kind; a call without an effect here is never offered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from opskit.analysis import analyze_all
from opskit.checks.fix_effects import (
    access,
    database,
    instances,
    network,
    parameters,
    security_groups,
)
from opskit.checks.fix_effects.state import STALE, CallRejected, Effects, Facts, State
from opskit.commands import AwsCall, Command, OpskitCommand
from opskit.facts.agent import SsmAgent
from opskit.facts.dns import OperatorDns
from opskit.facts.interface import Known, fact_type
from opskit.facts.login import ClientLogin, LoginAttemptResult
from opskit.facts.operator_simulation import OperatorSimulation
from opskit.facts.probe import InstanceProbe
from opskit.facts.simulation import Simulation
from opskit.facts.snapshot import Snapshot
from opskit.facts.target_health import TargetHealths

__all__ = ["EFFECTS", "CallRejected", "apply", "apply_to"]

REPAIR = ("rotate-password", "repair")


def apply(
    snapshot: Snapshot, commands: Iterable[Command], origin: Snapshot | None = None
) -> Snapshot:
    """The snapshot after the AWS calls among the commands, with all analyses run again.

    Args:
        origin: for an undo: the snapshot before the fix.

    Raises:
        CallRejected: AWS would refuse a call, or the state that it changes was not read.
    """
    state = State(dict(snapshot.facts), origin)
    commands = tuple(commands)
    calls = [c for c in commands if isinstance(c, AwsCall)]
    if calls and any(isinstance(c, OpskitCommand) and c.arguments == REPAIR for c in commands):
        parameters.repair_password(state)
    for call in calls:
        effect = EFFECTS.get((call.service, call.operation))
        if effect is None:
            raise CallRejected(f"the effect of {call.service}:{call.operation} is not modelled")
        effect(state, call.parameters)
    if calls:
        _drop_observations(state.facts, calls)
    return analyze_all(Snapshot(state.facts, snapshot.calls, snapshot.rounds))


def apply_to(values: Iterable[object], calls: Iterable[AwsCall]) -> Mapping[type, Any]:
    """Some facts' values after AWS calls, by their types, without the analyses.

    Raises:
        CallRejected: as `apply`.
    """
    state = State({fact_type(v): Known(v, "planned", datetime.now(UTC)) for v in values})
    for call in calls:
        EFFECTS[call.service, call.operation](state, call.parameters)
    return {kind: state.value(kind) for kind in state.facts}


def _drop_observations(facts: Facts, calls: list[AwsCall]) -> None:
    """Drop earlier observations: an old time-out is no evidence against a new rule."""
    services = {call.service for call in calls}
    for kind in (LoginAttemptResult, ClientLogin, TargetHealths):
        if kind in facts:
            facts[kind] = STALE
    if any(_changes_dns(call) for call in calls) and OperatorDns in facts:
        facts[OperatorDns] = STALE
    for simulated in (Simulation, OperatorSimulation):
        if simulated in facts and "iam" in services:
            facts[simulated] = STALE
    probe = facts.get(InstanceProbe)
    if not isinstance(probe, Known):
        return
    result = replace(probe.value.result, attempts=(), health=None)
    if services & {"iam", "kms", "ssm"}:
        result = replace(result, reads=())
    if services & {"ec2", "rds", "route53"}:
        result = replace(result, connections=())
    if any(_changes_dns(call) for call in calls):
        result = replace(result, resolutions=())
    facts[InstanceProbe] = replace(probe, value=replace(probe.value, result=result))


def _changes_dns(call: AwsCall) -> bool:
    """Whether names may resolve differently afterwards."""
    return (
        call.service == "route53"
        or call.operation == "ModifyVpcAttribute"
        or "PubliclyAccessible" in call.parameters
    )


def _send_document(state: State, arguments: Mapping[str, Any]) -> None:
    if arguments["DocumentName"] != "AWS-UpdateSSMAgent":
        raise CallRejected(f"the effect of {arguments['DocumentName']} is not modelled")
    agent: SsmAgent = state.value(SsmAgent)
    state.set(replace(agent, version="3.3.0.0"))


def _leave(_: State, __: Mapping[str, Any]) -> None:
    """A new deployment of the same definition changes no state that AWS describes."""


EFFECTS: Effects = {
    **access.EFFECTS,
    **database.EFFECTS,
    **instances.EFFECTS,
    **network.EFFECTS,
    **parameters.EFFECTS,
    **security_groups.EFFECTS,
    ("ecs", "UpdateService"): _leave,
    ("ssm", "SendCommand"): _send_document,
}
"""(service, operation) -> its effect on the facts."""
