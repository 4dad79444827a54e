"""Names, TCP connections and the first messages of the database server.

A part of the probe's program, so it keeps to Python 3.6 and the standard library.
"""

import base64
import ipaddress
import os
import socket
import ssl
import time

from opskit.probe.program.jobs import ms_since

CONNECT_S = 3


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
    """An address at which no RDS database can be: it is not connected to."""


def address_of(probe, host):
    """The address of a host to connect to."""
    address = socket.gethostbyname(host)
    number = ipaddress.ip_address(address)
    is_own = number.is_loopback and host in probe.request.get("unlisted", ())
    if is_own or number.is_link_local or number.is_unspecified or number.is_multicast:
        raise Forbidden("not tried: %s is no database's address" % address)
    return address


def probe_tcp(probe, host, port):
    """Connect, and report the outcome and the time."""
    started = time.time()
    try:
        address = address_of(probe, host)
    except OSError:
        probe.emit("tcp", host, "", port, "unresolved", 0, "")
        return
    except Forbidden as why:
        probe.emit("tcp", host, "", port, why, 0, "")
        return
    outcome, local = "connected", ""
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.settimeout(CONNECT_S)
    started = time.time()
    try:
        connection.connect((address, port))
        local = connection.getsockname()[0]
    except TimeoutError:
        outcome = "timeout"
    except ConnectionRefusedError:
        outcome = "refused"
    except OSError as error:
        outcome = os.strerror(error.errno) if error.errno else type(error).__name__
    finally:
        connection.close()
    probe.emit("tcp", host, address, port, outcome, ms_since(started), local)


def probe_exchange(probe, exchange):
    """Hold one exchange; opskit chooses the bytes and judges the reply."""
    parts, version, chain, error = [], "", [], ""
    connection = None
    try:
        address = address_of(probe, exchange["host"])
        connection = socket.create_connection((address, exchange["port"]), CONNECT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for action, data, count in exchange["steps"]:
            if action == "send":
                connection.sendall(base64.b64decode(data))
            elif action == "read":
                parts.append(connection.recv(count))
            elif parts and parts[-1] == base64.b64decode(data):
                connection, version, chain = start_tls(connection, exchange["host"])
            else:
                break
    except TimeoutError:
        error = "timeout"
    except OSError as problem:
        error = os.strerror(problem.errno) if problem.errno else type(problem).__name__
    except Forbidden as why:
        error = why
    finally:
        if connection is not None:
            connection.close()
    probe.emit("exchange", exchange["name"], error, version, b64_list(parts), b64_list(chain))


def start_tls(connection, host):
    """TLS without verification: opskit judges the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    wrapped = context.wrap_socket(connection, server_hostname=host)
    return wrapped, wrapped.version(), certificates_of(wrapped)


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
