"""Names and TCP connections.

A part of the probe's program, so it keeps to Python 3.6 and the standard library.
"""

import ipaddress
import os
import socket
import time

from opskit.probe.program.jobs import ms_since

ANSWER_S = 3
"""Limit for a reply of a server that has accepted the connection."""


def probe_name(probe, name):
    """Resolve a name as programs here do."""
    try:
        addresses = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
        probe.emit("name", name, ",".join(sorted(set(item[4][0] for item in addresses))), "")
    except socket.gaierror as error:
        error_texts = {
            socket.EAI_NONAME: "the name does not exist",
            socket.EAI_AGAIN: "the resolver did not answer",
            getattr(socket, "EAI_NODATA", -5): "the name has no address",
        }
        probe.emit("name", name, "", error_texts.get(error.errno, "error %s" % error.errno))


class Forbidden(Exception):
    """No RDS database can be at the address: it is not connected to."""


def address_of(probe, host):
    """The address of a host to connect to."""
    address = socket.gethostbyname(host)
    number = ipaddress.ip_address(address)
    is_own = number.is_loopback and host in probe.request.get("unlisted", ())
    if is_own or number.is_link_local or number.is_unspecified or number.is_multicast:
        raise Forbidden("%s is no database's address" % address)
    return address


def probe_tcp(probe, host, port):
    """Connect, and report the outcome and the time."""
    try:
        connection, row = connect_to(probe, host, port)
    except Forbidden as why:
        probe.emit("unavailable", "tcp %s:%s" % (host, port), why)
        return
    if connection is not None:
        connection.close()
    probe.emit("tcp", host, *row)


def connect_to(probe, host, port):
    """The connection, None where there is none, and the fields of its `tcp` line after the host.

    Raises:
        Forbidden: it was not tried.
    """
    try:
        address = address_of(probe, host)
    except OSError:
        return None, ("", port, "unresolved", 0, "")
    outcome, local = "connected", ""
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.settimeout(probe.request["connect_timeout_s"])
    started = time.time()
    try:
        connection.connect((address, port))
        local = connection.getsockname()[0]
        connection.settimeout(ANSWER_S)
    except TimeoutError:
        outcome = "timeout"
    except ConnectionRefusedError:
        outcome = "refused"
    except OSError as error:
        outcome = os.strerror(error.errno) if error.errno else type(error).__name__
    took = ms_since(started)
    if outcome != "connected":
        connection.close()
        connection = None
    return connection, (address, port, outcome, took, local)
