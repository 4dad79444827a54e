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
from opskit.facts.probe import InstanceProbe

explains = ("AUT001", "AUT002", "AUT003", "app")
WHICH_NAME = Advice(
    "RDS writes pg_hba.conf itself and admits every address over TLS, so the user or the database name "
    "that the message shows is an odd one: compare both with the parameters of the user and the database, "
    "and write the right one there. `replication` and `rdsadmin` are names that RDS keeps for itself."
)


def check(probe: InstanceProbe) -> Finding:
    """Judge the server's answer over TLS."""
    answer = probe.greeting.with_tls
    if answer is None:
        return undecided(
            "the server gave no answer over TLS", f"a TLS handshake on {probe.workload_noun}"
        )
    if answer.allows_authentication or not answer.sqlstate.startswith("28"):
        return passed(f"the server asks for a password ({answer.method or answer.sqlstate})")
    return failed(
        f"the server turns the app away before any password: {answer.message}",
        observed(f"its first answer over TLS, seen from {probe.workload_noun}"),
        fix=WHICH_NAME,
    )
