"""Workloads: where the app runs. A new kind is a file here, a line in `WORKLOADS`, and its readers.

What a rotation restarts is a line in `RESTARTS`.
"""

from __future__ import annotations

from collections.abc import Mapping

from opskit.errors import UsageError
from opskit.workload import ec2_instance, ecs_task
from opskit.workload.interface import Location, Workload, WorkloadKind
from opskit.workload.restart import RestartKind

WORKLOADS: dict[str, type[Workload]] = {
    workload.kind.name: workload
    for workload in (ec2_instance.Ec2InstanceWorkload, ecs_task.EcsTaskWorkload)
}
"""Name of a kind -> its workload; the first is searched where no setting names a workload."""
RESTARTS: dict[str, RestartKind] = {
    kind.name: kind for kind in (ec2_instance.ContainerRestart(), ecs_task.ServiceDeployment())
}
"""Name of a kind -> its restart by a rotation."""
SETTINGS = tuple(workload.kind.setting for workload in WORKLOADS.values())
"""The settings that name a workload, one for each kind."""
ANY_TRANSPORT = ("auto", "none")
"""The values of `--via` that hold for every kind."""


def kind_of(settings: Mapping[str, str | None]) -> WorkloadKind:
    """The kind of workload that the settings name, else the kind that is searched.

    Raises:
        UsageError: they name workloads of two kinds.
    """
    kinds = [workload.kind for workload in WORKLOADS.values()]
    named = [kind for kind in kinds if settings.get(kind.setting)]
    if len(named) > 1:
        raise UsageError(
            f"{named[1].option} and {named[0].option} name two places where the app would run"
        )
    return named[0] if named else kinds[0]


def write_location(app: Workload) -> str:
    """The location of a workload as text for the journal: its kind, a colon and the location's text."""
    return f"{app.kind.name}:{app.location.text}"


def read_location(text: str) -> Location | None:
    """The location in a record of the journal; None where it is none that this version writes."""
    kind, _, rest = text.partition(":")
    return WORKLOADS[kind].read_location(rest) if kind in WORKLOADS else None


def check_settings(settings: Mapping[str, str | None]) -> None:
    """Check the name of the workload, and that the transport of `--via` leads to one of its kind.

    Raises:
        UsageError: the settings contradict each other, or the name has another form.
    """
    kind = kind_of(settings)
    name, via = settings.get(kind.setting), settings.get("via") or "auto"
    if name:
        kind.check_name(name)
    if via in (*ANY_TRANSPORT, *kind.transports):
        return
    others = (workload.kind for workload in WORKLOADS.values())
    other = next((k for k in others if via in k.transports), None)
    if other is None:
        # The transports' own registry names the ones that exist.
        return
    if name:
        raise UsageError(
            f"--via {via} leads to {other.indefinite}, {kind.option} names {kind.indefinite}",
            f"leave --via away, or give one of {', '.join((*ANY_TRANSPORT, *kind.transports))}",
        )
    raise UsageError(
        f"--via {via} leads to {other.indefinite}, and none is named",
        f"{other.option} {other.form}",
    )
