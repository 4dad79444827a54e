"""Servers on this machine that speak as much of PostgreSQL's protocol as a login needs."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme

HOST = "linkbox-db.abc123.eu-central-1.rds.amazonaws.com"
USER, PASSWORD = "linkbox", "good-Password_1"


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def request(code: int, rest: bytes = b"") -> bytes:
    return message(b"R", struct.pack("!i", code) + rest)


OK, READY = request(0), message(b"Z", b"I")


@dataclass
class Server:
    """Accepts logins one after the other, and keeps what clients said after the start message.

    Args:
        answer: given the connection, it asks for a proof; True lets the client in.
    """

    context: ssl.SSLContext
    answer: Callable[[Server, ssl.SSLSocket], bool]
    ca_file: str = ""
    heard: list[bytes] = field(default_factory=list)
    starts: int = 0

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                try:
                    self._talk(connection)
                except (OSError, ValueError):
                    continue

    def _talk(self, connection: socket.socket) -> None:
        if exactly(connection, 8) != struct.pack("!ii", 8, 80877103):
            return
        connection.sendall(b"S")
        with self.context.wrap_socket(connection, server_side=True) as encrypted:
            length = struct.unpack("!i", exactly(encrypted, 4))[0]
            exactly(encrypted, length - 4)
            self.starts += 1
            if not self.answer(self, encrypted):
                self.note(encrypted)
                return
            encrypted.sendall(OK + READY)
            while encrypted.recv(4096):
                encrypted.sendall(message(b"C", b"DONE\0") + READY)

    def note(self, connection: ssl.SSLSocket) -> bytes:
        """One message of the client, kept; empty when it left."""
        kind = connection.recv(1)
        if not kind or kind == b"X":
            return b""
        body = exactly(connection, struct.unpack("!i", exactly(connection, 4))[0] - 4)
        self.heard.append(body)
        return body


def exactly(connection: Any, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise ValueError("the client left")
        data += part
    return data


def md5(server: Server, connection: ssl.SSLSocket) -> bool:
    """Ask for a hash, and let in whoever sends the right one."""
    connection.sendall(request(5, b"salt"))
    inner = hashlib.md5((PASSWORD + USER).encode()).hexdigest()
    right = b"md5" + hashlib.md5(inner.encode() + b"salt").hexdigest().encode()
    return server.note(connection) == right + b"\0"


def clear_text(server: Server, connection: ssl.SSLSocket) -> bool:
    connection.sendall(request(3))
    return server.note(connection) == PASSWORD.encode() + b"\0"


def nothing(server: Server, connection: ssl.SSLSocket) -> bool:
    """Let everybody in."""
    return True


def scram_without_challenge(server: Server, connection: ssl.SSLSocket) -> bool:
    """End the exchange before it has begun: an empty signature, then in."""
    connection.sendall(request(10, b"SCRAM-SHA-256\0\0"))
    server.note(connection)
    connection.sendall(request(12, b"v="))
    return True


def scram(rounds: int = 4096) -> Callable[[Server, ssl.SSLSocket], bool]:
    """The true exchange without channel binding, as a server that knows the password."""

    def answer(server: Server, connection: ssl.SSLSocket) -> bool:
        connection.sendall(request(10, b"SCRAM-SHA-256\0\0"))
        first = server.note(connection)
        if not first:
            return False
        bare = first[first.index(b",,") + 2 :].decode()
        salt = os.urandom(16)
        challenge = f"{bare.split('r=')[1].join(('r=', 'xyz'))},s={base64.b64encode(salt).decode()},i={rounds}"
        connection.sendall(request(11, challenge.encode()))
        final = server.note(connection).decode()
        if not final:
            return False
        salted = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt, rounds)
        whole = f"{bare},{challenge},{final.rsplit(',p=', 1)[0]}".encode()
        key = hmac.new(salted, b"Server Key", hashlib.sha256).digest()
        signature = hmac.new(key, whole, hashlib.sha256).digest()
        connection.sendall(request(12, b"v=" + base64.b64encode(signature)))
        return True

    return answer


def serve(
    directory: Path, answer: Callable[[Server, ssl.SSLSocket], bool], *names: str, **options: Any
) -> Server:
    """A server with a certificate of an authority of its own, whose file is `ca_file`."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or (HOST,)), **options).configure_cert(context)
    path = directory / f"{len(list(directory.iterdir()))}.pem"
    authority.cert_pem.write_to_path(str(path))
    return Server(context, answer, str(path))
