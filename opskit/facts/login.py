"""Logins with the parameters' credential, from this machine or by the instance.

A login from this machine is preferred: directly, else through a tunnel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from opskit import engine
from opskit.ca_bundles import trust_for
from opskit.config import Target
from opskit.endpoint import address_flaw, may_connect
from opskit.engine.interface import Engine, LoginFailure, LoginResult, Server, ServerTrust
from opskit.errors import TransportError
from opskit.facts.database import Database
from opskit.facts.dns import DatabaseHost, OperatorDns
from opskit.facts.interface import (
    Ec2,
    Fact,
    FactUnavailable,
    InstanceConnect,
    Known,
    Ssm,
    SsmMessages,
    Unknown,
)
from opskit.facts.probe import InstanceProbe
from opskit.facts.stored_credential import Credential, StoredCredential
from opskit.secret import Secret
from opskit.symptom import SymptomKind
from opskit.transport.database_connector import DatabaseConnector
from opskit.transport.factory import create_tunnel
from opskit.transport.interface import ProblemCallback, TransportContext, Tunnel
from opskit.workload.interface import Workload

REACH_S = 0.7
"""A private database answers a laptop within one round trip or, in most cases, never."""
LOGIN_S = 5.0
UNVERIFIED = (LoginFailure.CERTIFICATE, LoginFailure.METHOD)
"""Failures before the password is sent, so that they do not show whether it is valid."""


@dataclass(frozen=True, slots=True)
class LoginAttemptResult:
    """The result of a login, and where it was tried from."""

    succeeded: bool
    failure: LoginFailure | None
    message: str
    milliseconds: float
    tls_version: str
    tried_from: str
    user: str

    @property
    def is_wrong_password(self) -> bool:
        """Whether the server rejected the password."""
        return self.failure is LoginFailure.PASSWORD


@dataclass(frozen=True, slots=True)
class DirectLogin:
    """The direct login from this machine; None when the database is unreachable from here."""

    login: LoginAttemptResult | None


def read_direct(
    target: Target,
    dns: OperatorDns,
    host: DatabaseHost,
    database: Database,
    parameters: StoredCredential,
    credential: Credential,
) -> DirectLogin:
    """Log in directly, if this machine can open a connection to the database."""
    usable = (a for a in dns.addresses if may_connect(a, is_from_rds=host.is_from_rds))
    address = next(usable, None)
    user, name = parameters.value("username"), parameters.value("database")
    if not (address and user and name and credential.password.reveal()):
        return DirectLogin(None)
    database_engine = engine.for_rds_engine(database.instance.engine)
    if not database_engine.is_reachable(address, host.port, timeout_s=REACH_S):
        return DirectLogin(None)
    trust = _trust(target, host, database)
    server = Server(host.name, address, host.port, name, trust)
    result = database_engine.login(server, user, credential.password, timeout_s=LOGIN_S)
    return DirectLogin(_told(result, "this machine", user))


def _trust(target: Target, host: DatabaseHost, database: Database) -> ServerTrust:
    return trust_for(host.name, endpoint=database.host, ca_file=target.ca_file)


@dataclass(frozen=True, slots=True)
class _LocalLogin:
    """Logs in from this machine, directly or through the instance by the transport of `--via`."""

    ssm: Ssm
    messages: SsmMessages
    connect: InstanceConnect
    ec2: Ec2
    target: Target
    app: Workload
    host: DatabaseHost
    database: Database
    probe: Fact[InstanceProbe]

    @property
    def trust(self) -> ServerTrust:
        """The names and the CA bundle by which the server is verified."""
        return _trust(self.target, self.host, self.database)

    def log_in(
        self, user: str, name: str, password: Secret, on_notice: Callable[[str], None]
    ) -> LoginAttemptResult:
        """Log in and disconnect.

        Raises:
            FactUnavailable: no transport works, or no RDS database can be at the host's address.
        """
        self._refuse_own()
        connector = self._connector(name, on_notice)
        try:
            connector.server()
            result = connector.try_login(user, password)
        except TransportError as error:
            raise FactUnavailable(
                error.sentence,
                *([error.missing] if error.missing else []),
                waits_for=error.symptoms,
            ) from None
        finally:
            connector.close()
        return _told(result, f"this machine {connector.description}", user)

    def _refuse_own(self) -> None:
        """Reject a name that the instance resolves to itself: a tunnel would connect there."""
        host, probe = self.host, self.probe
        addresses = probe.value.addresses_of(host.name) if isinstance(probe, Known) else ()
        for address in addresses:
            if not may_connect(address, is_from_rds=host.is_from_rds):
                raise FactUnavailable(
                    f"{host.name} resolves to {address} on {self.app.label}, "
                    f"{address_flaw(address)}: no login was tried there"
                )

    def _connector(self, name: str, on_notice: Callable[[str], None]) -> DatabaseConnector:
        target, app, host = self.target, self.app, self.host
        clients = {
            "ssm": self.ssm,
            "ssmmessages": self.messages,
            "ec2-instance-connect": self.connect,
            "ec2": self.ec2,
        }

        def open_tunnel(on_problem: ProblemCallback) -> Tunnel:
            context = TransportContext(target, clients.__getitem__, app.location)
            return create_tunnel(context, host.name, host.port, on_problem)

        database_engine, label = (
            engine.for_rds_engine(self.database.instance.engine),
            app.label,
        )
        return DatabaseConnector(
            database_engine, host.name, host.port, name, self.trust, open_tunnel, label, on_notice,
            is_from_rds=host.is_from_rds,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class TunnelLogin:
    """The login from this machine through the instance; None when it was not needed or possible.

    Attributes:
        notices: messages of the transport.
    """

    login: LoginAttemptResult | None
    notices: tuple[str, ...] = ()


def read_tunnel(
    ssm: Ssm,
    messages: SsmMessages,
    connect: InstanceConnect,
    ec2: Ec2,
    target: Target,
    app: Workload,
    host: DatabaseHost,
    database: Database,
    parameters: StoredCredential,
    credential: Credential,
    probe: Fact[InstanceProbe],
    direct: Fact[DirectLogin],
) -> TunnelLogin:
    """Log in through the instance where neither this machine nor the instance could log in directly.

    An instance without Python cannot log in by itself, and one without a CA bundle, or with an old one,
    cannot verify a server that asks for a hash of the password. The client library of this machine can, over
    the transport that `--via` names.
    """
    is_done = isinstance(direct, Known) and direct.value.login is not None
    is_done = is_done or _has_judged(probe, engine.for_rds_engine(database.instance.engine))
    user, name = parameters.value("username"), parameters.value("database")
    if is_done or target.via in ("none", "local") or not (user and name):
        return TunnelLogin(None)
    if not credential.password.reveal():
        return TunnelLogin(None)
    notices: list[str] = []
    local = _LocalLogin(ssm, messages, connect, ec2, target, app, host, database, probe)
    login = local.log_in(user, name, credential.password, notices.append)
    return TunnelLogin(login, tuple(notices))


def _has_judged(probe: Fact[InstanceProbe], database_engine: Engine) -> bool:
    """Whether the instance's own login tells about the credential or the network path."""
    attempt = probe.value.attempt if isinstance(probe, Known) else None
    if attempt is None:
        return False
    failure = database_engine.classify(attempt.message, attempt.code)
    return attempt.succeeded or failure not in UNVERIFIED


def read(
    database: Database,
    parameters: Fact[StoredCredential],
    probe: Fact[InstanceProbe],
    direct: Fact[DirectLogin],
    tunnel: Fact[TunnelLogin],
) -> LoginAttemptResult:
    """Select the direct login, else that through the instance, else the instance's own.

    A login that ended before the password, because the server was not verified, is selected only if
    there is no other.
    """
    from_here = [f.value.login for f in (direct, tunnel) if isinstance(f, Known) and f.value.login]
    database_engine = engine.for_rds_engine(database.instance.engine)
    judged = [login for login in from_here if login.failure not in UNVERIFIED]
    if judged or (from_here and not _has_judged(probe, database_engine)):
        return (judged or from_here)[0]
    if isinstance(probe, Unknown):
        raise FactUnavailable(
            f"no login was tried: {probe.reason}", *probe.missing, waits_for=probe.waits_for
        )
    attempt = probe.value.attempt
    if attempt is None:
        why = (
            probe.value.why_not("login parameters", "login")
            or f"{probe.value.workload_noun} did not try"
        )
        is_unread = any(not read.fingerprint for read in probe.value.reads)
        raise FactUnavailable(
            f"no login was tried: {why}",
            f"a login from {probe.value.workload_noun}",
            waits_for=(SymptomKind.CREDENTIAL_UNREADABLE,) if is_unread else (),
        )
    failure = None if attempt.succeeded else database_engine.classify(attempt.message, attempt.code)
    user = parameters.value.value("username") if isinstance(parameters, Known) else None
    return LoginAttemptResult(
        attempt.succeeded,
        failure,
        attempt.message,
        attempt.milliseconds,
        attempt.tls_version,
        probe.value.workload_noun,
        user or "the parameter's user",
    )


def _told(result: LoginResult, tried_from: str, user: str) -> LoginAttemptResult:
    """The result of a login from this machine."""
    return LoginAttemptResult(
        result.succeeded,
        result.failure,
        result.message,
        result.milliseconds,
        result.tls_version,
        tried_from,
        user,
    )


@dataclass(frozen=True, slots=True)
class ClientLogin:
    """A login by this machine's client library, with the server verified.

    Attributes:
        trust: how name and certificate were verified.
    """

    login: LoginAttemptResult
    trust: ServerTrust


def read_client(
    ssm: Ssm,
    messages: SsmMessages,
    connect: InstanceConnect,
    ec2: Ec2,
    target: Target,
    app: Workload,
    host: DatabaseHost,
    database: Database,
    parameters: StoredCredential,
    credential: Credential,
    probe: Fact[InstanceProbe],
) -> ClientLogin:
    """Log in with the engine's client library, which verifies the server: directly, else through the app."""
    user, name = parameters.value("username"), parameters.value("database")
    if not (user and name and credential.password.reveal()):
        raise FactUnavailable("there is no whole credential to log in with")
    if target.via == "none":
        raise FactUnavailable(
            "no transport was to be used (--via none)",
            f"a transport to {target.workload_kind.definite} (--via)",
        )
    local = _LocalLogin(ssm, messages, connect, ec2, target, app, host, database, probe)
    login = local.log_in(user, name, credential.password, lambda _: None)
    return ClientLogin(login, local.trust)
