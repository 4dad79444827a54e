"""Advice in PostgreSQL's own words: its catalogs, its `psql`, its statements, and RDS's special roles.

Source: PostgreSQL documentation, ALTER ROLE, GRANT, CREATE DATABASE, the cumulative statistics system;
RDS user guide, IAM database authentication.
"""

from __future__ import annotations

from opskit.engine.postgresql.quoting import quoted


class PostgreSqlAdvice:
    """Implements `opskit.engine.advice.EngineAdvice`."""

    iam_login = "logs in with IAM's tokens (rds_iam)"
    iam_revocation = "an administrator can revoke rds_iam"

    password_expiry = "VALID UNTIL"
    session_list = "pg_stat_activity names the clients"
    change_restriction = (
        "lets only members of rds_password change passwords (rds.restrict_password_commands)"
    )

    def change_permission(self, user: str) -> str:
        """GRANT rds_password."""
        return f"as an administrator: grant rds_password to {quoted(user)}"

    def iam_auth(self, user: str) -> str:
        """RDS lets members of `rds_iam` log in by token only."""
        return (
            f"{user} is a member of rds_iam and logs in with IAM's tokens (aws rds "
            "generate-db-auth-token); an administrator can revoke rds_iam from it, and then its password "
            "counts again."
        )

    def not_admitted(self) -> str:
        """RDS writes `pg_hba.conf`, so the user or the database has a name that it does not admit."""
        return (
            "RDS writes pg_hba.conf itself and admits every address over TLS, so the user or the database "
            "name that the message shows is an odd one: compare both with the parameters of the user and "
            "the database, and write the right one there. `replication` and `rdsadmin` are names that RDS "
            "keeps for itself."
        )

    def slots(self) -> str:
        """`pg_stat_activity` shows the sessions that hold the slots."""
        return (
            "Some slots are kept for the master user: connect as it. In psql: select usename, "
            "application_name, client_addr, state, count(*) from pg_stat_activity group by 1, 2, 3, 4 order "
            "by 5 desc; shows who holds the slots. Make the pool of the largest smaller (all pools together "
            "below max_connections), or end its idle sessions: select pg_terminate_backend(pid) from "
            "pg_stat_activity where state = 'idle' and application_name = '...';"
        )

    def role_refused(self, user: str) -> str:
        """ALTER ROLE ... LOGIN."""
        return f"As an administrator of the database, in psql: alter role {quoted(user)} login;"

    def database_denied(self, user: str, database: str) -> str:
        """GRANT CONNECT."""
        grant = f"grant connect on database {quoted(database)} to {quoted(user)};"
        return f"As the database's owner or an administrator, in psql: {grant}"

    def database_missing(self, user: str, database: str | None) -> str:
        """CREATE DATABASE, if it is not a wrong name."""
        return (
            "As an administrator of the database, `psql -d postgres -l` lists the databases that exist. If "
            "one of them is meant, the parameter of the database's name is wrong; if the app's database was "
            f"never created or was dropped: create database {quoted(database or 'NAME')} owner "
            f"{quoted(user)}; (a dropped one comes back from a snapshot only)."
        )

    def set_password(self, user: str, password: str) -> str:
        r"""`\du` shows the role, `\password` sets its password without sending it in clear text."""
        role = quoted(user)
        return (
            f"an administrator of the database looks, in psql: \\du {role} shows the role, which may not "
            "exist, may not be allowed to log in, may be a member of rds_iam, or may have a password that "
            f"was valid until a date in the past; \\password {role} sets {password}."
        )
