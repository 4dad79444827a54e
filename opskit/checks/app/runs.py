"""The app's container runs.

Means: nothing serves requests, whatever the database does.
Found by: the container engine on the instance.
Looks alike: a load balancer that finds no healthy target.
Fix: start it; if it stops again, its log says why.
Not the fix: a restart policy that hides a crash loop.
"""

from __future__ import annotations

from opskit.checks.fix import Fix, InstanceCommand
from opskit.checks.interface import (
    Finding,
    failed,
    observed,
    passed,
    reported,
    skipped,
    undecided,
)
from opskit.config import Target
from opskit.facts.app_instance import AppInstance
from opskit.facts.probe import InstanceProbe

explains = ("APP002", "APP003", "APP004")


def check(target: Target, app: AppInstance, probe: InstanceProbe) -> Finding:
    """Judge the containers that have to do with a database."""
    if app.task is not None:
        return passed(
            f"{app.task.place.label} runs",
            reported("ecs:DescribeTasks says that the task is RUNNING"),
        )
    if not probe.result.asked_containers:
        return skipped(f"containers were not asked: {probe.why_not('containers') or 'no engine'}")
    if not probe.containers:
        what = (
            f"container {target.container}"
            if target.container
            else "container with database settings"
        )
        return undecided(f"no {what} is on {app.instance.label}", "--container NAME")
    down = [c for c in probe.containers if c.status != "running"]
    if not down:
        names = ", ".join(c.name for c in probe.containers)
        return passed(f"{names} runs", observed(f"on {app.instance.label}"))
    container = down[0]
    start, stop = (
        InstanceCommand(app.instance.instance_id, (("docker", word, container.name),))
        for word in ("start", "stop")
    )
    return failed(
        f"{container.name} on {app.instance.label} does not run (it is {container.status})",
        observed(f"the container engine says {container.status}, {container.restarts} restarts"),
        fix=Fix((start,), "starts it", undo=(stop,)),
    )
