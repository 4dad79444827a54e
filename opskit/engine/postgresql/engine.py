"""PostgreSQL: first bytes, the meaning of the answers, and the texts of its errors.

Commands without a database load this module too, so what only a login needs is imported there.

Source: PostgreSQL documentation, chapter Frontend/Backend Protocol, message formats and error codes.
"""

from __future__ import annotations

import base64
import re
import shlex
import struct
import time
from collections.abc import Callable, Mapping

from opskit.engine.advice import EngineAdvice
from opskit.engine.interface import (
    NO_PROOF,
    ChangeResult,
    ClientSettings,
    Exchange,
    ExchangeResult,
    InstanceProgram,
    LoginFailure,
    LoginResult,
    RoleFacts,
    Server,
    ServerAnswer,
    ServerHandshake,
    ServerTrust,
)
from opskit.engine.postgresql import ownership
from opskit.engine.postgresql.advice import PostgreSqlAdvice
from opskit.engine.postgresql.environment import DEFAULT_PORT, ENVIRONMENT
from opskit.engine.postgresql.tls_modes import TLS
from opskit.secret import Secret

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
PROTOCOL = 196608

LONGEST_ANSWER = 30000
"""libpq rejects a longer error before authentication (fe-connect.c)."""
LAST_METHOD = 12
"""The code of AuthenticationSASLFinal, the highest one."""
METHODS = {0: NO_PROOF, 3: "cleartext", 5: "md5", 10: "sasl"}

INVALID_AUTHORIZATION = "28"
"""The class of SQLSTATEs for a client that is rejected for its address, user, database or missing TLS."""
SQLSTATES = {
    "28P01": LoginFailure.PASSWORD,
    "3D000": LoginFailure.DATABASE_MISSING,
    "25006": LoginFailure.READ_ONLY,
    "42501": LoginFailure.DATABASE_DENIED,
    "55000": LoginFailure.DATABASE_MISSING,
    "53300": LoginFailure.SLOTS,
    "57P03": LoginFailure.NOT_READY,
}

TEXTS: tuple[tuple[str, LoginFailure], ...] = (
    (r"password authentication failed", LoginFailure.PASSWORD),
    # RDS verifies the tokens of `rds_iam`'s members through PAM.
    (r"PAM authentication failed", LoginFailure.IAM_AUTH),
    (r"no pg_hba\.conf entry .*(no encryption|SSL off)", LoginFailure.TLS_REQUIRED),
    (r"no pg_hba\.conf entry|pg_hba\.conf rejects", LoginFailure.NOT_ADMITTED),
    (r"database \".*\" does not exist|not currently accepting", LoginFailure.DATABASE_MISSING),
    (r"is not permitted to log in", LoginFailure.ROLE_REFUSED),
    (r"permission denied for database", LoginFailure.DATABASE_DENIED),
    (r"too many (clients|connections)|connection slots are reserved", LoginFailure.SLOTS),
    (r"starting up|shutting down|not (yet )?accepting connections", LoginFailure.NOT_READY),
    (r"password in clear text|requested a cleartext password", LoginFailure.IAM_AUTH),
    (
        r"^authentication method (requirement|not allowed)|channel binding|^no login was tried",
        LoginFailure.METHOD,
    ),
    (r"certificate|does not match host name", LoginFailure.CERTIFICATE),
    (r"no password supplied", LoginFailure.PASSWORD),
    (
        r"authentication method \d+ (is )?not supported|SCRAM authentication",
        LoginFailure.METHOD_UNKNOWN,
    ),
    (r"in a read-only transaction", LoginFailure.READ_ONLY),
    (r"terminating connection due to idle", LoginFailure.IDLE_CLOSED),
    (r"[Cc]onnection refused", LoginFailure.REFUSED),
    (r"timeout|timed out", LoginFailure.NO_ANSWER),
    (r"translate host name|resolve host", LoginFailure.NO_NAME),
)
"""The first pattern that matches the first line decides. With `sslmode=prefer` the last line holds the
server's rejection of the second attempt without TLS, which is not the cause."""


class PostgreSql:
    """The PostgreSQL engine."""

    name = "postgres"
    client_name = "libpq"
    client_package = "psycopg"
    default_port = DEFAULT_PORT
    default_database = "postgres"
    default_user = "postgres"
    own_words = frozenset({"5432", "postgres", "postgresql", "psql"})
    bare_connect_is_safe = True
    environment = ENVIRONMENT
    tls = TLS
    advice: EngineAdvice = PostgreSqlAdvice()

    def exchanges(self, user: str, database: str) -> tuple[Exchange, ...]:
        """A startup message with TLS and one without; nothing else is sent."""
        body = b"user\0" + user.encode() + b"\0database\0" + database.encode() + b"\0\0"
        start = struct.pack("!ii", len(body) + 8, PROTOCOL) + body
        startup = base64.b64encode(start).decode()
        ssl_request = base64.b64encode(SSL_REQUEST).decode()
        return (
            Exchange("tls", {"ssl_request": ssl_request, "startup": startup}, ssl_request),
            Exchange("plain", {"startup": startup}, startup),
        )

    def greeting(self, heard: Mapping[str, ExchangeResult]) -> ServerHandshake:
        """Parse the replies of both exchanges."""
        tls, plain = (
            heard.get("tls", ExchangeResult("tls")),
            heard.get("plain", ExchangeResult("plain")),
        )
        first = tls.parts[0][:1] if tls.parts else b""
        with_tls = parse_answer(tls.parts[1]) if len(tls.parts) > 1 else None
        without = parse_answer(plain.parts[0]) if plain.parts else None
        # One letter proves nothing: the banner of SSH begins with S too.
        is_engine: bool | None = True
        if not (with_tls or without or (first == b"S" and tls.tls_version)):
            is_engine = False if plain.parts or first not in (b"", b"S", b"N") else None
        offers_tls = {b"S": True, b"N": False}.get(first) if is_engine else None
        return ServerHandshake(
            is_engine=is_engine,
            offers_tls=offers_tls,
            tls_version=tls.tls_version if is_engine else "",
            certificates=tls.certificates if is_engine else (),
            with_tls=with_tls,
            without_tls=without,
        )

    def classify(self, message: str, code: str = "") -> LoginFailure:
        """Classify by SQLSTATE where it is unambiguous, else by the first line's text.

        SQLSTATE 28000 covers a missing pg_hba line, forced TLS and a role that may not log in.
        """
        if code in SQLSTATES:
            return SQLSTATES[code]
        line = message.strip().split("\n", 1)[0]
        for pattern, failure in TEXTS:
            if re.search(pattern, line):
                return failure
        return LoginFailure.OTHER

    def is_reachable(self, address: str, port: int, *, timeout_s: float) -> bool:
        """Connect and close, which PostgreSQL ignores."""
        import socket

        try:
            socket.create_connection((address, port), timeout_s).close()
        except OSError:
            return False
        return True

    def login(
        self, server: Server, user: str, password: Secret, *, timeout_s: float
    ) -> LoginResult:
        """Log in through libpq."""
        import psycopg

        from opskit.engine.postgresql import roles

        started = time.monotonic()
        try:
            with roles.connected(
                server, user, password, timeout_s=timeout_s, limit_s=timeout_s
            ) as connection:
                connection.execute("select 1")
                version = "TLS" if connection.pgconn.ssl_in_use else ""
                return LoginResult(True, None, "", 1000 * (time.monotonic() - started), version)
        except psycopg.Error as error:
            # The exception refers to the connection and so to the password: only its text is passed on.
            text = roles.first_line(str(error))
        took, failure = 1000 * (time.monotonic() - started), self.classify(text)
        return LoginResult(False, failure, roles.explain(text, server), took)

    def second_role(self, user: str) -> str:
        """`NAME_clone`, as Secrets Manager's rotation functions call it."""
        return ownership.second_role(user)

    def role_facts(
        self, server: Server, user: str, password: Secret, other: str, *, timeout_s: float
    ) -> RoleFacts:
        """Query the system catalogs."""
        from opskit.engine.postgresql import roles

        return roles.role_facts(server, user, password, other, timeout_s=timeout_s)

    def change_password(
        self,
        server: Server,
        user: str,
        password: Secret,
        role: str,
        new: Secret,
        *,
        member_of: str | None,
        lock: str,
        still_wanted: Callable[[], bool],
        limit_s: float,
    ) -> ChangeResult:
        """Run ALTER ROLE with a SCRAM verifier."""
        from opskit.engine.postgresql import roles

        return roles.change_password(
            server,
            user,
            password,
            role,
            new,
            member_of=member_of,
            lock=lock,
            still_wanted=still_wanted,
            limit_s=limit_s,
        )

    def client(
        self,
        *,
        host: str,
        address: str,
        port: int,
        user: str,
        database: str,
        trust: ServerTrust,
    ) -> ClientSettings:
        """Libpq's variables: the host name for TLS and the password file, the address for the connection.

        `channel_binding=require` exists from libpq 13 on, and requires SCRAM.
        """
        unverified = {"sslmode": "require", "channel_binding": "require"}
        settings = {
            "host": host,
            "hostaddr": address,
            "port": str(port),
            "user": user,
            "dbname": database,
            **(
                {"sslmode": "verify-full", "sslrootcert": trust.ca_file}
                if trust.ca_file
                else unverified
            ),
        }
        names = {"dbname": "database", "channel_binding": "channelbinding"}
        variables = {f"PG{names.get(k, k).upper()}": v for k, v in settings.items()}
        text = " ".join(f"{name}={_quoted(value)}" for name, value in settings.items())
        return ClientSettings(variables, f"psql {shlex.quote(text)}")

    def client_command(
        self, client: ClientSettings, command: tuple[str, ...], password_file: str
    ) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """The command as it is: every client of libpq reads the variables."""
        named = {"PGPASSFILE": password_file} if password_file else {}
        return command, {**client.environment, **named}

    def password_file(
        self, *, host: str, port: int, user: str, database: str, password: Secret
    ) -> Secret:
        """One line of a password file, with colons and backslashes escaped."""
        parts = (host, str(port), database, user, password.reveal())
        escaped = (part.replace("\\", "\\\\").replace(":", "\\:") for part in parts)
        return Secret(":".join(escaped) + "\n", is_document=True)

    def instance_program(self) -> InstanceProgram:
        """The sources of `stdlib_login`, `stdlib_exchange` and `exchange.sh`."""
        import importlib.resources

        package = importlib.resources.files("opskit.engine.postgresql")
        login, exchange, shell = (
            (package / name).read_text(encoding="utf-8")
            for name in ("stdlib_login.py", "stdlib_exchange.py", "exchange.sh")
        )
        return InstanceProgram(f"{login}\n{exchange}", shell)


ENGINE = PostgreSql()


def _quoted(value: str) -> str:
    """A value of a libpq connection string."""
    if value and not set(value) & set(" '\\"):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def parse_answer(reply: bytes) -> ServerAnswer | None:
    """An authentication request or an error; None for anything else, such as a banner with that letter."""
    if len(reply) < 6 or not 4 < struct.unpack("!i", reply[1:5])[0] <= LONGEST_ANSWER:
        return None
    if reply[:1] == b"R" and len(reply) >= 9:
        code = struct.unpack("!i", reply[5:9])[0]
        if not 0 <= code <= LAST_METHOD:
            return None
        method = METHODS.get(code, str(code))
        if method == "sasl":
            method = ", ".join(m.decode("ascii", "replace") for m in reply[9:].split(b"\0") if m)
        return ServerAnswer(True, method)
    if reply[:1] == b"E":
        fields = {
            chr(part[0]): part[1:].decode("utf-8", "replace")
            for part in reply[5:].split(b"\0")
            if part
        }
        code = fields.get("C", "")
        if not code:
            return None
        is_rejected = code.startswith(INVALID_AUTHORIZATION)
        return ServerAnswer(False if is_rejected else None, "", code, fields.get("M", ""))
    return None
