"""The server on the database's port speaks the database's protocol.

Means: something else answers there: a web server, a load balancer, another database. Every client fails
with a message about a wrong answer, or hangs until its time-out.
Found by: the first bytes that the server sends to the instance, before any password. A server that sends
none is asked for a page of HTTP and for TLS.
Looks alike: a port without a listener (TCP002); a security group that drops (TCP001): there no connection
is made at all.
Fix: the database's endpoint in the parameter, without another port.
Not the fix: another TLS mode: the server does not know any of them.
"""

from __future__ import annotations

from opskit.checks.fix import Advice, Remedy
from opskit.checks.interface import (
    Evidence,
    Finding,
    failed,
    not_reached,
    observed,
    passed,
    reported,
    undecided,
)
from opskit.checks.parameter_value_fixes import put_and_restart
from opskit.checks.seen import Seen, is_true, one_of
from opskit.checks.symptoms import connection_place
from opskit.config import Target
from opskit.credential_source import source_of
from opskit.engine.other_server import OtherServer, recognize
from opskit.facts.database import Database
from opskit.facts.database_engine import DatabaseEngine
from opskit.facts.dns import DatabaseHost
from opskit.facts.interface import Fact, Known, Unknown
from opskit.facts.login import LoginAttemptResult
from opskit.facts.probe import InstanceProbe
from opskit.facts.stored_credential import StoredCredential
from opskit.probe.response import TcpResult
from opskit.symptom import NO_CONNECTION, SymptomKind, symptom
from opskit.workload.interface import Workload

symptoms = (SymptomKind.OTHER_SERVER,)
passes_on = one_of(
    Seen(InstanceProbe, "greeting.is_engine", is_true),
    Seen(LoginAttemptResult, "succeeded", is_true),
)


def check(
    target: Target,
    host: DatabaseHost,
    probe: Fact[InstanceProbe],
    database_engine: DatabaseEngine,
    login: Fact[LoginAttemptResult],
    database: Fact[Database],
    parameters: Fact[StoredCredential],
    app: Fact[Workload],
) -> Finding:
    """Judge the server's first bytes."""
    if isinstance(probe, Unknown):
        return not_reached(probe.reason, probe.waits_for, *probe.missing)
    answers = probe.value
    engine, noun, place = database_engine.engine, answers.workload_noun, f"{host.name}:{host.port}"
    if answers.greeting.is_engine:
        return passed(f"a {engine.name} server answers at {place}")
    if isinstance(login, Known) and login.value.succeeded:
        return passed(f"{login.value.user} logs in at {place}")
    connection = answers.connection(host.name, host.port)
    if connection is None or not connection.is_connected:
        return not_reached(
            f"no server was reached at {place}",
            NO_CONNECTION,
            f"a connection from {noun}",
            place=connection_place(host, connection),
        )
    server = recognize(answers.result.heard)
    if server is None:
        return undecided(
            f"the server at {place} was not asked what it is", f"python3, or bash, on {noun}"
        )
    if database_engine.is_assumed:
        return undecided(
            f"{place} is {server.what}; the engine of the database is not known",
            "rds:DescribeDBInstances",
        )
    seen = observed(f"seen from {noun}: {server.evidence}")
    # Silence does not tell whether the database hangs or another server waits.
    shown = symptom(
        SymptomKind.OTHER_SERVER,
        connection_place(host, connection),
        (SymptomKind.WRONG_ADDRESS,),
        is_fault=not server.is_silent,
    )
    text = f"{place} is {server.what}, not a {engine.name} server"
    if server.is_silent:
        text = (
            f"{place} accepts the connection and says nothing that a {engine.name} server would say"
        )
    remedy = _remedy(target, host, connection, server, database, parameters, app, probe)
    return failed(text, seen, *_endpoint(database), fix=remedy, symptom=shown)


def _endpoint(database: Fact[Database]) -> tuple[Evidence, ...]:
    if not isinstance(database, Known) or not database.value.host:
        return ()
    known = database.value
    return (reported(f"RDS says that {known.instance.identifier} is at {known.host}:{known.port}"),)


def _remedy(
    target: Target,
    host: DatabaseHost,
    connection: TcpResult,
    server: OtherServer,
    database: Fact[Database],
    parameters: Fact[StoredCredential],
    app: Fact[Workload],
    probe: Fact[InstanceProbe],
) -> Remedy:
    """The endpoint that RDS reports in place of another host; advice where RDS names this one."""
    tried = f"{connection.address or connection.host}:{connection.port}"
    known = database.value if isinstance(database, Known) else None
    if known is None or known.host is None:
        return Advice(f"Compare {host.source} with the endpoint and port of the app's database.")
    if host.is_from_rds and host.port == known.port:
        hangs = (
            " If it is the database, its engine hangs: the events of "
            f"{known.instance.identifier} and its CPU and memory in CloudWatch say more."
        )
        return Advice(
            f"RDS names {host.name}:{host.port}, which leads to {tried} there. Compare that with the "
            "database's own address: look for what answers in its place (/etc/hosts, a private hosted "
            f"zone, a proxy).{hangs if server.is_silent else ''}"
        )
    values = parameters.value if isinstance(parameters, Known) else None
    endpoint = values.get("endpoint") if values else None
    if values is None or endpoint is None or endpoint.name != host.source:
        return Advice(f"Let {host.source} name {known.host}:{known.port}, and restart the app.")
    stands = "a pooler or proxy that is down" if server.is_silent else "a pooler or proxy"
    return put_and_restart(
        source_of(target),
        values,
        (endpoint, known.host),
        app,
        probe,
        f"writes the endpoint of {known.instance.identifier}",
        ask=f"Confirm that nothing else, such as {stands}, is meant to be at {host.name}",
    )
