"""Something listens on the database's port.

Means: the way is open both ways, since a refusal came back; but no server listens there.
Found by: a connection from the instance that is refused at once.
Looks alike: a wrong port in the parameter (PAR005), a database that restarts.
Fix: the right port, or wait until the engine is up.
Not the fix: security groups, ACLs and routes: the refusal proves that they are right.
"""

from __future__ import annotations

from opskit.checks.interface import Finding, failed, observed, passed, undecided
from opskit.facts.dns import Host
from opskit.facts.interface import Fact, Unknown
from opskit.facts.probe import InstanceProbe

explains = ("tls", "auth", "app")


def check(host: Host, probe: Fact[InstanceProbe]) -> Finding:
    """Judge the connection to the host that the app is told."""
    if isinstance(probe, Unknown):
        return undecided(f"not tried from the instance: {probe.reason}", *probe.missing)
    found = probe.value.connection(host.port)
    if found is None:
        return undecided("no connection was tried", "an address on the instance")
    if found.outcome == "refused":
        return failed(
            f"nothing listens on {found.address}:{found.port}: the connection was refused at once",
            observed(f"from {found.local_address or 'the instance'}; so the way there is open"),
        )
    if found.is_connected:
        return passed(f"a server listens on port {found.port}")
    return undecided(
        "whether a server listens cannot be seen without an answer", "an answer on the port"
    )
