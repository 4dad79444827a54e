"""The database has connection slots free and is ready.

Means: the server is up but accepts no new connections, or not yet.
Found by: the login's answer: 53300, 57P03. The password-less probe does not see exhausted slots.
Looks alike: an app whose own pool is exhausted: there the server has free slots.
Fix: end idle sessions, make pools smaller; wait while it starts.
Not the fix: restarting the app in a loop, which takes more slots.
"""

from __future__ import annotations

from opskit.checks.fix import Advice
from opskit.checks.interface import Finding, failed, observed, passed
from opskit.engine.interface import LoginFailure
from opskit.facts.login import LoginAttemptResult

explains = ("app",)
REMEDIES = {
    LoginFailure.SLOTS: Advice(
        "The master user can still connect, in slots that are kept for it. In psql: select usename, "
        "application_name, client_addr, state, count(*) from pg_stat_activity group by 1, 2, 3, 4 order by "
        "5 desc; shows who holds them. Make the pool of the largest smaller (all pools together below "
        "max_connections), or end its idle sessions: select pg_terminate_backend(pid) from "
        "pg_stat_activity where state = 'idle' and application_name = '...';"
    ),
    LoginFailure.NOT_READY: Advice(
        "The server is starting, stopping or recovering: wait a minute, then diagnose again. If it stays "
        "so, RDS's events say why: aws rds describe-events --source-type db-instance --duration 60."
    ),
}


def check(login: LoginAttemptResult) -> Finding:
    """Judge the login's failure."""
    remedy = REMEDIES.get(login.failure) if login.failure else None
    if remedy is None:
        return passed("a connection slot was free")
    return failed(
        f"the server takes no connection: {login.message}",
        observed(f"a login from {login.tried_from}"),
        fix=remedy,
    )
