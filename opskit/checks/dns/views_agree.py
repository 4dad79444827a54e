"""The instance and you get the same address for the database.

Means: what you try from here says nothing about the app; a cache, a private zone or a stale hosts
file may be in between.
Found by: resolving the same name here and on the instance.
Looks alike: a failover between the two look-ups; run it again.
Fix: none by itself; judge by the instance's view.
Not the fix: an entry in /etc/hosts on either side.
"""

from __future__ import annotations

from opskit.checks.fix import Advice
from opskit.checks.interface import Finding, observed, passed, skipped, warned
from opskit.facts.dns import Host, OperatorDns
from opskit.facts.probe import InstanceProbe


def check(host: Host, dns: OperatorDns, probe: InstanceProbe) -> Finding:
    """Compare the two answers."""
    if host.is_address:
        return skipped("the endpoint parameter holds an address")
    there = probe.addresses_of(host.name)
    if set(there) == set(dns.addresses):
        return passed("your resolver and the instance's agree")
    mine = ", ".join(dns.addresses) or dns.rcode
    theirs = ", ".join(there) or "nothing"
    return warned(
        f"{host.name} is {theirs} on the instance, but {mine} for your resolver",
        observed(f"your resolvers: {', '.join(dns.servers)}"),
        fix=Advice(
            "Judge by the instance's answer. To resolve as it does, use a resolver of the VPC's "
            "(--dns-server), or run the command there: opskit run."
        ),
    )
