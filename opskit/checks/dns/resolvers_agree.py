"""The instance and you get the same address for the database.

Means: tests from here show nothing about the app; the cause may be a cache, a private zone or a stale
hosts file.
Found by: resolving the same name here and on the instance.
Looks alike: a failover between the two look-ups; run the diagnosis again.
Fix: none needed; the instance's answer is the one that matters.
Not the fix: an entry in /etc/hosts on either side.
"""

from __future__ import annotations

from opskit.checks.fix import Advice
from opskit.checks.interface import Finding, observed, passed, skipped, undecided, warned
from opskit.checks.seen import Seen, one_of
from opskit.commands import OpskitCommand
from opskit.config import Target
from opskit.facts.dns import DatabaseHost, OperatorDns
from opskit.facts.probe import InstanceProbe

passes_on = one_of((Seen(InstanceProbe, "result.resolutions"), Seen(OperatorDns, "rcode")))


def check(target: Target, host: DatabaseHost, dns: OperatorDns, probe: InstanceProbe) -> Finding:
    """Compare the two answers."""
    if host.is_address:
        return skipped("the endpoint parameter holds an address")
    noun, seen = target.workload_kind.definite, probe.resolution(host.name)
    if seen is None:
        return undecided(f"the name was not resolved on {noun}", f"the name as {noun} sees it")
    addresses = seen.addresses
    if dns.rcode not in ("NOERROR", "NXDOMAIN"):
        why = f" ({dns.rcode})" if dns.rcode else ""
        return undecided(f"your resolver gives no answer{why}", "a resolver that answers")
    if set(addresses) == set(dns.addresses):
        return passed(f"your resolver and {noun}'s agree")
    mine = ", ".join(dns.addresses) or dns.rcode
    theirs = ", ".join(addresses) or "nothing"
    return warned(
        f"{host.name} is {theirs} on {noun}, but {mine} for your resolver",
        observed(f"your resolvers: {', '.join(dns.servers)}"),
        fix=Advice(
            f"Nothing has to be changed for the app: {noun}'s answer counts. To connect from here, go "
            f"through {noun} by a tunnel, or let a resolver of the VPC answer for this name.",
            (OpskitCommand(("tunnel",)),),
        ),
    )
