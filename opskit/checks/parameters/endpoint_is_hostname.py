"""The endpoint parameter holds a name, not an address.

Means: RDS changes the address at every failover and maintenance; a fixed one works until then. An RDS
database never has a loopback or link-local address, so opskit does not connect to one.
Found by: the parameter's value, and the addresses to which the database's name resolves today.
Looks alike: a security group that drops: both end in a time-out.
Fix: write the endpoint's name and restart the app.
Not the fix: today's address.
"""

from __future__ import annotations

from opskit.checks.fix import Advice
from opskit.checks.interface import (
    Finding,
    failed,
    observed,
    passed,
    reported,
    skipped,
    warned,
)
from opskit.checks.parameter_value_fixes import put_and_restart
from opskit.checks.parameters.unread import parameter_was_read, unread
from opskit.checks.seen import one_of
from opskit.config import Target
from opskit.credential_source import source_of
from opskit.endpoint import address_flaw, is_address
from opskit.facts.database import Database
from opskit.facts.interface import Fact, Known
from opskit.facts.probe import InstanceProbe
from opskit.facts.stored_credential import StoredCredential
from opskit.symptom import NO_LOGIN_THERE, SymptomKind, place
from opskit.workload.interface import Workload

passes_on = one_of(parameter_was_read("endpoint"))
leads_to = (*NO_LOGIN_THERE, SymptomKind.SETTINGS_DIFFER)


def check(
    target: Target,
    parameters: StoredCredential,
    database: Database,
    app: Fact[Workload],
    probe: Fact[InstanceProbe],
) -> Finding:
    """Judge the address by whether it is still the database's."""
    endpoint, host = parameters.get("endpoint"), parameters.host
    if endpoint is None:
        return unread(source_of(target), parameters, "endpoint")
    if host is None:
        return skipped(f"{endpoint.name} names no host")
    flaw = None if database.host and host == database.host.lower() else address_flaw(host)
    if not (flaw or is_address(host)):
        return passed(f"{endpoint.name} holds a name")
    if database.host is None:
        return skipped(f"{database.instance.identifier} has no endpoint yet")
    today = probe.value.addresses_of(database.host) if isinstance(probe, Known) else ()
    change = (endpoint, database.host)
    fix = put_and_restart(source_of(target), parameters, change, app, probe, "writes the name")
    identifier = database.instance.identifier
    where = place(hosts=[host], parameters=["endpoint"])
    if flaw:
        return failed(
            f"{endpoint.name} holds {host}, {flaw}; {identifier} is at {database.host}",
            reported(f"RDS says that {identifier} is at {database.host}"),
            fix=fix,
            place=where,
        )
    if not today or host in today:
        return warned(
            f"{endpoint.name} holds the address {host}, which a failover or a maintenance can change",
            fix=fix,
        )
    others = ", ".join(today)
    seen = observed(f"on {target.workload_kind.definite} {database.host} resolves to {others}")
    if _answers(host, parameters.port or database.port, probe):
        return warned(
            f"{endpoint.name} holds the address {host}, which answers but is not {identifier}'s: that is "
            f"{others}",
            seen,
            fix=Advice(
                "It may be a load balancer's: give that a name, and write the name into the parameter. "
                f"If nothing stands before {identifier}, write {database.host} instead."
            ),
        )
    return failed(
        f"{endpoint.name} holds the address {host}, which is not {identifier}'s: that is {others}",
        seen,
        fix=fix,
        place=where,
    )


def _answers(host: str, port: int, probe: Fact[InstanceProbe]) -> bool:
    """Whether the instance connected to the address that the parameter holds."""
    connection = probe.value.connection(host, port) if isinstance(probe, Known) else None
    return connection is not None and connection.is_connected
