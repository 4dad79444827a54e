"""The database to which the app's host name leads, by the addresses that the instance resolves.

A private DNS record has a name of its own, so the parameter's text does not tell whose database it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from opskit.config import Target
from opskit.credential_source import source_of
from opskit.endpoint import address_flaw
from opskit.facts.database import Database
from opskit.facts.dns import OperatorDns
from opskit.facts.interface import Fact, Known
from opskit.facts.probe import InstanceProbe
from opskit.facts.rds import DbInstance, DbInstances
from opskit.facts.stored_credential import StoredCredential


@dataclass(frozen=True, slots=True)
class ResolvedDatabase:
    """The database behind the app's host name.

    Attributes:
        identifier: empty where it is not known, as for a proxy or a load balancer in front of it.
        seen: the observation that shows it, as a sentence without its full stop.
        doubt: why the diagnosed database may not be the app's, as a sentence without its full stop; empty
            where the host leads to the diagnosed one, to a replica of it, or to no known database.
    """

    identifier: str
    seen: str = ""
    doubt: str = ""


def analyze(
    target: Target,
    parameters: StoredCredential,
    database: Database,
    instances: DbInstances,
    dns: Fact[OperatorDns],
    probe: Fact[InstanceProbe],
) -> ResolvedDatabase:
    """Compare the host's addresses and aliases with those of the databases."""
    own, name = database.instance, parameters.host
    if name is None or address_flaw(name):
        return ResolvedDatabase("")
    places = [(own, database.host), *((i, i.host) for i in instances.all)]
    for instance, seen in _leads_to(name, places, dns, probe):
        if _is_same(instance, own):
            return ResolvedDatabase(own.identifier, seen)
        endpoint = source_of(target).location("endpoint").name
        doubt = f"{endpoint} leads to {instance.identifier} and not to {own.identifier}: {seen}"
        return ResolvedDatabase(instance.identifier, seen, doubt)
    return ResolvedDatabase("")


def _leads_to(
    name: str,
    places: list[tuple[DbInstance, str | None]],
    dns: Fact[OperatorDns],
    probe: Fact[InstanceProbe],
) -> Iterator[tuple[DbInstance, str]]:
    """The databases at the host, each with the observation; the instance's own resolver counts first."""
    known = [(instance, host.lower()) for instance, host in places if host]
    yield from (
        (i, f"it is the endpoint of {i.identifier}") for i, host in known if host == name.lower()
    )
    if isinstance(probe, Known):
        here = set(probe.value.addresses_of(name)) or {name}
        for instance, host in known:
            both = sorted(here.intersection(probe.value.addresses_of(host)))
            if both:
                where = f"on {probe.value.workload_noun}"
                yield instance, f"{where} {name} and {host} are both at {both[0]}"
    if isinstance(dns, Known) and dns.value.name == name:
        aliases = {alias.lower() for alias in dns.value.chain}
        for instance, host in known:
            if host in aliases:
                yield instance, f"{name} is an alias of {host} for your resolver"


def _is_same(instance: DbInstance, own: DbInstance) -> bool:
    """Whether an instance is the diagnosed one, of its cluster, or a replica of it."""
    in_cluster = instance.cluster_id is not None and instance.cluster_id == own.cluster_id
    replicated = own.identifier == instance.replica_of or instance.identifier == own.replica_of
    return instance.identifier == own.identifier or in_cluster or replicated
