"""The state of a sandbox at the end of its start, and the way back to it without a new start."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from opskit.sandbox import processes
from opskit.sandbox.aws import ssm
from opskit.sandbox.aws.saved_backends import SavedBackends
from opskit.sandbox.network import namespaces
from opskit.sandbox.network.namespaces import NamespaceHost
from opskit.sandbox.saved_containers import SavedContainers
from opskit.sandbox.saved_files import SavedFiles

if TYPE_CHECKING:
    from opskit.sandbox.aws.rds_control_plane import ControlPlane
    from opskit.sandbox.aws.wsgi_app import EmulatedAws
    from opskit.sandbox.postgres import Postgres

SAVED = "saved"
"""The directory of the copies, in the sandbox's own."""
NOT_SAVED = (SAVED, "pg", "daemon.log", "control")
ROUNDS = 10
"""A process that is killed may have started another one a moment before."""


class Resettable(Protocol):
    """A part of the emulated AWS that is empty at the start."""

    def reset(self) -> None:
        """Forget everything since the start."""


class InitialState:
    """Everything that an operator, a fault or a fix can change, as it is now: the healthy LinkBox.

    Args:
        directory: of the sandbox.
        hosts: its machines; none without namespaces.
        postgres: its server, whose state was saved before the app connected.
        services: those that are empty at the start.
        spared: returns the processes on the machines that belong to the sandbox itself.
    """

    def __init__(
        self,
        directory: Path,
        hosts: Mapping[str, NamespaceHost],
        postgres: Postgres,
        emulated_aws: EmulatedAws,
        control_plane: ControlPlane,
        services: Collection[Resettable],
        spared: Callable[[], set[int]],
    ) -> None:
        self._directory, self._hosts = directory, hosts
        self._postgres, self._aws, self._control_plane = postgres, emulated_aws, control_plane
        self._services, self._spared = services, spared
        self._containers_file = directory / "instance/var/containers.json"
        self._containers = SavedContainers(self._containers_file, has_namespaces=bool(hosts))
        # The sandbox's own namespace is the router.
        self._rules = {host: namespaces.rules(host) for host in self._machines()}
        self._backends, self._writers = SavedBackends(), ssm.saved_writers()
        self._files = SavedFiles(directory, directory / SAVED / "files", NOT_SAVED)

    def restore(self) -> None:
        """Put everything back; the app may need a moment to connect again."""
        for service in self._services:
            service.reset()
        self._end_processes()
        # A change that RDS has accepted would be applied after the restore.
        self._control_plane.settle()
        self._aws.restore(self._backends)
        ssm.restore_writers(self._writers)
        self._files.restore()
        self._postgres.restore()
        for host, text in self._rules.items():
            namespaces.load_rules(f"flush ruleset\n{text}", host)
        self._containers.restore()

    def _machines(self) -> list[NamespaceHost | None]:
        return [None, *self._hosts.values()] if self._hosts else []

    def _end_processes(self) -> None:
        """End what was started on the instance and on the other machines, but for the operator's."""
        for _ in range(ROUNDS):
            present = self._started() - self._containers.running - self._spared()
            if not present:
                return
            processes.kill(present)

    def _started(self) -> set[int]:
        if not self._hosts:
            return processes.with_variable("LINKBOX_CONTAINERS", str(self._containers_file))
        kept = {namespaces.network_of(host) for host in (None, self._hosts["ops"])}
        return processes.outside_networks(kept)
