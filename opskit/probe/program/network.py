"""Names, TCP connections and conversations with the database server.

A part of the probe's program, so it keeps to Python 3.6 and the standard library. The engine's own source
comes before it and defines `converse`.
"""

import base64
import ipaddress
import os
import socket
import ssl
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


class Conversation:
    """A connection to the server for the engine's `converse`, which adds each reply to `parts`."""

    def __init__(self, connection, host):
        self.connection = connection
        self.host = host
        self.parts = []
        self.version = ""
        self.chain = []

    def start_tls(self):
        """TLS without verification: opskit judges the certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.connection = context.wrap_socket(self.connection, server_hostname=self.host)
        self.version = self.connection.version()
        self.chain = certificates_of(self.connection)


def probe_exchange(probe, exchange):
    """Hold one exchange; the engine chooses the bytes and judges the replies."""
    host = exchange["host"]
    try:
        connection, row = connect_to(probe, host, exchange["port"])
    except Forbidden as why:
        topic = "tcp %s:%s" % (host, exchange["port"])
        probe.emit("unavailable", topic if exchange["reports_tcp"] else "exchange", why)
        return
    if exchange["reports_tcp"]:
        probe.emit("tcp", host, *row)
    talk, error = Conversation(connection, host), ""
    if connection is None:
        error = row[2]
    else:
        error = held(talk, exchange["arguments"])
    probe.emit(
        "exchange",
        exchange["name"],
        error,
        talk.version,
        b64_list(talk.parts),
        b64_list(talk.chain),
    )


def held(talk, arguments):
    """Hold a conversation and end its connection; the reason why it ended early, or nothing."""
    try:
        talk.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        converse(talk, arguments)  # noqa: F821
    except TimeoutError:
        return "timeout"
    except OSError as problem:
        return os.strerror(problem.errno) if problem.errno else type(problem).__name__
    finally:
        talk.connection.close()
    return ""


def certificates_of(connection):
    """The server's chain where this Python can give it (3.10 and later), else its own certificate."""
    try:
        if hasattr(connection, "get_unverified_chain"):
            return [bytes(der) for der in connection.get_unverified_chain()]
        import _ssl

        return [
            c.public_bytes(_ssl.ENCODING_DER) for c in connection._sslobj.get_unverified_chain()
        ]
    except Exception:
        return [connection.getpeercert(True)]


def b64_list(parts):
    """Several byte strings as one field."""
    return ",".join(base64.b64encode(p).decode("ascii") for p in parts)
