"""The database's port answers the instance.

Means: packets or replies are dropped on the way: AWS drops in silence.
Found by: a connection from the instance, with a limit of three seconds, in which Linux has sent its
first packet twice.
Looks alike: nothing listening is refused at once (TCP002), which proves that the way is open.
Fix: see the network checks; if they all pass, look at the instance's own firewall.
Not the fix: a longer time-out in the app.
"""

from __future__ import annotations

from opskit.checks.interface import Finding, failed, observed, passed, skipped, undecided
from opskit.facts.dns import Host
from opskit.facts.interface import Fact, Unknown
from opskit.facts.probe import InstanceProbe

explains = ("tls", "auth", "app")
is_essential = True


def check(host: Host, probe: Fact[InstanceProbe]) -> Finding:
    """Judge the connection to the host that the app is told."""
    if isinstance(probe, Unknown):
        return undecided(f"not tried from the instance: {probe.reason}", *probe.missing)
    found = probe.value.connection(host.port)
    if found is None or found.outcome == "unresolved":
        why = probe.value.why_not("tcp") or "the name was not resolved there"
        return undecided(f"no connection was tried: {why}", "an address on the instance")
    if found.is_connected:
        took = f" in {max(1, found.milliseconds):.0f} ms" if found.milliseconds is not None else ""
        return passed(
            f"{found.address or host.name}:{found.port} accepts the instance{took}",
            observed(f"from {found.local_address or 'the instance'}"),
        )
    if found.outcome == "refused":
        return skipped(f"{found.address}:{found.port} refused, which is an answer")
    return failed(
        f"{found.words}",
        observed("tried on the instance; a drop by a security group, an ACL or a route looks so"),
    )
