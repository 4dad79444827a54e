"""PostgreSQL logins, role facts and password changes, through libpq.

Source: PostgreSQL documentation: ALTER ROLE, PQencryptPasswordConn, explicit locking, client
connection defaults, `require_auth` and `channel_binding`; RDS user guide: restricting password
management, IAM database authentication.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from opskit.engine.interface import ChangeResult, RoleFacts, Server, ServerTrust
from opskit.engine.postgresql.ownership import Ownership, ownership_warnings
from opskit.errors import CannotProceed
from opskit.secret import Secret

if TYPE_CHECKING:
    import psycopg

ABOUT_THE_ROLE = """
with special as (
  select m.rolname from pg_roles m
  where m.rolname in ('rds_iam', 'rds_password') and pg_has_role(session_user, m.oid, 'member')),
about as (
  select r.rolname, coalesce(r.rolconfig, '{}') as config,
    coalesce((select split_part(c, '=', 2) from unnest(r.rolconfig) c where c like 'role=%%'), '') as acts_as,
    (select count(*) from pg_shdepend d
      where d.refclassid = 'pg_authid'::regclass and d.refobjid = r.oid and d.deptype = 'o') as owns,
    exists (select from pg_default_acl a where a.defaclrole = r.oid) as defaults
  from pg_roles r where r.rolname in (session_user, %(other)s)),
other as (select * from about where rolname = %(other)s)
select coalesce(r.rolvaliduntil::text, ''), r.rolconnlimit, pg_is_in_recovery(),
  coalesce(current_setting('rds.restrict_password_commands', true), 'off') in ('on', '1'),
  exists (select from special where rolname = 'rds_iam'),
  exists (select from special where rolname = 'rds_password'),
  exists (select from other),
  (select count(*) from pg_stat_activity where usename = %(other)s),
  coalesce((select array_agg(c) from unnest(own.config) c where c not like 'role=%%'
    and c <> all (coalesce((select config from other), '{}'))), '{}'),
  own.acts_as, own.owns, own.defaults,
  coalesce((select acts_as from other), ''), coalesce((select owns from other), 0)
from pg_roles r join about own on own.rolname = r.rolname where r.rolname = session_user
"""
DEMANDS_METHODS = 160000
"""The first libpq version that can reject a requested method (`require_auth`)."""
FLAW_S = 3.0
EXPIRED, NAME_DIFFERS = (9, 10), 62
"""OpenSSL's error codes: not yet valid or expired; host name mismatch."""
SCRAM, MD5, CLEAR_TEXT = "scram-sha-256", "md5", "password"
WRONG_NAME = "does not match host name"
WAITS = 3
"""How often a change may wait for its limit: for the lock, for the confirmation that it is still wanted,
and for the statement."""
FINAL = ("0A", "22", "23", "28", "42")
"""Classes of SQLSTATEs after which a retry is pointless: not supported, bad data, constraint violation,
invalid authorization, not permitted. All others come from waiting, from load, or from a server that stops."""


@contextlib.contextmanager
def connected(
    server: Server, user: str, password: Secret, *, timeout_s: float, limit_s: float
) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A login with TLS and one transaction, with the methods that the server's trust allows.

    Args:
        timeout_s: for the login.
        limit_s: for all that follows. A network path that drops the reply would otherwise block for ever:
            the server's own time-outs end its work, but not this client's wait.

    Raises:
        psycopg.Error: it holds the connection's settings; pass on only its text.
    """
    import psycopg

    connection = _connect(server, user, password, timeout_s)
    with _Limit(connection.pgconn.socket, limit_s) as limit:
        try:
            with connection:
                yield connection
        except psycopg.OperationalError:
            if limit.is_over:
                raise psycopg.OperationalError(f"timeout expired: {limit_s:.0f} s") from None
            raise


class _Limit:
    """Shuts a connection's socket down at the time limit, which wakes the thread that waits for it."""

    def __init__(self, descriptor: int, limit_s: float) -> None:
        # A duplicate descriptor: the driver's may be reused for another connection by then.
        self._socket = socket.socket(fileno=os.dup(descriptor))
        self.is_over = False
        self._timer = threading.Timer(limit_s, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> _Limit:
        """Start the timer."""
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the timer."""
        self._timer.cancel()
        self._timer.join()
        self._socket.close()

    def _cut(self) -> None:
        self.is_over = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


def allowed_methods(*, is_verified: bool, is_token: bool = False) -> tuple[str, ...]:
    """The allowed authentication methods; `none` is never among them.

    Over an unverified connection only SCRAM, since an MD5 hash allows a search for the password. Over a
    verified one MD5 too, and for an IAM token clear text only, as RDS asks for it.
    """
    if not is_verified:
        return (SCRAM,)
    return (SCRAM, MD5, CLEAR_TEXT) if is_token else (SCRAM, MD5)


def security_options(trust: ServerTrust, version: int) -> dict[str, str]:
    """Libpq's options that make a login as safe as the server's trust requires.

    An unverified server has to bind SCRAM to the TLS connection. That proves that it holds the password's
    verifier itself, and does not relay the login to another server.

    Args:
        version: of libpq.

    Raises:
        psycopg.OperationalError: this libpq would answer any request of an unverified server.
    """
    import psycopg

    methods = ",".join(allowed_methods(is_verified=trust.ca_file is not None))
    if trust.ca_file:
        options = {"sslmode": "verify-full", "sslrootcert": trust.ca_file}
    elif version < DEMANDS_METHODS:
        raise psycopg.OperationalError(
            f"no login was tried: the server is {trust.words}, and libpq {version // 10000} cannot refuse "
            "weak authentication (16 can); --ca-file FILE verifies it"
        )
    else:
        # The empty value overrides PGSSLROOTCERT, which would verify the CA without the name.
        options = {"sslmode": "require", "sslrootcert": "", "channel_binding": "require"}
    if version >= DEMANDS_METHODS:
        options["require_auth"] = methods
    return options


def _connect(
    server: Server, user: str, password: Secret, timeout_s: float
) -> psycopg.Connection[tuple[Any, ...]]:
    import psycopg

    options: Any = security_options(server.trust, psycopg.pq.version())
    *others, last = server.trust.names
    for name in others:
        try:
            return _connect_as(name, server, user, password, timeout_s, options)
        except psycopg.OperationalError as error:
            if WRONG_NAME not in str(error):
                raise
    return _connect_as(last, server, user, password, timeout_s, options)


def _connect_as(
    name: str, server: Server, user: str, password: Secret, timeout_s: float, options: Any
) -> psycopg.Connection[tuple[Any, ...]]:
    import psycopg

    return psycopg.connect(
        host=name,
        hostaddr=server.address,
        port=server.port,
        user=user,
        password=password.reveal(),
        dbname=server.database,
        connect_timeout=max(2, int(timeout_s)),
        # With Kerberos encryption libpq would not request a certificate.
        gssencmode="disable",
        passfile="/dev/null",
        application_name="opskit",
        **options,
    )


def role_facts(
    server: Server, user: str, password: Secret, other: str, *, timeout_s: float
) -> RoleFacts:
    """Query the system catalogs as the role itself."""
    import psycopg

    try:
        with connected(
            server, user, password, timeout_s=timeout_s, limit_s=timeout_s
        ) as connection:
            row = connection.execute(ABOUT_THE_ROLE, {"other": other}).fetchone()
    except psycopg.Error as error:
        text = explain(first_line(str(error)), server)
        raise CannotProceed(f"the role {user} could not be asked: {text}") from None
    assert row is not None  # noqa: S101  every role has its own row
    until, limit, replica, restricts, iam, member, exists, sessions, differs, *rest = row
    own, others = Ownership(*rest[:3]), Ownership(*rest[3:])
    return RoleFacts(
        uses_iam=iam,
        password_expires="" if until == "infinity" else until,
        connection_limit=limit,
        may_change_own=member or not restricts,
        is_replica=replica,
        other_exists=exists,
        other_sessions=sessions,
        other_differs=tuple(differs),
        ownership_warnings=ownership_warnings(user, own, other, others) if exists else (),
    )


def change_password(
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
    """One transaction: take the lock, check that it is still wanted, change, commit."""
    import psycopg
    from psycopg import sql

    is_committing = False
    try:
        with connected(
            server, user, password, timeout_s=limit_s, limit_s=WAITS * limit_s
        ) as connection:
            # As the login role, whatever role it is set to: a role may change no password but its own.
            connection.execute("set role none")
            for setting in ("lock", "statement", "idle_in_transaction_session"):
                limit = f"{1000 * limit_s:.0f}ms"
                connection.execute(
                    "select set_config(%s, %s, false)", (f"{setting}_timeout", limit)
                )
            connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (lock,))
            if not still_wanted():
                connection.rollback()
                return ChangeResult(False, message="it is not wanted any more")
            # Only the verifier: the server's log, statistics and other sessions see no usable password.
            verifier = connection.pgconn.encrypt_password(
                new.reveal().encode(), role.encode(), b"scram-sha-256"
            ).decode()
            named, value = sql.Identifier(role), sql.Literal(verifier)
            row = connection.execute("select from pg_roles where rolname = %s", (role,))
            if member_of is not None and row.fetchone() is None:
                create = sql.SQL("create role {} login in role {} password {}")
                connection.execute(create.format(named, sql.Identifier(member_of), value))
                # Objects that the second role creates shall belong to the first.
                acts = sql.SQL("alter role {} set role = {}")
                connection.execute(acts.format(named, sql.Literal(member_of)))
            else:
                connection.execute(sql.SQL("alter role {} password {}").format(named, value))
            is_committing = True
            connection.commit()
    except psycopg.Error as error:
        message, state = explain(first_line(str(error)), server), error.sqlstate or ""
        if is_committing:
            return ChangeResult(None, message=message)
        # Without a SQLSTATE the server did not answer: the connection failed, or was lost before.
        return ChangeResult(False, state.startswith(FINAL), message)
    return ChangeResult(True)


def first_line(text: str) -> str:
    """The first line of a driver's message, without libpq's prefix."""
    line = text.strip().split("\n", 1)[0]
    return re.sub(r"^(connection failed: )?connection to server at .*? failed: ", "", line).strip()


def explain(line: str, server: Server) -> str:
    """A driver's line in plain words, where it concerns the server's identity or the requested method."""
    trust = server.trust
    refused = f"{server.host} is {trust.words} (--ca-file FILE verifies it)"
    if "requested a hashed password" in line:
        return f"the server asks for an MD5 hash of the password, which was not sent: {refused}"
    if "requested a cleartext password" in line:
        return "the server asks for the password in clear text, as for IAM's tokens (rds_iam)"
    if "did not complete authentication" in line:
        return "the server let the login in without a proof of the password; it is not believed"
    if "channel binding" in line:
        return (
            f"the server does not bind SCRAM to the connection, and nothing was proven: {refused}"
        )
    if "certificate verify failed" in line:
        return f"certificate verify failed: {certificate_flaw(server)}"
    return line


def certificate_flaw(server: Server) -> str:
    """The reason why the server's certificate is rejected: libpq has one text for all causes.

    It connects once more, with Python's library and without a login.
    """
    wire: Any = importlib.import_module("opskit.engine.postgresql.stdlib_login")
    trust = server.trust
    try:
        connection, _ = wire.open_connection(
            trust.names[-1], server.address, server.port, "verify-full", trust.ca_file, FLAW_S
        )
    except ssl.SSLCertVerificationError as error:
        if error.verify_code in EXPIRED:
            return f"it is out of date ({error.verify_message})"
        if error.verify_code == NAME_DIFFERS:
            return f"it is made for another name than {' and '.join(trust.names)}"
        return f"{trust.basis} has no authority that issued it ({error.verify_message})"
    except Exception as error:
        return f"the cause was not learnt ({type(error).__name__})"
    connection.close()
    return f"by {trust.basis}"
