"""PostgreSQL's logins and passwords, through libpq.

Source: PostgreSQL documentation: ALTER ROLE, PQencryptPasswordConn, explicit locking, client
connection defaults; RDS user guide: restricting password management, IAM database authentication.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from opskit.engine.interface import ChangeResult, RoleFacts, Server
from opskit.errors import Incomplete
from opskit.secret import Secret

if TYPE_CHECKING:
    import psycopg

ABOUT_THE_ROLE = """
with special as (
  select m.rolname from pg_roles m
  where m.rolname in ('rds_iam', 'rds_password') and pg_has_role(current_user, m.oid, 'member'))
select coalesce(r.rolvaliduntil::text, ''), r.rolconnlimit, pg_is_in_recovery(),
  coalesce(current_setting('rds.restrict_password_commands', true), 'off') in ('on', '1'),
  exists (select from special where rolname = 'rds_iam'),
  exists (select from special where rolname = 'rds_password'),
  exists (select from pg_roles where rolname = %(other)s),
  (select count(*) from pg_stat_activity where usename = %(other)s),
  coalesce((select array_agg(c) from unnest(coalesce(r.rolconfig, '{}')) c
    where c <> all (coalesce((select rolconfig from pg_roles where rolname = %(other)s), '{}'))), '{}')
from pg_roles r where r.rolname = current_user
"""
FINAL = ("0A", "22", "23", "28", "42")
"""Classes of SQLSTATEs after which another try makes no sense: not supported, bad data, not admitted,
not permitted. All others come from waiting, from load, or from a server that stops."""


def connect(
    server: Server, user: str, password: Secret, timeout_s: float
) -> psycopg.Connection[tuple[Any, ...]]:
    """Log in with TLS: `verify-full` with a CA file, else `require`; the password is never sent as
    it stands.

    Raises:
        psycopg.Error: it carries the connection's settings; only its text may go on.
    """
    import psycopg

    # Older libraries do not know the option, and new ones would otherwise answer whoever asks.
    never_plain: Any = {"require_auth": "!password"} if psycopg.pq.version() >= 160000 else {}
    return psycopg.connect(
        host=server.host,
        hostaddr=server.address,
        port=server.port,
        user=user,
        password=password.reveal(),
        dbname=server.database,
        sslmode="verify-full" if server.ca_file else "require",
        sslrootcert=server.ca_file or "",
        connect_timeout=max(2, int(timeout_s)),
        passfile="/dev/null",
        application_name="opskit",
        **never_plain,
    )


def role_facts(
    server: Server, user: str, password: Secret, other: str, *, timeout_s: float
) -> RoleFacts:
    """Ask the catalogue as the role itself."""
    import psycopg

    try:
        with connect(server, user, password, timeout_s) as connection:
            row = connection.execute(ABOUT_THE_ROLE, {"other": other}).fetchone()
    except psycopg.Error as error:
        raise Incomplete(f"the role {user} could not be asked: {first_line(str(error))}") from None
    assert row is not None  # noqa: S101  everybody has a row of their own
    until, limit, replica, restricts, iam, member, exists, sessions, differs = row
    return RoleFacts(
        uses_iam=iam,
        valid_until="" if until == "infinity" else until,
        connection_limit=limit,
        restricts=restricts,
        may_change_own=member or not restricts,
        is_replica=replica,
        other_exists=exists,
        other_sessions=sessions,
        other_differs=tuple(differs),
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
    """One transaction: take the lock, ask whether it is still wanted, change, commit."""
    import psycopg
    from psycopg import sql

    is_committing = False
    try:
        with connect(server, user, password, limit_s) as connection:
            for setting in ("lock", "statement", "idle_in_transaction_session"):
                limit = f"{1000 * limit_s:.0f}ms"
                connection.execute(
                    "select set_config(%s, %s, false)", (f"{setting}_timeout", limit)
                )
            connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (lock,))
            if not still_wanted():
                connection.rollback()
                return ChangeResult(False, message="it is not wanted any more")
            # A verifier: the server's log, its statistics and other sessions see nothing to log in by.
            verifier = connection.pgconn.encrypt_password(
                new.reveal().encode(), role.encode(), b"scram-sha-256"
            ).decode()
            named, value = sql.Identifier(role), sql.Literal(verifier)
            found = connection.execute("select from pg_roles where rolname = %s", (role,))
            if member_of is not None and found.fetchone() is None:
                create = sql.SQL("create role {} login in role {} password {}")
                connection.execute(create.format(named, sql.Identifier(member_of), value))
            else:
                connection.execute(sql.SQL("alter role {} password {}").format(named, value))
            is_committing = True
            connection.commit()
    except psycopg.Error as error:
        message, state = first_line(str(error)), error.sqlstate or ""
        if is_committing:
            return ChangeResult(None, message=message)
        # Without a state nothing was answered: the connection was not made, or was lost before.
        return ChangeResult(False, state.startswith(FINAL), message)
    return ChangeResult(True)


def first_line(text: str) -> str:
    """The first line of a driver's message without what libpq puts before it."""
    line = text.strip().split("\n", 1)[0]
    return re.sub(r"^(connection failed: )?connection to server at .*? failed: ", "", line).strip()
