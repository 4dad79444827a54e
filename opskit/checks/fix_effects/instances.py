"""Effects of calls that start and stop the app's EC2 instance."""

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
    app: Workload = state.value(Workload)
    if not isinstance(app, Ec2InstanceWorkload) or arguments["InstanceIds"] != [app.identifier]:
        raise CallRejected(f"{arguments['InstanceIds']} is not the instance that was judged")
    if app.instance.state != before:
        raise CallRejected(f"{app.label} is {app.instance.state}")
    state.set(replace(app, instance=replace(app.instance, state=after, state_reason="")))
    if SsmAgent in state.facts:
        state.facts[SsmAgent] = STALE


EFFECTS: Effects = {
    ("ec2", "StartInstances"): partial(_set_state, STOPPED, RUNNING),
    ("ec2", "StopInstances"): partial(_set_state, RUNNING, STOPPED),
}
