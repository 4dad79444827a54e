"""Interface of a database engine, and its engine-neutral results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from opskit.engine.advice import EngineAdvice
from opskit.engine.environment import ConnectionEnvironment
from opskit.engine.tls_modes import TlsVocabulary
from opskit.secret import Secret


@dataclass(frozen=True, slots=True)
class Exchange:
    """A conversation with the server, without any password, to learn how it answers.

    Attributes:
        arguments: for the engine's `converse` in Python, as JSON.
        shell_argument: one word for the engine's `converse` in `sh`; empty where `sh` cannot hold it.
    """

    name: str
    arguments: Mapping[str, object]
    shell_argument: str = ""


@dataclass(frozen=True, slots=True)
class ExchangeResult:
    """The server's replies in one exchange.

    Attributes:
        parts: the bytes received, as the engine's `converse` divides them.
        certificates: the server's chain in DER, its own certificate first.
        error: the reason why the exchange ended early, such as `timeout` or `refused`.
    """

    name: str
    parts: tuple[bytes, ...] = ()
    tls_version: str = ""
    certificates: tuple[bytes, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class InstanceProgram:
    """An engine's part of the probe's program, in Python and in `sh`.

    Attributes:
        python: source for Python 3.6 and its standard library with two functions. `login(host, address,
            port, user, password, database, tls_mode, ca_file, timeout_s)` returns a dict of `ok`, `code`,
            `message`, `ms` and `tls`. `converse(conversation, arguments)` holds one exchange on
            `conversation.connection`, appends each reply to `conversation.parts`, and may call
            `conversation.start_tls()`; its OSError ends the exchange.
        shell: source for `sh` that defines `converse ADDRESS PORT ARGUMENT`: it prints the first reply in
            base64 on one line, or fails and prints which programs are missing. It may use `have PROGRAM`.
    """

    python: str
    shell: str


class LoginFailure(StrEnum):
    """The reason why a login failed, by the message of the server or the client library.

    An engine uses those that its server tells apart: MySQL answers DENIED where others say PASSWORD.
    """

    PASSWORD = "password"
    DENIED = "denied for one of several reasons, which the server does not tell apart"
    IAM_AUTH = "IAM token required"
    PASSWORD_EXPIRED = "password expired"
    ACCOUNT_LOCKED = "account locked"
    ROLE_REFUSED = "role may not log in"
    TLS_REQUIRED = "TLS required"
    NOT_ADMITTED = "address, user or database not admitted"
    HOST_BLOCKED = "address blocked after failed connections"
    DATABASE_MISSING = "database missing"
    DATABASE_DENIED = "no permission for the database"
    SLOTS = "no connection slot free"
    USER_LIMIT = "connection limit of the user reached"
    NOT_READY = "server not ready"
    READ_ONLY = "server read-only"
    IDLE_CLOSED = "idle session closed by the server"
    CERTIFICATE = "certificate not trusted"
    METHOD = "authentication method not allowed"
    METHOD_UNKNOWN = "authentication method unknown to the client"
    METHOD_NEEDS_TLS = "authentication method needs TLS"
    REFUSED = "connection refused"
    NO_ANSWER = "no answer"
    NO_NAME = "name not resolved"
    OTHER = "other"


AFTER_AUTHENTICATION = frozenset(
    {LoginFailure.ROLE_REFUSED, LoginFailure.DATABASE_MISSING, LoginFailure.DATABASE_DENIED}
)
"""Failures that a server reports only after it has accepted the proof of the password."""
AFTER_SLOTS = frozenset({LoginFailure.DATABASE_MISSING, LoginFailure.DATABASE_DENIED})
"""Failures that a server reports only after it has given the login a slot, since the database is opened in
it; the limits of a role and the reserved slots come between the password and the database."""
NO_SERVICE = frozenset({LoginFailure.SLOTS, LoginFailure.NOT_READY})
"""Failures that concern every login, which a server can report before any password."""
NO_PROOF = "no proof"
"""The method of a server that lets the user in without a password."""


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """A server's answer to the first message.

    Attributes:
        allows_authentication: it requests authentication, so the address, user and database are allowed;
            False: it rejects them; None: the answer does not show it.
        method: the requested authentication method, or `NO_PROOF`.
        code: the server's own error code, such as an error number.
    """

    allows_authentication: bool | None
    method: str = ""
    code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class ServerHandshake:
    """The properties that a server shows without a login.

    Attributes:
        is_engine: whether it uses this engine's protocol; None when it did not reply.
        offers_tls: None when that is unknown.
        with_tls, without_tls: its answers; None when there was none.
    """

    is_engine: bool | None
    offers_tls: bool | None
    tls_version: str
    certificates: tuple[bytes, ...]
    with_tls: ServerAnswer | None
    without_tls: ServerAnswer | None

    @property
    def requires_tls(self) -> bool | None:
        """Whether it rejects clients without TLS; None when that is unknown."""
        if self.without_tls is None or self.without_tls.allows_authentication is None:
            return None
        if self.without_tls.allows_authentication:
            return False
        return True if self.with_tls is not None and self.with_tls.allows_authentication else None


UNHEARD = ServerHandshake(None, None, "", (), None, None)
"""Nothing is known: no server was asked."""


@dataclass(frozen=True, slots=True)
class LoginResult:
    """The result of a login. `message` is the first line of the server's or the driver's message."""

    succeeded: bool
    failure: LoginFailure | None
    message: str
    milliseconds: float
    tls_version: str = ""


@dataclass(frozen=True, slots=True)
class ServerTrust:
    """The way in which a server's certificate is verified, or the reason why it is not.

    Over an unverified connection only authentication that is bound to the connection is allowed, so that a
    false server neither gets a hash of the password nor can relay the login.

    Attributes:
        names: one of these must be in the certificate; they are tried in this order.
        ca_file: the CA bundle, or `system` for the system's; None: nothing is verified.
        basis: description of the bundle, for sentences.
        reason: the reason why nothing is verified; empty where it is.
    """

    names: tuple[str, ...]
    ca_file: str | None
    basis: str = ""
    reason: str = ""

    @property
    def words(self) -> str:
        """The verification, for a sentence."""
        return f"verified by {self.basis}" if self.ca_file else f"not verified: {self.reason}"


@dataclass(frozen=True, slots=True)
class Server:
    """The address of a database, and how to verify it.

    Attributes:
        host: its real name.
        address: the address to connect to.
        trust: how its certificate is verified.
    """

    host: str
    address: str
    port: int
    database: str
    trust: ServerTrust


@dataclass(frozen=True, slots=True)
class RoleFacts:
    """The attributes and rights of a role, as the role itself sees them.

    Attributes:
        uses_iam: it logs in with IAM tokens, so it has no password.
        password_expires: when its password expires, in the server's format; empty for never.
        connection_limit: -1 for none.
        may_change_own: whether it may change its own password.
        is_replica: the server is read-only.
        other_exists: whether the second role exists.
        other_sessions: its number of open sessions.
        other_differs: settings of the role that the second one lacks.
        ownership_warnings: sentences about objects of one role that the other may not be able to use.
    """

    uses_iam: bool
    password_expires: str
    connection_limit: int
    may_change_own: bool
    is_replica: bool
    other_exists: bool
    other_sessions: int
    other_differs: tuple[str, ...]
    ownership_warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangeResult:
    """The result of a password change by SQL.

    Attributes:
        succeeded: None when unknown: the reply to the commit was lost.
        is_final: whether another attempt is pointless.
        message: the server's first line; it never holds a password.
    """

    succeeded: bool | None
    is_final: bool = False
    message: str = ""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """The connection settings of the engine's own command line clients.

    Attributes:
        environment: variables without any secret.
        example: a command line to paste, without the password.
    """

    environment: Mapping[str, str]
    example: str


class Engine(Protocol):
    """One database engine."""

    name: str
    """Its short name, as users and RDS write it."""
    client_name: str
    """The client library through which opskit logs in, for sentences."""
    client_package: str
    """The Python distribution of that library."""
    default_port: int
    default_database: str
    """A database that every server has; empty where the engine needs none."""
    default_user: str
    """The user that is assumed where none is known."""
    own_words: frozenset[str]
    """Words of its commands and addresses that opskit prints; they are never redacted."""
    bare_connect_is_safe: bool
    """Whether a TCP connection may be closed without a login. MySQL counts it as a failed one, and blocks an
    address after `max_connect_errors` of them."""
    environment: ConnectionEnvironment
    tls: TlsVocabulary
    advice: EngineAdvice

    def exchanges(self, user: str, database: str) -> tuple[Exchange, ...]:
        """The exchanges that show how the server answers this user and database."""

    def greeting(self, heard: Mapping[str, ExchangeResult]) -> ServerHandshake:
        """The meaning of the server's replies."""

    def classify(self, message: str, code: str = "") -> LoginFailure:
        """The reason why a login failed, by the server's error code or the first line of the message."""

    def is_reachable(self, address: str, port: int, *, timeout_s: float) -> bool:
        """Whether a server accepts connections there, in a way that it does not count as a failed login."""

    def login(
        self, server: Server, user: str, password: Secret, *, timeout_s: float
    ) -> LoginResult:
        """Log in from here with TLS, run one query, and disconnect.

        A server that cannot be verified as its trust requires, or that requests a method that is not allowed
        then, gets no proof of the password: the failure is CERTIFICATE or METHOD, and says nothing about it.
        """

    def second_role(self, user: str) -> str:
        """The name of the role that alternates with a role; of the second one it is the first."""

    def role_facts(
        self, server: Server, user: str, password: Secret, other: str, *, timeout_s: float
    ) -> RoleFacts:
        """The facts of a role, and of the second role that may alternate with it.

        Raises:
            CannotProceed: the query failed.
        """

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
        """Log in, and change a role's password; the statement holds nothing that can be used to log in.

        Args:
            member_of: create the role if it does not exist, as a member of this one.
            lock: name of the lock that excludes all other changes.
            still_wanted: called while the lock is held, just before the change.
            limit_s: for every wait inside the server; the server disconnects a client that stops midway.
        """

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
        """Settings with which a client keeps the real host name, so that it can verify the server."""

    def client_command(
        self, client: ClientSettings, command: tuple[str, ...], password_file: str
    ) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """The command with which a client connects by itself: its arguments, and variables to add.

        Args:
            command: as the user typed it, the program first.
            password_file: path of a file with the content of `password_file`; empty without a password: the
                client then prompts for it.
        """

    def password_file(
        self, *, host: str, port: int, user: str, database: str, password: Secret
    ) -> Secret:
        """The content of a client's password file."""

    def instance_program(self) -> InstanceProgram:
        """The functions by which the probe on the instance talks to the server."""
