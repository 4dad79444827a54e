"""Finds a tunnel's destination: the database, the instance, and the parameters' credential."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from opskit import engine
from opskit.ca_bundles import trust_for
from opskit.config import Target
from opskit.credential_source import source_of
from opskit.engine.interface import Engine, ServerTrust
from opskit.errors import CannotProceed, UsageError
from opskit.facts.database import Database
from opskit.facts.gather import Clients, gather
from opskit.facts.given_facts import FingerprintKey
from opskit.facts.interface import Unknown
from opskit.facts.region import Region
from opskit.facts.stored_credential import StoredCredential, read
from opskit.secret import Secret
from opskit.transport import TUNNELS
from opskit.transport.factory import create_tunnel, named_transport
from opskit.transport.interface import ProblemCallback, TransportContext, Tunnel
from opskit.workload.interface import Location, Workload

DEADLINE_S = 60.0
"""Transports for commands only; where one of them is named, a login goes through a session."""


@dataclass(frozen=True, slots=True)
class Destination:
    """The endpoints and the credential of a tunnel.

    Attributes:
        location: of the instance or task.
        password: None where it could not be read; a client then prompts for it.
        trust: how clients verify the database.
    """

    location: Location
    instance_label: str
    host: str
    port: int
    user: str
    database: str
    password: Secret | None
    engine: Engine
    trust: ServerTrust


def find(target: Target, clients: Clients, region: str) -> Destination:
    """Find the instance and the database, and read the credential.

    Raises:
        CannotProceed: one of them is not known.
        NotExecuted: the app is an ECS task that cannot have a session.
    """
    key = FingerprintKey(secrets.token_hex(8))
    given = (target, Region(region), key)
    snapshot = gather((Workload, Database), clients, given, deadline_s=DEADLINE_S)
    values: dict[type, Any] = {}
    for kind in (Workload, Database):
        fact = snapshot.get(kind)
        if isinstance(fact, Unknown):
            snapshot.refuse_bugs()
            raise CannotProceed(f"a tunnel needs to know where to go: {fact.reason}")
        values[kind] = fact.value
    database: Database = values[Database]
    app: Workload = values[Workload]
    app.location.require()
    parameters, credential = read(clients.client(source_of(target).service), target, key)
    database_engine = engine.for_rds_engine(database.instance.engine)
    return Destination(
        app.location,
        app.label,
        database.host or "",
        database.port,
        parameters.value("username") or database.instance.master_username,
        _name(parameters, database, database_engine.default_database),
        credential.password if credential.password.reveal() else None,
        database_engine,
        trust_for(database.host or "", ca_file=target.ca_file),
    )


def open_tunnel(
    destination: Destination, target: Target, clients: Clients, on_problem: ProblemCallback
) -> Tunnel:
    """Open the transport that carries the tunnel.

    Raises:
        UsageError: the named transport carries no connections.
        NotExecuted: the transport failed.
    """
    via = named_transport(target)
    if via not in ("auto", "none", *TUNNELS):
        raise UsageError(
            f"--via {via} carries commands and no connections",
            "--via session-manager   does, and so do ssh-session, ssh and plugin",
        )
    context = TransportContext(target, clients.client, destination.location)
    return create_tunnel(context, destination.host, destination.port, on_problem)


def _name(parameters: StoredCredential, database: Database, default: str) -> str:
    return parameters.value("database") or database.instance.database_name or default
