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
from opskit.facts.database_engine import DatabaseEngine
from opskit.facts.login import LoginAttemptResult

explains = ("app",)
NOT_READY = (
    "The server is starting, stopping or recovering: wait a minute, then diagnose again. If it stays so, "
    "RDS's events say why: aws rds describe-events --source-type db-instance --duration 60."
)


def check(login: LoginAttemptResult, database_engine: DatabaseEngine) -> Finding:
    """Judge the login's failure."""
    if login.failure is LoginFailure.SLOTS:
        remedy = database_engine.engine.advice.slots()
    elif login.failure is LoginFailure.NOT_READY:
        remedy = NOT_READY
    else:
        return passed("a connection slot was free")
    return failed(
        f"the server takes no connection: {login.message}",
        observed(f"a login from {login.tried_from}"),
        fix=Advice(remedy),
    )
