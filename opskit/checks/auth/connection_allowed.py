"""The database admits this address, user and database name.

Means: no pg_hba entry matches although TLS is used; on RDS that happens to odd roles and databases only.
Found by: the server's first answer over TLS, before any password is sent.
Looks alike: a client without TLS (TLS001): its message ends in `no encryption`.
Fix: the right user or database name in the parameters.
Not the fix: forced TLS switched off.
"""

from __future__ import annotations

from opskit.checks.fix import Advice
from opskit.checks.interface import Finding, failed, observed, passed, undecided
from opskit.facts.database_engine import DatabaseEngine
from opskit.facts.probe import InstanceProbe

explains = ("AUT001", "AUT002", "AUT003", "app")


def check(probe: InstanceProbe, database_engine: DatabaseEngine) -> Finding:
    """Judge the server's answer over TLS."""
    answer = probe.greeting.with_tls
    if answer is None:
        return undecided(
            "the server gave no answer over TLS", f"a TLS handshake on {probe.workload_noun}"
        )
    if answer.allows_authentication:
        return passed(f"the server asks for a password ({answer.method})")
    if answer.allows_authentication is None:
        return undecided(
            f"the server did not get as far as the client: {answer.message or answer.code}",
            "an answer to a login",
        )
    return failed(
        f"the server turns the app away before any password: {answer.message}",
        observed(f"its first answer over TLS, seen from {probe.workload_noun}"),
        fix=Advice(database_engine.engine.advice.not_admitted()),
    )
