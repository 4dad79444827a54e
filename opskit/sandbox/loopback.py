"""The sandbox on machines without namespaces: everything on 127.0.0.1, and the limits of that.

Run as a program, it is the watcher that cleans up when the daemon ends, however it ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import sys
from pathlib import Path

CANNOT = (
    "security groups, network ACLs and routes that really drop packets, a resolver of the VPC's own, "
    "and machines that cannot reach each other"
)


def free_port() -> int:
    """A port of 127.0.0.1 that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def main() -> None:
    """Wait until the daemon's end of the pipe is closed; then end the remaining processes, by PID."""
    directory = Path(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdin.buffer.read()
    for pid in _left(directory):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(directory, ignore_errors=True)


def _left(directory: Path) -> list[int]:
    """The PIDs of the server and of the containers, read from their own files."""
    found = []
    with contextlib.suppress(OSError, ValueError):
        found.append(int((directory / "pg/data/postmaster.pid").read_text().split()[0]))
    with contextlib.suppress(OSError, ValueError):
        containers = json.loads((directory / "instance/var/containers.json").read_text())
        found += [one["Pid"] for one in containers.values() if one["Pid"]]
    return found


if __name__ == "__main__":
    main()
