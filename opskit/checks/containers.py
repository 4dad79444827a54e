"""Selects the app's containers, apart from finished jobs and replaced releases."""

from __future__ import annotations

from collections.abc import Iterable

from opskit import utc
from opskit.facts.probe import InstanceProbe
from opskit.probe.response import Container

ENDS_BY_ITSELF = ("", "no", "on-failure")
"""Restart policies under which a container that ended with exit code 0 stays ended."""
SIGNALS_FROM = 125
"""Exit codes from here on are the engine's own, of a program that cannot be started, or of a signal."""


def app_containers(probe: InstanceProbe) -> tuple[Container, ...]:
    """The app's containers: those that serve the health URL; else the running ones, or a stopped one."""
    stopped = stopped_apps(probe)
    serving = tuple(c for c in probe.running if c.serves_health)
    return serving or (*probe.running, *(stopped if len(stopped) == 1 else ()))


def stopped_apps(probe: InstanceProbe) -> tuple[Container, ...]:
    """Stopped containers that may be the current app; none where a running one may be the app."""
    stopped = [c for c in probe.containers if not c.is_running]
    # A container without database settings is not in this list but may serve the port.
    if set(probe.result.serving) - {c.name for c in stopped}:
        return ()
    if any(c.serves_health is not False for c in probe.running):
        return ()
    apps = tuple(c for c in stopped if not (is_finished_job(c) or _is_replaced(c, probe.running)))
    return tuple(c for c in apps if c.serves_health) or apps


def gave_up(containers: Iterable[Container]) -> bool:
    """Whether containers ended with an error of their own: none was stopped or killed.

    An app that finds no settings or no database at its start ends so.
    """
    return all(c.exit_code is not None and 0 < c.exit_code < SIGNALS_FROM for c in containers)


def is_finished_job(container: Container) -> bool:
    """Whether a container exited with 0 and is not to be started again, such as a migration."""
    return (
        container.exit_code == 0
        and container.restart_policy in ENDS_BY_ITSELF
        and not container.serves_health
    )


def _is_replaced(container: Container, running: tuple[Container, ...]) -> bool:
    """Whether a running container was created after this one had ended, as a deployment does."""
    ended = utc.moment_of(container.finished_at)
    created = [utc.moment_of(other.created_at) for other in running]
    return ended is not None and any(moment and ended < moment for moment in created)


def described(container: Container) -> str:
    """The description of a stopped container: name, image, end time and exit code."""
    known = [container.image, f"{container.status} since {utc.second_of(container.finished_at)}"]
    if container.exit_code is not None:
        known.append(f"exit code {container.exit_code}")
    return f"{container.name} ({', '.join(k for k in known if k)})"
