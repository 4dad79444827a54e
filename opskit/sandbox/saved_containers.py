"""The containers' processes, saved when the app is healthy and started again as they were."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from opskit.sandbox.network.namespaces import SYSTEM_PATH
from opskit.sandbox.processes import ProcessIdentity


@dataclass(frozen=True, slots=True)
class SavedProcess:
    """A container's process: what was executed, and where.

    Attributes:
        namespaces: open files of its network and mount namespaces, which outlive it; none without namespaces.
    """

    identity: ProcessIdentity
    argv: tuple[str, ...]
    environment: dict[str, str]
    namespaces: tuple[int, ...]


class SavedContainers:
    """The running containers at this moment, by the container engine's own file.

    A container that was started since has another environment, or none of its connections. The saved one is
    executed again with the environment that its entry point had fetched: the same that a running one has.

    Args:
        state: the engine's file.
        has_namespaces: whether machines have namespaces of their own.
    """

    def __init__(self, state: Path, *, has_namespaces: bool) -> None:
        self._state = state
        containers = json.loads(state.read_text(encoding="utf-8"))
        self._processes = {
            name: _saved(int(container["Pid"]), has_namespaces=has_namespaces)
            for name, container in containers.items()
        }

    @property
    def running(self) -> set[int]:
        """The saved processes that still run."""
        return {p.identity.pid for p in self._processes.values() if p.identity.is_running}

    def restore(self) -> None:
        """Start the saved processes that no longer run; the engine's file is as it was saved."""
        containers = json.loads(self._state.read_text(encoding="utf-8"))
        for name, process in self._processes.items():
            if not process.identity.is_running:
                process = self._processes[name] = _start(process, Path(containers[name]["Log"]))
            containers[name]["Pid"] = process.identity.pid
        self._state.write_text(json.dumps(containers), encoding="utf-8")


def _saved(pid: int, *, has_namespaces: bool) -> SavedProcess:
    here, identity = Path(f"/proc/{pid}"), ProcessIdentity.of(pid)
    if identity is None:
        raise ProcessLookupError(f"the container's process {pid} has ended")
    pairs = (here / "environ").read_bytes().decode().split("\0")
    kinds = ("net", "mnt") if has_namespaces else ()
    return SavedProcess(
        identity,
        tuple((here / "cmdline").read_bytes().decode().split("\0")[:-1]),
        dict(pair.split("=", 1) for pair in pairs if "=" in pair),
        tuple(os.open(here / "ns" / kind, os.O_RDONLY | os.O_CLOEXEC) for kind in kinds),
    )


def _start(saved: SavedProcess, log_path: Path) -> SavedProcess:
    argv, program = list(saved.argv), None
    if saved.namespaces:
        net, mount = (f"/proc/self/fd/{number}" for number in saved.namespaces)
        argv = ["nsenter", f"--net={net}", f"--mount={mount}", "--", *argv]
        # The container's own PATH does not have it.
        program = shutil.which("nsenter", path=SYSTEM_PATH)
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            argv,
            executable=program,
            env=saved.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            pass_fds=saved.namespaces,
            start_new_session=True,
        )
    identity = ProcessIdentity.of(process.pid)
    if identity is None:
        raise ProcessLookupError("the container's process ended at once")
    return replace(saved, identity=identity)
