"""The endpoint parameter names the database's present endpoint.

Means: the app connects to a name that no longer exists, belongs to another database, or is only the
beginning of the endpoint, such as the identifier.
Found by: comparing the parameter, with its CNAMEs resolved, with the endpoint that RDS reports.
Looks alike: a name that does not resolve (DNS001): there the parameter and RDS agree. The name of an
RDS Proxy, a load balancer or your own DNS record is not stale.
Fix: write the present endpoint into the parameter and restart the app.
Not the fix: an entry in /etc/hosts, or a CNAME under the old name: TLS names would not match.
"""

from __future__ import annotations

import re

from opskit.checks.interface import (
    Finding,
    derived,
    failed,
    observed,
    passed,
    reported,
    skipped,
    undecided,
)
from opskit.checks.parameter_value_fixes import put_and_restart
from opskit.checks.parameters.unread import parameter_was_read, unread
from opskit.checks.resolved_database import ResolvedDatabase
from opskit.checks.seen import one_of
from opskit.config import Target
from opskit.credential_source import source_of
from opskit.endpoint import address_flaw, is_address
from opskit.facts.database import Database
from opskit.facts.dns import OperatorDns
from opskit.facts.interface import Fact, Known
from opskit.facts.login import LoginAttemptResult
from opskit.facts.probe import InstanceProbe
from opskit.facts.stored_credential import StoredCredential
from opskit.probe.response import NO_NAME
from opskit.symptom import NO_LOGIN, SymptomKind, place
from opskit.workload.interface import Workload

leads_to = (*NO_LOGIN, SymptomKind.SETTINGS_DIFFER)

RDS_SUFFIXES = (".rds.amazonaws.com", ".rds.amazonaws.com.cn")
RDS_INSTANCE_NAME = re.compile(
    r"[a-z][a-z0-9-]*\.[a-z0-9]+\.[a-z0-9-]+\.rds\.amazonaws\.com(\.cn)?"
)
"""`ID.HASH.REGION.rds.amazonaws.com`; in a cluster's and a proxy's name the second part begins with
`cluster-` or `proxy-` (RDS User Guide, connecting)."""
passes_on = one_of(parameter_was_read("endpoint"))


def check(
    target: Target,
    parameters: StoredCredential,
    database: Database,
    resolved: ResolvedDatabase,
    dns: Fact[OperatorDns],
    login: Fact[LoginAttemptResult],
    app: Fact[Workload],
    probe: Fact[InstanceProbe],
) -> Finding:
    """Compare the two names."""
    endpoint, host = parameters.get("endpoint"), parameters.host
    if endpoint is None:
        return unread(source_of(target), parameters, "endpoint")
    if host is None:
        return skipped(f"{endpoint.name} names no host")
    if is_address(host):
        return skipped("the endpoint parameter holds an address")
    if database.host is None:
        return skipped(f"{database.instance.identifier} has no endpoint yet")
    if host == database.host.lower():
        return passed(f"{endpoint.name} agrees with {database.instance.identifier}")
    if address_flaw(host):
        return skipped(f"{endpoint.name} holds {host}, which is {address_flaw(host)}")
    if isinstance(dns, Known) and database.host.lower() in (n.lower() for n in dns.value.chain):
        return passed(f"{endpoint.name} is an alias of {database.host}")
    if resolved.identifier == database.instance.identifier:
        return passed(f"{endpoint.name} leads to {resolved.identifier}", observed(resolved.seen))
    if resolved.doubt:
        return skipped("the database that it leads to is judged under another code")
    is_cut = _is_beginning(host, database.host, probe)
    standing = _stands_elsewhere(host, database, parameters, login, probe)
    if standing is not None and not is_cut:
        return standing
    change = (endpoint, database.host)
    name = database.instance.identifier
    text = f"{endpoint.name} says {host}, but {name} is at {database.host}"
    if is_cut:
        what = f"the identifier of {name}" if host == name else "the beginning of its name"
        text = f"{endpoint.name} says {host}, which is {what} and no host: {name} is at {database.host}"
    return failed(
        text,
        reported(f"RDS says that {database.instance.identifier} is at {database.host}"),
        derived(
            f"{database.instance.identifier} is taken to be meant because {database.selection_reason}"
        ),
        fix=put_and_restart(
            source_of(target), parameters, change, app, probe, "writes the present endpoint"
        ),
        place=place(hosts=[host], parameters=["endpoint"]),
    )


def _is_beginning(host: str, whole: str, probe: Fact[InstanceProbe]) -> bool:
    """Whether a host is the identifier in front of the database's name, and resolves nowhere."""
    seen = probe.value.resolution(host) if isinstance(probe, Known) else None
    resolves_not = seen is not None and not seen.addresses and seen.error == NO_NAME
    return whole.lower().startswith(f"{host}.") and resolves_not


def _stands_elsewhere(
    host: str,
    database: Database,
    parameters: StoredCredential,
    login: Fact[LoginAttemptResult],
    probe: Fact[InstanceProbe],
) -> Finding | None:
    """The finding for a name that is not stale although RDS does not list it; None for a stale name.

    An RDS Proxy, a load balancer, PrivateLink or the user's own DNS record in front of a database has its
    own name. Only a name that RDS gives to instances, and that does not answer, is stale.
    """
    name = database.instance.identifier
    if isinstance(login, Known) and login.value.succeeded:
        return passed(
            f"{host} is another name for the database: a login as {login.value.user} succeeds there",
            observed(f"a login from {login.value.tried_from}"),
        )
    if not RDS_INSTANCE_NAME.fullmatch(host):
        kind = (
            "an RDS Proxy or cluster name"
            if host.endswith(RDS_SUFFIXES)
            else "not a name that RDS gives"
        )
        return undecided(
            f"{host} is {kind}; whether it leads to {name} is not judged",
            "a login that succeeds there",
        )
    if isinstance(probe, Known):
        connection = probe.value.connection(host, parameters.port or database.port)
        if connection is not None and connection.is_connected:
            return undecided(
                f"{host} answers on {probe.value.workload_noun} although RDS does not list it",
                "a login that succeeds there",
            )
    return None
