"""The network of a container that is not the instance's: a routed pair of interfaces, and published ports.

For a packet it is what Docker's bridge is: one more hop, behind the instance's address. Every container has
a pair of its own, so no bridge device is needed.
"""

import ctypes
import os
import subprocess

GATEWAY = "172.17.0.1"
NETWORK = "172.17.0"
CLONE_NEWNET = 0x40000000


class NotImitated(Exception):
    """A network that is none here: without namespaces the instance is the host, which is left alone."""


def check(mode):
    """Raise `NotImitated` where a container cannot have a network of this mode."""
    if "LINKBOX_HAS_NETWORK" not in os.environ or mode == "none" or ":" in mode:
        raise NotImitated("docker: the sandbox has no network %s here" % mode)


def is_routed(container):
    """Whether a container has a network of its own."""
    return container["Network"] != "host"


def free_address(containers):
    """An address that no container has."""
    taken = [other.get("Address") for other in containers]
    return next(a for a in ("%s.%d" % (NETWORK, n) for n in range(2, 255)) if a not in taken)


def leave():
    """Give this process a network of its own, without any connection."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "no network namespace")


def enter(pid):
    """Move this process into the network of another one."""
    with open("/proc/%d/ns/net" % pid) as namespace:
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "cannot enter the container's network")


def connect(container, pid):
    """Connect the network of a container's process with the instance, and publish its ports."""
    disconnect(container)
    link, address = link_of(container), container["Address"]
    ip(
        "link add %s type veth peer name eth0 netns %d" % (link, pid),
        "addr add %s/32 dev %s" % (GATEWAY, link),
        "link set %s up" % link,
        "route add %s/32 dev %s" % (address, link),
    )
    for setting in ("ip_forward", "conf/%s/route_localnet" % link):
        with open("/proc/sys/net/ipv4/" + setting, "w") as f:
            f.write("1")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            enter(pid)
            ip(
                "link set lo up",
                "addr add %s/16 dev eth0" % address,
                "link set eth0 up",
                "route add default via %s" % GATEWAY,
            )
            status = 0
        finally:
            os._exit(status)
    if os.waitpid(child, 0)[1] != 0:
        raise OSError("the container's network did not come up")
    publish = [
        "tcp dport %s fib daddr type local dnat to %s:%s" % (outer, address, inner)
        for outer, inner in (pair.split(":") for pair in container["Ports"])
    ]
    rules = [
        "table ip %s {" % table_of(container),
        "chain prerouting { type nat hook prerouting priority -100;",
        *publish,
        "}",
        "chain output { type nat hook output priority -100;",
        *publish,
        "}",
        "chain postrouting { type nat hook postrouting priority 100;",
        "ip saddr 127.0.0.0/8 ip daddr %s masquerade" % address,
        'ip saddr %s oifname != "%s" masquerade' % (address, link),
        "}",
        "}",
    ]
    subprocess.run(["nft", "-f", "-"], input="\n".join(rules).encode(), check=True)


def disconnect(container):
    """Take the ports and the interfaces away, as far as they exist."""
    for command in (
        ["nft", "delete", "table", "ip", table_of(container)],
        ["ip", "link", "delete", link_of(container)],
    ):
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def table_of(container):
    """The table of packet rules of a container."""
    return "docker_" + container["Id"][:12]


def link_of(container):
    """The instance's interface towards a container."""
    return "veth" + container["Id"][:8]


def ip(*lines):
    """Run lines of the `ip` command."""
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines).encode() + b"\n", check=True)
