"""The app's container runs, and the instance or task that holds it.

Means: nothing serves requests, whatever the database does.
Found by: the instance's state in EC2 or the task's in ECS; the container engine on the instance, and the
process on the health URL's port there.
Looks alike: an instance whose agent is offline; a load balancer that finds no healthy target; a container
that ended beside a running app, such as last week's release or a migration, which is no fault.
Fix: start the instance or the container; if it stops again, its log shows why. A container that was removed
is created by its deployment.
Not the fix: a restart policy that hides a crash loop.
"""

from __future__ import annotations

from opskit.checks.containers import described, gave_up, stopped_apps
from opskit.checks.fix import Advice, Fix, Remedy
from opskit.checks.fix_commands import docker
from opskit.checks.interface import (
    Finding,
    failed,
    not_reached,
    observed,
    passed,
    skipped,
    undecided,
)
from opskit.checks.seen import Seen, is_true, one_of
from opskit.checks.symptoms import containers_place
from opskit.checks.workload_state import judge_state
from opskit.config import Target
from opskit.facts.interface import Fact, Unknown
from opskit.facts.probe import InstanceProbe
from opskit.probe.response import Container, Health
from opskit.symptom import NO_DATABASE, Symptom, SymptomKind, symptom
from opskit.workload.interface import Workload

leads_to = (SymptomKind.NOT_RUNNING,)
symptoms = (SymptomKind.NOT_RUNNING,)

STARTABLE = ("exited", "created")
passes_on = one_of(
    Seen(Workload, "reported_state"),
    Seen(InstanceProbe, "running"),
    Seen(InstanceProbe, "result.serving"),
    Seen(InstanceProbe, "health.is_good", is_true),
)


def check(target: Target, app: Workload, probe: Fact[InstanceProbe]) -> Finding:
    """Judge the state of the instance or task, then the containers with database settings."""
    state = app.reported_state
    if state is not None:
        return judge_state(state)
    if isinstance(probe, Unknown):
        return not_reached(probe.reason, probe.waits_for, *probe.missing)
    return _containers(target, app, probe.value)


def _containers(target: Target, app: Workload, probe: InstanceProbe) -> Finding:
    if not probe.result.asked_containers:
        return skipped(f"containers were not asked: {probe.why_not('containers') or 'no engine'}")
    if not probe.containers:
        wanted = (
            f"container {target.container}"
            if target.container
            else "container with database settings"
        )
        health = probe.health
        if health is not None and health.is_refused and not probe.result.serving:
            return _gone(f"no {wanted} is there", health, app)
        return undecided(f"no {wanted} is on {app.label}", "--container NAME")
    if probe.health is not None and probe.health.is_good:
        return _runs(app, probe, f"{probe.health.url} answers {probe.health.status}")
    stopped = probe.containers if target.container and not probe.running else stopped_apps(probe)
    if stopped:
        return _stopped(stopped, app)
    if probe.running or probe.result.serving:
        return _runs(app, probe, f"on {app.label}")
    return _only_jobs(app, probe)


def _gone(none_there: str, health: Health, app: Workload) -> Finding:
    """The finding where the container engine has no container of the app, and nothing has its port."""
    return failed(
        f"nothing listens at {health.url} on {app.label}, and {none_there}",
        observed(f"{health.url}: {health.body}"),
        observed(f"the container engine answers, and {none_there}, running or stopped"),
        fix=Advice(
            "Create the container again as its deployment does, with Compose by `docker compose up -d` in "
            "the project's directory. No command is offered: with the container its image and settings are "
            "gone from the engine. An app outside of containers is started by its own service; one at "
            "another port is asked there with --health-url."
        ),
    )


def _runs(app: Workload, probe: InstanceProbe, seen: str) -> Finding:
    """The finding for a running app; ended containers beside it are named but are no fault."""
    names = [c.name for c in probe.running] or list(probe.result.serving)
    verb = "run" if len(names) > 1 else "runs"
    beside = [c for c in probe.containers if not c.is_running]
    return passed(
        f"{', '.join(names)} {verb}" if names else f"the app answers on {app.label}",
        observed(seen),
        *(observed(f"stopped beside it, which is no fault: {described(c)}") for c in beside),
    )


def _stopped(stopped: tuple[Container, ...], app: Workload) -> Finding:
    names = ", ".join(c.name for c in stopped)
    verb, pronoun = ("does", "it is") if len(stopped) == 1 else ("do", "they are")
    states = " and ".join(dict.fromkeys(c.status for c in stopped))
    return failed(
        f"{names} on {app.label} {verb} not run ({pronoun} {states})",
        *(
            observed(f"the container engine says: {described(c)}, {c.restarts} restarts")
            for c in stopped
        ),
        fix=_remedy(stopped[0], app) if len(stopped) == 1 else _which(stopped),
        place=containers_place(*stopped),
        symptom=_ended(stopped),
    )


def _ended(stopped: tuple[Container, ...]) -> Symptom | None:
    """The symptom of an app that gave up by itself; None for one that was stopped or killed."""
    if gave_up(stopped):
        where = containers_place(*stopped)
        return symptom(SymptomKind.NOT_RUNNING, where, NO_DATABASE, is_fault=True)
    return None


def _remedy(container: Container, app: Workload) -> Remedy:
    """The fix that starts the one container that can be the app."""
    if container.status == "paused":
        paused = docker(app, "pause", container)
        return Fix(docker(app, "unpause", container), "lets it go on", undo=paused)
    log = f"`docker logs --tail 50 {container.name}`"
    if container.status not in STARTABLE:
        return Advice(
            f"{container.name} is {container.status}: starting it again does not help as long as it ends "
            f"at once. {log} on {app.label} says why."
        )
    return Fix(
        docker(app, "start", container),
        "starts it",
        undo=docker(app, "stop", container),
        caution=f"If it ends again, {log} on {app.label} says why.",
    )


def _which(stopped: tuple[Container, ...]) -> Advice:
    """Advice for several stopped containers: none is started, since it may be an old release."""
    return Advice(
        "No command is offered: which of them is the present release is not known, and an old one must "
        f"not be started: {'; '.join(described(c) for c in stopped)}. Start the right one with "
        "`docker start NAME`; --container NAME tells which is the app's."
    )


def _only_jobs(app: Workload, probe: InstanceProbe) -> Finding:
    """The finding where nothing runs and every ended container looks like a finished job."""
    names = ", ".join(c.name for c in probe.containers)
    text = f"no container with database settings runs on {app.label}; {names} ended well"
    if probe.health is None:
        return undecided(text, "--container NAME")
    ended = "; ".join(described(c) for c in probe.containers)
    return failed(
        text,
        observed(f"{probe.health.url}: {probe.health.body or 'no good answer'}"),
        fix=Advice(
            "No command is offered: exit code 0 without a restart policy is how a migration ends too: "
            f"{ended}. If one of them is the app, `docker start NAME` starts it, and --container NAME "
            "tells which it is; else look for the app outside of containers."
        ),
    )
