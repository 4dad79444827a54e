"""The role may log in and the database exists.

Means: the password is right, but the server refuses for another reason.
Found by: the server's answer after the password was accepted: 3D000, 42501, 28000.
Looks alike: a wrong password hides a missing database.
Fix: the right name in the parameter, or the missing right in the database.
Not the fix: a new password.
"""

from __future__ import annotations

from opskit.checks.interface import Finding, failed, observed, passed
from opskit.engine.interface import LoginFailure
from opskit.facts.login import Login

explains = ("app",)

REASONS = (LoginFailure.DATABASE_MISSING, LoginFailure.ROLE_REFUSED)


def check(login: Login) -> Finding:
    """Judge the login's failure."""
    if login.failure not in REASONS:
        return passed("role and database were not refused")
    return failed(
        f"the server lets {login.user} not in: {login.message}",
        observed(f"a login from {login.tried_from}"),
    )
