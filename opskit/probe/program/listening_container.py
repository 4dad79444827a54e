"""Finds the container with the port of the app's health URL.

A part of the probe's program, so it keeps to Python 3.6 and the standard library. It reads
`/proc` and the container engine's description, and changes nothing.
"""

import os
import socket
import urllib.parse


def emit_serving(probe, described):
    """Emit for every container whether it has the health URL's port, where known."""
    try:
        url = urllib.parse.urlsplit(probe.request["health_url"])
        port = url.port or (443 if url.scheme == "https" else 80)
    except ValueError:
        return
    if not url.hostname:
        return
    is_here, holders = is_own_address(url.hostname), SocketOwners(port)
    for raw in described:
        serves = has_port(raw, url.hostname, port, is_here, holders)
        if serves is not None:
            probe.emit("serves", raw["Name"].lstrip("/"), "yes" if serves else "no")


def has_port(raw, host, port, is_here, holders):
    """Whether a container listens on the port or publishes it; None where unknown."""
    config, network = raw.get("HostConfig") or {}, raw.get("NetworkSettings") or {}
    mode = config.get("NetworkMode", "")
    if host in [own.get("IPAddress") for own in (network.get("Networks") or {}).values()]:
        return True
    if not is_here or mode.startswith("container:"):
        return None
    if mode == "host":
        pid = raw["State"].get("Pid")
        return holders.has(pid) if pid else None
    published = network.get("Ports") or config.get("PortBindings") or {}
    bindings = [binding for group in published.values() for binding in group or ()]
    return str(port) in [binding.get("HostPort") for binding in bindings]


def is_own_address(host):
    """Whether a host is this machine: other addresses cannot be bound to."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, 0, 0, socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as attempt:
            attempt.bind(address)
    except OSError:
        return False
    return True


class SocketOwners:
    """The processes of this machine, and which of them hold the listening sockets of a port."""

    def __init__(self, port):
        self.port = port
        self.sockets = None
        self.children = {}

    def has(self, pid):
        """Whether a process or one below it listens; None where its files are not readable."""
        if self.sockets is None:
            self.sockets, self.children = listening(self.port), process_tree()
        is_hidden, waiting = False, [pid]
        while waiting and self.sockets:
            process = waiting.pop()
            waiting += self.children.get(process, [])
            sockets = open_files(process)
            if sockets is None:
                is_hidden = True
            elif self.sockets & sockets:
                return True
        return None if is_hidden else False


def listening(port):
    """The listening sockets of a port, as `/proc/PID/fd` names them."""
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table) as f:
                rows = [line.split() for line in f][1:]
        except OSError:
            continue
        for row in rows:
            if row[3] == "0A" and int(row[1].rsplit(":", 1)[1], 16) == port:
                sockets.add("socket:[%s]" % row[9])
    return sockets


def process_tree():
    """Process -> its children."""
    children = {}
    for name in os.listdir("/proc"):
        try:
            with open("/proc/%d/stat" % int(name), "rb") as f:
                parent = int(f.read().rsplit(b")", 1)[1].split()[1])
        except (OSError, ValueError):
            continue
        children.setdefault(parent, []).append(int(name))
    return children


def open_files(pid):
    """A process's open files; None where they are not readable."""
    directory, files = "/proc/%d/fd" % pid, set()
    try:
        for name in os.listdir(directory):
            try:
                files.add(os.readlink(os.path.join(directory, name)))
            except FileNotFoundError:
                continue
    except PermissionError:
        return None
    except OSError:
        return files
    return files
