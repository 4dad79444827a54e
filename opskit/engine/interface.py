"""What every engine file gives, and the neutral words in which it says what a server answered."""

from __future__ import annotations

from collections.abc import Mapping
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
class Conversation:
    """What is sent to the server, without any password, to learn how it answers."""

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Heard:
    """What came back in one conversation.

    Attributes:
        pieces: what each read step received.
        certificates: the server's chain in DER, its own certificate first.
        error: what ended the conversation early, such as `timeout` or `reset`.
    """

    name: str
    pieces: tuple[bytes, ...] = ()
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
    REFUSED = "connection refused"
    NO_ANSWER = "no answer"
    NO_NAME = "name not resolved"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """A server's answer to the first message.

    Attributes:
        admits: it asks for a proof of identity, so address, user and database may try.
        method: the proof it asks for.
    """

    admits: bool
    method: str = ""
    sqlstate: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Greeting:
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
        if self.without_tls.admits:
            return False
        return True if self.with_tls is not None and self.with_tls.admits else None


@dataclass(frozen=True, slots=True)
class LoginResult:
    """How a login ended. `message` is the first line that server or driver gave."""

    succeeded: bool
    failure: LoginFailure | None
    message: str
    milliseconds: float
    tls_version: str = ""


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

    def conversations(self, user: str, database: str) -> tuple[Conversation, ...]:
        """What to say to learn how the server answers this user and database."""

    def greeting(self, heard: Mapping[str, Heard]) -> Greeting:
        """What the answers mean."""

    def classify(self, message: str, sqlstate: str = "") -> LoginFailure:
        """Why a login failed, by the first line of what was said."""

    def login(
        self,
        *,
        host: str,
        address: str,
        port: int,
        user: str,
        password: Secret,
        database: str,
        ca_file: str | None,
        timeout_s: float,
    ) -> LoginResult:
        """Log in from here with TLS, ask one question, and leave."""

    def client(
        self, *, host: str, address: str, port: int, user: str, database: str, ca_file: str | None
    ) -> ClientSettings:
        """Settings by which a client keeps the real host name, so that it can verify the server."""

    def password_file(
        self, *, host: str, port: int, user: str, database: str, password: Secret
    ) -> Secret:
        """The content of the file from which a client takes the password."""

    def instance_login_source(self) -> str:
        """Python 3.6 source that defines `login(...)` for the probe on the instance."""
