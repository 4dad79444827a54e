"""The processes on the sandbox's machines."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

GONE_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process, and not a later one with the same number.

    Attributes:
        started: in clock ticks since the machine's start.
    """

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity | None:
        """The process with a number; None when there is none, or when it has ended."""
        fields = _fields(pid)
        return cls(pid, fields[19]) if fields and fields[0] not in "ZX" else None

    @property
    def is_running(self) -> bool:
        """Whether it still exists, and was not stopped."""
        fields = _fields(self.pid)
        return bool(fields) and fields[19] == self.started and fields[0] not in "ZXTt"


def inside_network(network: str) -> set[int]:
    """The processes in a network namespace (`net:[...]`), as far as this process may see."""
    pids = set()
    for pid in _all():
        with contextlib.suppress(OSError):
            if str(Path(f"/proc/{pid}/ns/net").readlink()) == network:
                pids.add(pid)
    return pids


def outside_networks(networks: Collection[str]) -> set[int]:
    """The processes in other network namespaces than these (`net:[...]`), as far as this process may see."""
    pids = set()
    for pid in _all():
        with contextlib.suppress(OSError):
            if str(Path(f"/proc/{pid}/ns/net").readlink()) not in networks:
                pids.add(pid)
    return pids


def with_variable(name: str, value: str) -> set[int]:
    """The processes that were started with an environment variable of this value."""
    wanted, pids = f"{name}={value}".encode(), set()
    for pid in _all():
        with contextlib.suppress(OSError):
            if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                pids.add(pid)
    return pids


def kill(pids: Collection[int]) -> None:
    """Kill processes and wait until they have ended; zombies of another parent are left to it."""
    limit = time.monotonic() + GONE_WITHIN_S
    targets = [identity for pid in pids if (identity := ProcessIdentity.of(pid)) is not None]
    for target in targets:
        with contextlib.suppress(ProcessLookupError):
            os.kill(target.pid, signal.SIGKILL)
    while any(ProcessIdentity.of(t.pid) == t for t in targets):
        if time.monotonic() > limit:
            raise TimeoutError(f"processes did not end within {GONE_WITHIN_S:.0f} s")
        time.sleep(0.005)


def _all() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []
