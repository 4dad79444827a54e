"""Something listens on the database's port.

Means: the path is open in both directions, since a refusal came back; but no server listens there.
Found by: a connection from the instance that is refused at once.
Looks alike: a wrong port in the parameter (PAR005), a database that restarts.
Fix: correct the port, or wait until the engine is up.
Not the fix: security groups, ACLs and routes: the refusal proves that they are right.
"""

from __future__ import annotations

from opskit.checks.fix import Advice
from opskit.checks.interface import Finding, failed, not_reached, observed, passed, undecided
from opskit.checks.seen import Seen, one_of
from opskit.checks.symptoms import connection_place
from opskit.checks.tcp.port_reachable import not_told
from opskit.config import Target
from opskit.facts.database import Database
from opskit.facts.dns import DatabaseHost
from opskit.facts.interface import Fact, Known, Unknown
from opskit.facts.probe import InstanceProbe
from opskit.probe.response import TcpResult
from opskit.symptom import NO_CONNECTION, SymptomKind, symptom

passes_on = one_of(
    Seen(InstanceProbe, "result.connections", lambda rows: any(c.is_connected for c in rows))
)
symptoms = (SymptomKind.REFUSED,)


def check(
    target: Target, host: DatabaseHost, probe: Fact[InstanceProbe], database: Fact[Database]
) -> Finding:
    """Judge the connection to the host that the app is configured with."""
    if isinstance(probe, Unknown):
        text = f"not tried from {target.workload_kind.definite}: {probe.reason}"
        return not_reached(text, probe.waits_for, *probe.missing)
    connection = probe.value.connection(host.name, host.port)
    if connection is None or not connection.is_told:
        return not_told(target, host, probe.value, connection)
    if host.is_port_assumed and not connection.is_connected:
        return undecided(
            f"{connection.words}, but port {host.port} is only the default: neither {host.source} nor RDS "
            "names the database's port",
            "rds:DescribeDBInstances",
        )
    if connection.outcome == "refused":
        return failed(
            f"nothing listens on {connection.address}:{connection.port}: the connection was refused at once",
            observed(
                f"from {connection.local_address or target.workload_kind.definite}; a security group, an ACL "
                "or a route would have dropped it in silence"
            ),
            fix=_advice(host, connection, database),
            symptom=symptom(
                SymptomKind.REFUSED,
                connection_place(host, connection),
                (SymptomKind.WRONG_ADDRESS,),
            ),
        )
    if connection.is_connected:
        return passed(f"a server listens on port {connection.port}")
    return not_reached(
        "whether a server listens cannot be seen without an answer",
        NO_CONNECTION,
        "an answer on the port",
        place=connection_place(host, connection),
    )


def _advice(host: DatabaseHost, connection: TcpResult, database: Fact[Database]) -> Advice:
    """Advice on what to correct, by the host, port and status that RDS reports."""
    tried = f"{connection.address or connection.host}:{connection.port}"
    if not (isinstance(database, Known) and host.is_from_rds):
        return Advice(
            f"Compare {host.source} with the endpoint and port of the database: {tried} is a host that is "
            "up, without a server on that port."
        )
    instance, port = database.value.instance, database.value.port
    if port != connection.port:
        return Advice(
            f"{instance.identifier} listens on {port}, not on {connection.port}: correct the port "
            "where the app "
            f"reads it ({host.source}), then restart the app."
        )
    if instance.status != "available":
        return Advice(
            f"{instance.identifier} is {instance.status}: wait until it is available (aws rds wait "
            f"db-instance-available --db-instance-identifier {instance.identifier})."
        )
    return Advice(
        f"The engine of {instance.identifier} does not accept connections although RDS says available: it "
        f"restarts, or {connection.address or 'that'} is no longer its address. Look at its events (aws rds "
        "describe-events "
        f"--source-type db-instance --source-identifier {instance.identifier}) and try again in a minute."
    )
