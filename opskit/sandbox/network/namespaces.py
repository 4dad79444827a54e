"""A VPC of network namespaces: instance, database, load balancer and operator, and a router between them.

It is built from inside an unprivileged user, network, mount and PID namespace, so that it needs no root,
changes nothing on the host, and ends with its first process.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from opskit.sandbox import topology

TOOLS = ("unshare", "nsenter", "ip", "nft")
TRIED_WITHIN_S, UP_WITHIN_S = 60, 60
"""Generous: a busy machine is slow, and an earlier success ends the wait."""
CLONE_NEWNET = 0x40000000
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HOSTS = {
    "app": (f"{topology.INSTANCE_ADDRESS}/24", "10.0.2.1"),
    "db": (f"{topology.DATABASE_ADDRESS}/24", "10.0.5.1"),
    "alb": (f"{topology.BALANCER_ADDRESS}/24", "10.0.1.1"),
    "ops": (f"{topology.OPERATOR_ADDRESS}/30", topology.OPERATOR_GATEWAY),
}
"""Host -> its address, and the router's address on its network."""


def why_impossible() -> str | None:
    """The reason why this machine cannot create namespaces; None when it can. Tested, not guessed."""
    path = f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"
    missing = [tool for tool in TOOLS if shutil.which(tool, path=path) is None]
    if missing:
        return (
            f"{', '.join(missing)} not installed (Debian packages iproute2, nftables, util-linux)"
        )
    tried = subprocess.run(
        [*unshare(), "sh", "-c", "ip link set lo up && nft list ruleset"],
        env={**os.environ, "PATH": path},
        capture_output=True,
        check=False,
        timeout=TRIED_WITHIN_S,
    )
    if tried.returncode == 0:
        return None
    return f"user namespaces are not allowed here ({tried.stderr.decode(errors='replace').strip()[:120]})"


def unshare() -> list[str]:
    """The command that starts another in new namespaces."""
    return [
        *("unshare", "--user", "--map-root-user", "--net", "--mount", "--pid"),
        *("--fork", "--kill-child", "--mount-proc", "--"),
    ]


@dataclass(frozen=True, slots=True)
class NamespaceHost:
    """One machine of the VPC: the PID of the process that holds its namespaces."""

    name: str
    pid: int

    def command(self, argv: Sequence[str]) -> list[str]:
        """The command that runs another on this machine, from inside the sandbox."""
        return ["nsenter", "-t", str(self.pid), "-n", "-m", "--", *argv]


def build(directory: Path, instance_root: Path, project: Path) -> dict[str, NamespaceHost]:
    """Create the machines and connect them to this namespace, which is their router.

    Args:
        directory: for the small files that replace the host's on each machine.
        project: the instance's project directory; it is `topology.PROJECT_DIRECTORY` unless the host
            has a directory of its own there.
    """
    lines = ["link set lo up"]
    lines += [f"addr add {a}/32 dev lo" for a in topology.SERVICE_ADDRESSES]
    # An address that no machine has gets no answer, as in a VPC, not a message of the router.
    lines += ["link add v-nowhere type veth peer name v-nobody", "link set v-nowhere up"]
    lines += ["link set v-nobody up"]
    lines += [f"route add {c} dev v-nowhere" for c in (topology.VPC_CIDR, topology.DATA_CIDR)]
    _ip(lines)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    hosts = {name: _make_host(name) for name in HOSTS}
    for name, host in hosts.items():
        address, gateway = HOSTS[name]
        length = address.split("/")[1]
        _ip(
            [
                f"link add v-{name} type veth peer name eth0 netns {host.pid}",
                f"addr add {gateway}/{length} dev v-{name}",
                f"link set v-{name} up",
            ]
        )
        extra = []
        if name == "app":
            extra = [
                f"route add {to} via {gateway}"
                for to in (topology.METADATA_ADDRESS, topology.TASK_ADDRESS, topology.DATA_CIDR)
            ]
        if name == "db":
            # The database's address after a move into the data VPC: another address of the same machine.
            extra = [f"addr add {topology.DATA_ADDRESS}/24 dev eth0"]
            _ip([f"addr add {topology.DATA_ADDRESS.rsplit('.', 1)[0]}.1/24 dev v-db"])
        _ip(
            [
                "link set lo up",
                f"addr add {address} dev eth0",
                "link set eth0 up",
                f"route add {topology.VPC_CIDR} via {gateway}",
                *extra,
            ],
            host,
        )
        _mount(host, directory, instance_root if name == "app" else None, project)
    return hosts


def _make_host(name: str) -> NamespaceHost:
    holder = subprocess.Popen(
        ["unshare", "--net", "--mount", "--", "sleep", "infinity"],
        stdin=subprocess.DEVNULL,
    )
    # The process is a separate host only once it has left our namespace.
    ours, limit = Path("/proc/self/ns/net").readlink(), time.monotonic() + UP_WITHIN_S
    while Path(f"/proc/{holder.pid}/ns/net").readlink() == ours or not _runs_sleep(holder.pid):
        if time.monotonic() > limit or holder.poll() is not None:
            raise RuntimeError(f"the namespaces of {name} did not come up")
        time.sleep(0.002)
    return NamespaceHost(name, holder.pid)


def _runs_sleep(pid: int) -> bool:
    return Path(f"/proc/{pid}/comm").read_text().strip() == "sleep"


def _ip(lines: Sequence[str], host: NamespaceHost | None = None) -> None:
    command = ["ip", "-batch", "-"]
    subprocess.run(
        host.command(command) if host else command,
        input="\n".join(lines) + "\n",
        text=True,
        check=True,
        capture_output=True,
    )


def _mount(host: NamespaceHost, directory: Path, instance_root: Path | None, project: Path) -> None:
    """Give a machine its own resolver and, for the instance, its own project directory."""
    files = directory / f"etc-{host.name}"
    files.mkdir(mode=0o755)
    resolver = topology.OPERATOR_GATEWAY if host.name == "ops" else topology.RESOLVER_ADDRESS
    (files / "resolv.conf").write_text(f"nameserver {resolver}\noptions timeout:2 attempts:1\n")
    (files / "hosts").write_text("127.0.0.1 localhost\n")
    (files / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")
    lines = ["set -e"]
    # /run can hold sockets of the host's resolver, and the target of resolv.conf.
    lines += ["real=$(readlink -f /etc/resolv.conf || true)", "mount -t tmpfs none /run"]
    lines += ['case "$real" in /run/*) mkdir -p "$(dirname "$real")"; : >"$real" ;; esac']
    for name in ("resolv.conf", "hosts", "nsswitch.conf"):
        lines.append(f'[ ! -e /etc/{name} ] || mount --bind "$1/{name}" /etc/{name}')
    if instance_root is not None and str(project) == topology.PROJECT_DIRECTORY:
        lines.append('mount --bind "$2/srv" /srv')
    subprocess.run(
        host.command(["sh", "-c", "\n".join(lines), "sh", str(files), str(instance_root or "")]),
        check=True,
        capture_output=True,
    )


def join_network(host: NamespaceHost) -> None:
    """Move the calling thread, and no other, into a machine's network."""
    with Path(f"/proc/{host.pid}/ns/net").open() as namespace:
        # Network namespaces belong to threads; Python has a call for this from 3.12 on.
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter the network of {host.name}")


def network_of(host: NamespaceHost | None) -> str:
    """The name of a machine's network namespace, as in /proc; of the router without a machine."""
    return str(Path(f"/proc/{host.pid if host else 'self'}/ns/net").readlink())


def rules(host: NamespaceHost | None) -> str:
    """All packet rules of a machine, or of the router."""
    command = ["nft", "list", "ruleset"]
    process = subprocess.run(
        host.command(command) if host else command, text=True, check=True, capture_output=True
    )
    return process.stdout


def load_rules(text: str, host: NamespaceHost | None = None) -> None:
    """Apply packet rules at once, on a machine or on the router."""
    command = ["nft", "-f", "-"]
    subprocess.run(
        host.command(command) if host else command,
        input=text,
        text=True,
        check=True,
        capture_output=True,
    )


def enter(first_pid: int, host_pid: int, argv: Sequence[str], directory: str) -> list[str]:
    """The command that runs another on a machine of the sandbox, from outside.

    Args:
        first_pid: of the sandbox's first process, as seen from outside.
        host_pid: of the process that holds the machine's namespaces, as seen from inside.
        directory: working directory of the command; entering a mount namespace resets it.
    """
    return [
        *("nsenter", "-t", str(first_pid), "-U", "-n", "-m", "-p", "--preserve-credentials", "--"),
        *("nsenter", "-t", str(host_pid), "-n", "-m", "--"),
        *("sh", "-c", 'cd "$0" 2>/dev/null || cd /; exec "$@"', directory, *argv),
    ]


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without variables that name an AWS account or a proxy."""
    kept = {
        name: value
        for name, value in environment.items()
        if not name.startswith(("AWS_", "OPSKIT_", "PG")) and not name.lower().endswith("_proxy")
    }
    kept["PATH"] = f"{kept.get('PATH', '')}:{SYSTEM_PATH}"
    return kept


def end(
    process: subprocess.Popen[bytes], limit_s: float = 5, signal_number: int = signal.SIGTERM
) -> None:
    """End one process that this process has started, and wait for it."""
    if process.poll() is None:
        process.send_signal(signal_number)
        try:
            process.wait(limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(limit_s)
