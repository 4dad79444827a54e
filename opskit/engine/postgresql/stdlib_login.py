"""A PostgreSQL login with only Python's library, run on the instance by the probe.

It is sent as text, so it keeps to Python 3.6 and imports nothing of opskit. It proves that a
password is right and leaves. It never sends the password in clear text, answers a request for an MD5
hash only to a verified server, and rejects a server that asks for no proof.
Sources: PostgreSQL frontend/backend protocol; RFC 5802 and RFC 7677 (SCRAM-SHA-256).
"""

import base64
import hashlib
import hmac
import os
import socket
import ssl
import struct
import time


class ServerError(Exception):
    """The server's error."""

    def __init__(self, sqlstate, message):
        Exception.__init__(self, message)
        self.sqlstate = sqlstate
        self.message = message


NOT_ALLOWED = "authentication method not allowed: "
NOT_POSTGRESQL = "the answer is not PostgreSQL's"
CLEAR_TEXT = "the server asks for the password in clear text, as for IAM's tokens (rds_iam)"
FEWEST_ROUNDS = 4096
"""RFC 7677: with fewer, an unverified server could search for the password in the proof that it gets."""
MOST_ROUNDS = 1000000
REPLY_S = 3
"""The least limit for a reply of a server that has accepted the connection."""


def login(host, address, port, user, password, database, sslmode, ca_file, timeout_s):
    """Log in as a client with this `sslmode` would, but for the allowed proofs.

    Only `verify-full` counts as verified. `timeout_s` is the limit for the connection.

    Returns:
        A dict: ok, code (the SQLSTATE), message, ms, tls.
    """
    started = time.time()
    result = {"ok": False, "code": "", "message": "", "tls": ""}
    connection = None
    try:
        connection, result["tls"] = open_connection(
            host, address, port, sslmode, ca_file, timeout_s
        )
        _authenticate(connection, user, password, database, sslmode == "verify-full")
        result["ok"] = True
    except ServerError as error:
        result["code"], result["message"] = error.sqlstate, error.message
    except TimeoutError:
        result["message"] = "timeout expired"
    except ssl.SSLError as error:
        result["message"] = "SSL error: " + str(
            getattr(error, "verify_message", "") or error.reason
        )
    except ssl.CertificateError as error:
        result["message"] = "SSL error: certificate " + str(error)
    except OSError as error:
        result["message"] = os.strerror(error.errno) if error.errno else type(error).__name__
    finally:
        if connection is not None:
            connection.close()
    result["ms"] = int(1000 * (time.time() - started))
    return result


def open_connection(host, address, port, sslmode, ca_file, timeout_s):
    """A connection, and its TLS version; `host` is the name that is verified."""
    connection = socket.create_connection((address, port), timeout_s)
    connection.settimeout(max(timeout_s, REPLY_S))
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return _negotiate_tls(connection, host, sslmode, ca_file)
    except Exception:
        connection.close()
        raise


def _negotiate_tls(connection, host, sslmode, ca_file):
    if sslmode == "disable":
        return connection, ""
    connection.sendall(struct.pack("!ii", 8, 80877103))
    if connection.recv(1) != b"S":
        if sslmode in ("allow", "prefer"):
            return connection, ""
        raise ServerError("", "server does not support SSL, but SSL was required")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if sslmode in ("verify-ca", "verify-full"):
        if not ca_file:
            raise ServerError("", "root certificate file is not named")
        if ca_file == "system":
            context.load_default_certs()
        else:
            context.load_verify_locations(ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
        context.check_hostname = sslmode == "verify-full"
    wrapped = context.wrap_socket(connection, server_hostname=host)
    return wrapped, wrapped.version()


def _authenticate(connection, user, password, database, verified):
    parameters = "user\0%s\0database\0%s\0application_name\0opskit\0\0" % (user, database)
    body = struct.pack("!i", 196608) + parameters.encode("utf-8")
    connection.sendall(struct.pack("!i", len(body) + 4) + body)
    scram = None
    proven = accepted = False
    for _ in range(100):
        kind, payload = _message(connection)
        if kind == b"E":
            raise _error(payload)
        if kind == b"Z" and accepted:
            connection.sendall(b"X" + struct.pack("!i", 4))
            return
        if kind != b"R":
            continue
        if len(payload) < 4:
            raise ServerError("", NOT_POSTGRESQL)
        code, rest = struct.unpack("!i", payload[:4])[0], payload[4:]
        if code == 0:
            if not proven:
                raise ServerError("", NOT_ALLOWED + "the server wants no proof of the password")
            accepted = True
        elif code == 3:
            raise ServerError("", NOT_ALLOWED + CLEAR_TEXT)
        elif code == 5:
            if not verified:
                raise ServerError(
                    "", NOT_ALLOWED + "the server asks for an MD5 hash and was not verified"
                )
            proven = True
            inner = hashlib.md5(password.encode("utf-8") + user.encode("utf-8")).hexdigest()
            outer = hashlib.md5(inner.encode("ascii") + rest[:4]).hexdigest()
            _send(connection, b"md5" + outer.encode("ascii") + b"\0")
        elif code == 10 and scram is None and b"SCRAM-SHA-256" in rest.split(b"\0"):
            scram = _Scram(password, 1 if verified else FEWEST_ROUNDS)
            first = scram.first()
            name = b"SCRAM-SHA-256\0"
            _send(connection, name + struct.pack("!i", len(first)) + first)
        elif code == 11 and scram is not None:
            _send(connection, scram.final(rest))
        elif code == 12 and scram is not None:
            if not scram.verify(rest):
                raise ServerError("", "the server does not know the password's verifier")
            proven = True
        else:
            raise ServerError("", NOT_ALLOWED + "the server asks for code %d" % code)
    raise ServerError("", "the server did not finish the login")


class _Scram:
    def __init__(self, password, fewest_rounds):
        self._fewest_rounds = fewest_rounds
        self._password = password.encode("utf-8")
        self._nonce = base64.b64encode(os.urandom(18)).decode("ascii")
        self._bare = "n=,r=" + self._nonce
        self._signature = b""

    def first(self):
        return ("n,," + self._bare).encode("ascii")

    def final(self, challenge):
        try:
            text = challenge.decode("ascii")
            fields = dict(part.split("=", 1) for part in text.split(","))
            nonce, salt, rounds = fields["r"], base64.b64decode(fields["s"]), int(fields["i"])
        except (KeyError, ValueError):
            raise ServerError("", NOT_POSTGRESQL)
        if not nonce.startswith(self._nonce):
            raise ServerError("", "the server answered another client's nonce")
        if not self._fewest_rounds <= rounds <= MOST_ROUNDS:
            raise ServerError("", NOT_ALLOWED + "SCRAM with %d rounds" % rounds)
        salted = hashlib.pbkdf2_hmac("sha256", self._password, salt, rounds)
        client_key = _hmac(salted, b"Client Key")
        without_proof = "c=biws,r=" + nonce
        message = (self._bare + "," + text + "," + without_proof).encode("ascii")
        signature = _hmac(hashlib.sha256(client_key).digest(), message)
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        self._signature = _hmac(_hmac(salted, b"Server Key"), message)
        return (without_proof + ",p=" + base64.b64encode(proof).decode("ascii")).encode("ascii")

    def verify(self, answer):
        try:
            fields = dict(part.split("=", 1) for part in answer.decode("ascii").split(","))
            given = base64.b64decode(fields.get("v", ""))
        except ValueError:
            raise ServerError("", NOT_POSTGRESQL)
        # Without a challenge there is no signature, which an empty one would match.
        return bool(self._signature) and hmac.compare_digest(given, self._signature)


def _hmac(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


def _send(connection, payload):
    connection.sendall(b"p" + struct.pack("!i", len(payload) + 4) + payload)


def _message(connection):
    head = _exactly(connection, 5)
    length = struct.unpack("!i", head[1:])[0] - 4
    if not 0 <= length <= 1000000:
        raise ServerError("", NOT_POSTGRESQL)
    return head[:1], _exactly(connection, length)


def _exactly(connection, count):
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise ServerError("", "server closed the connection unexpectedly")
        data += part
    return data


def _error(payload):
    fields = dict(
        (part[:1], part[1:].decode("utf-8", "replace")) for part in payload.split(b"\0") if part
    )
    return ServerError(fields.get(b"C", ""), fields.get(b"M", ""))
