"""The database has connection slots free and is ready.

Means: the server is up but takes nobody, or not yet.
Found by: the login's answer: 53300, 57P03. The password-less probe does not see used-up slots.
Looks alike: an app whose own pool is exhausted: there the server has slots free.
Fix: end idle sessions, make pools smaller; wait while it starts.
Not the fix: restarting the app in a loop, which takes more slots.
"""

from __future__ import annotations

from opskit.checks.interface import Finding, failed, observed, passed
from opskit.engine.interface import LoginFailure
from opskit.facts.login import Login

explains = ("app",)


def check(login: Login) -> Finding:
    """Judge the login's failure."""
    if login.failure in (LoginFailure.SLOTS, LoginFailure.NOT_READY):
        return failed(
            f"the server takes no connection: {login.message}",
            observed(f"a login from {login.tried_from}"),
        )
    return passed("a connection slot was free")
