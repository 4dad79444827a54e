"""What every engine file gives, and the neutral words in which it says what a server answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from opskit.secret import Secret


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a conversation: `send` bytes, `read` at most that many, or start `tls` if the
    last byte read is this one.
    """

    action: str
    data: bytes = b""
    count: int = 0


@dataclass(frozen=True, slots=True)
class Exchange:
    """What is sent to the server, without any password, to learn how it answers."""

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class ExchangeResult:
    """What came back in one conversation.

    Attributes:
        parts: what each read step received.
        certificates: the server's chain in DER, its own certificate first.
        error: what ended the conversation early, such as `timeout` or `reset`.
    """

    name: str
    parts: tuple[bytes, ...] = ()
    tls_version: str = ""
    certificates: tuple[bytes, ...] = ()
    error: str = ""


class LoginFailure(StrEnum):
    """Why a login did not succeed, by what the server or the client library said."""

    PASSWORD = "password"
    TLS_REQUIRED = "TLS required"
    NOT_ADMITTED = "address, user or database not admitted"
    DATABASE_MISSING = "database missing"
    ROLE_REFUSED = "role may not log in"
    SLOTS = "no connection slot free"
    NOT_READY = "server not ready"
    CERTIFICATE = "certificate not trusted"
    METHOD = "authentication method not allowed"
    TOKEN = "token of IAM wanted"
    REFUSED = "connection refused"
    NO_ANSWER = "no answer"
    NO_NAME = "name not resolved"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """A server's answer to the first message.

    Attributes:
        allows_authentication: it asks for a proof of identity, so address, user and database may try.
        method: the proof it asks for.
    """

    allows_authentication: bool
    method: str = ""
    sqlstate: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class ServerHandshake:
    """What a server shows without a login.

    Attributes:
        is_engine: it speaks this engine's protocol; None when it said nothing.
        offers_tls: None when that was not learnt.
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
        """Whether a client without TLS is turned away; None when that was not learnt."""
        if self.without_tls is None:
            return None
        if self.without_tls.allows_authentication:
            return False
        return True if self.with_tls is not None and self.with_tls.allows_authentication else None


@dataclass(frozen=True, slots=True)
class LoginResult:
    """How a login ended. `message` is the first line that server or driver gave."""

    succeeded: bool
    failure: LoginFailure | None
    message: str
    milliseconds: float
    tls_version: str = ""


@dataclass(frozen=True, slots=True)
class ServerTrust:
    """How a server's certificate is verified, or why it is not.

    Over an unverified connection only a proof of the password that binds it to the connection is
    allowed, so that a false server neither gets a hash of it nor can pass the login on.

    Attributes:
        names: the certificate must be made for one of these; they are tried in this order.
        ca_file: the CA bundle, or `system` for the system's; None: nothing is verified.
        basis: what the bundle is, for sentences.
        reason: why nothing is verified; empty where something is.
    """

    names: tuple[str, ...]
    ca_file: str | None
    basis: str = ""
    reason: str = ""

    @property
    def words(self) -> str:
        """How it is verified, for a sentence."""
        return f"verified by {self.basis}" if self.ca_file else f"not verified: {self.reason}"


@dataclass(frozen=True, slots=True)
class Server:
    """Where a database is reached from here.

    Attributes:
        host: its real name; address: what is dialled.
        trust: how its certificate is verified.
    """

    host: str
    address: str
    port: int
    database: str
    trust: ServerTrust


@dataclass(frozen=True, slots=True)
class RoleFacts:
    """What a role may, as it sees itself.

    Attributes:
        uses_iam: it logs in with IAM's tokens, so it has no password.
        valid_until: when its password ends, in the server's words; empty for never.
        connection_limit: -1 for none.
        restricts: only members of a special role may change passwords.
        may_change_own: it is such a member, or there is no such restriction.
        is_replica: the server is read-only.
        other_exists: the second role is there already; other_sessions: how many it has open.
        other_differs: settings that the second role does not share.
        acts_as: the role that it is set to act as (`alter role ... set role`); empty for none.
        owns: objects that belong to it, in this database and shared ones.
        default_privileges: it has some for what it will create.
        other_acts_as, other_owns: the same of the second role.
    """

    uses_iam: bool
    valid_until: str
    connection_limit: int
    restricts: bool
    may_change_own: bool
    is_replica: bool
    other_exists: bool
    other_sessions: int
    other_differs: tuple[str, ...]
    acts_as: str = ""
    owns: int = 0
    default_privileges: bool = False
    other_acts_as: str = ""
    other_owns: int = 0


@dataclass(frozen=True, slots=True)
class ChangeResult:
    """How a change of a password by SQL ended.

    Attributes:
        succeeded: None when nobody knows: the reply to the commit was lost.
        is_final: trying again makes no sense.
        message: the server's first line; it never holds a password.
    """

    succeeded: bool | None
    is_final: bool = False
    message: str = ""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How the engine's own command line is told where to connect.

    Attributes:
        environment: variables without any secret.
        password_variable: names the file that holds the password.
        example: a command line to paste, without the password.
    """

    environment: Mapping[str, str]
    password_variable: str
    example: str


class Engine(Protocol):
    """One database engine."""

    name: str
    default_port: int
    tls_parameter: str
    """The parameter of the group that forces TLS."""

    def exchanges(self, user: str, database: str) -> tuple[Exchange, ...]:
        """What to say to learn how the server answers this user and database."""

    def greeting(self, heard: Mapping[str, ExchangeResult]) -> ServerHandshake:
        """What the answers mean."""

    def classify(self, message: str, sqlstate: str = "") -> LoginFailure:
        """Why a login failed, by the first line of what was said."""

    def login(
        self, server: Server, user: str, password: Secret, *, timeout_s: float
    ) -> LoginResult:
        """Log in from here with TLS, ask one question, and leave.

        A server that cannot be verified as its trust says, or that asks for a proof that is not allowed
        then, gets none: the failure is CERTIFICATE or METHOD, and nothing is known of the password.
        """

    def role_facts(
        self, server: Server, user: str, password: Secret, other: str, *, timeout_s: float
    ) -> RoleFacts:
        """What a role says of itself, and of a second one that may take turns with it.

        Raises:
            Incomplete: it could not be asked.
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
        """Log in, and give a role another password; what is sent cannot be used to log in.

        Args:
            member_of: create the role if it is not there, as a member of this one.
            lock: names what nobody else may change at the same time.
            still_wanted: asked while the lock is held, just before the change.
            limit_s: for every wait inside the server; a client that stops in the middle is cut off.
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
        """Settings by which a client keeps the real host name, so that it can verify the server."""

    def password_file(
        self, *, host: str, port: int, user: str, database: str, password: Secret
    ) -> Secret:
        """The content of the file from which a client takes the password."""

    def instance_login_source(self) -> str:
        """Python 3.6 source that defines `login(...)` for the probe on the instance."""
