"""Effects of calls that start and stop the app's EC2 instance, and change its metadata options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from opskit.checks.fix_effects.state import STALE, CallRejected, Effects, State
from opskit.facts.agent import SsmAgent
from opskit.workload.ec2_instance import RUNNING, Ec2InstanceWorkload
from opskit.workload.interface import Workload

STOPPED = "stopped"


def _set_state(before: str, after: str, state: State, arguments: Mapping[str, Any]) -> None:
    app = _judged(state, arguments["InstanceIds"])
    if app.instance.state != before:
        raise CallRejected(f"{app.label} is {app.instance.state}")
    state.set(replace(app, instance=replace(app.instance, state=after, state_reason="")))
    if SsmAgent in state.facts:
        state.facts[SsmAgent] = STALE


def _set_hop_limit(state: State, arguments: Mapping[str, Any]) -> None:
    app = _judged(state, [arguments["InstanceId"]])
    limit = arguments["HttpPutResponseHopLimit"]
    state.set(replace(app, instance=replace(app.instance, metadata_hop_limit=limit)))


def _judged(state: State, instance_ids: list[str]) -> Ec2InstanceWorkload:
    """The app's instance, which has to be the only one of the call."""
    app: Workload = state.value(Workload)
    if not isinstance(app, Ec2InstanceWorkload) or instance_ids != [app.identifier]:
        raise CallRejected(f"{instance_ids} is not the instance that was judged")
    return app


EFFECTS: Effects = {
    ("ec2", "ModifyInstanceMetadataOptions"): _set_hop_limit,
    ("ec2", "StartInstances"): partial(_set_state, STOPPED, RUNNING),
    ("ec2", "StopInstances"): partial(_set_state, RUNNING, STOPPED),
}
