"""The sandbox on machines without namespaces: everything on 127.0.0.1, and the limits of that.

Run as a program, it is the watcher that cleans up when the daemon ends, however it ended.
"""

from __future__ import annotations

import contextlib
import itertools
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
FIRST_PORT, USUAL_CLIENT_PORT = 10240, 32768
PORTS_OF_A_PROCESS, TRIES = 16, 100

_numbers = itertools.count()


def free_port() -> int:
    """Return a port of 127.0.0.1 that no process uses now.

    It is below the range from which the kernel takes ports for clients, and each process begins at another
    one: before a server binds the port, a client, or another sandbox that starts at the same time, would
    often get the same one.
    """
    ports = _first_client_port() - FIRST_PORT
    for number in itertools.islice(_numbers, TRIES):
        port = FIRST_PORT + (os.getpid() * PORTS_OF_A_PROCESS + number) % ports
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError(f"no free port of 127.0.0.1 in {TRIES} tries")


def _first_client_port() -> int:
    """Return the first port that the kernel gives to clients."""
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return USUAL_CLIENT_PORT
    return first if first > FIRST_PORT + TRIES else USUAL_CLIENT_PORT


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
    pids = []
    with contextlib.suppress(OSError, ValueError):
        pids.append(int((directory / "pg/data/postmaster.pid").read_text().split()[0]))
    with contextlib.suppress(OSError, ValueError):
        containers = json.loads((directory / "instance/var/containers.json").read_text())
        pids += [container["Pid"] for container in containers.values() if container["Pid"]]
    return pids


if __name__ == "__main__":
    main()
