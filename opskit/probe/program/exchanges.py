"""Conversations with the database server, and with one that turns out to be another.

A part of the probe's program, so it keeps to Python 3.6 and the standard library. The engine's own source
comes before it and defines `converse`.
"""

import base64
import os
import socket
import ssl

from opskit.probe.program.jobs import isolated, run_and_wait
from opskit.probe.program.network import Forbidden, connect_to


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


def probe_exchanges(probe, exchanges):
    """Hold the engine's exchanges at once, then two others with a server that said nothing in any of them."""
    talks = []
    run_and_wait(
        isolated(probe, "exchange " + e["name"], probe_exchange, e, talks) for e in exchanges
    )
    if not talks or any(part for talk in talks for part in talk.parts):
        return
    host, port = exchanges[0]["host"], exchanges[0]["port"]
    run_and_wait(
        isolated(probe, "exchange " + name, probe_unknown_server, name, host, port)
        for name in ("http-request", "tls-hello")
    )


def probe_unknown_server(probe, name, host, port):
    """Ask a silent server for a page, or begin TLS: its answer shows what it is."""
    connection, row = connect_to(probe, host, port)
    talk, error = Conversation(connection, host), row[2]
    if connection is not None:
        error = held(talk, begin_tls if name == "tls-hello" else ask_for_page)
    emit_exchange(probe, name, error, talk)


def begin_tls(talk):
    """TLS at once, as a server behind a TLS terminator wants it."""
    talk.start_tls()


def ask_for_page(talk):
    """A request of HTTP/1.0, whose lines other text protocols answer with an error."""
    talk.connection.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
    talk.parts.append(talk.connection.recv(512))


def probe_exchange(probe, exchange, talks):
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
        talks.append(talk)
        error = held(talk, lambda talk: converse(talk, exchange["arguments"]))  # noqa: F821
    emit_exchange(probe, exchange["name"], error, talk)


def emit_exchange(probe, name, error, talk):
    """Emit the replies of one conversation."""
    probe.emit(
        "exchange",
        name,
        error,
        talk.version,
        b64_list(talk.parts),
        b64_list(talk.chain),
    )


def held(talk, conversation):
    """Hold a conversation and end its connection; the reason why it ended early, or nothing."""
    try:
        talk.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        conversation(talk)
    except (TimeoutError, socket.timeout):
        return "timeout"
    except ssl.SSLError as problem:
        return "no TLS: %s" % (problem.reason or type(problem).__name__)
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
