"""Where a tunnel leads, and as whom: the database, the instance, and the parameters' credential."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Any, Protocol

from opskit import engine
from opskit.config import Target
from opskit.engine.interface import Engine
from opskit.errors import Incomplete
from opskit.facts.app_instance import AppInstance
from opskit.facts.database import Database
from opskit.facts.gather import Clients, gather
from opskit.facts.interface import RunKey, Unknown
from opskit.facts.parameters import Parameters, read
from opskit.facts.region import Region
from opskit.instance.session_manager.session import Session
from opskit.instance.session_manager.tunnel import Tunnel, start_session
from opskit.secret import Secret

DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True)
class Destination:
    """What a tunnel needs to know.

    Attributes:
        instance_id: as Session Manager names it.
        password: None where it could not be read; a client then asks for it.
    """

    instance_id: str
    instance_label: str
    host: str
    port: int
    user: str
    database: str
    password: Secret | None
    engine: Engine


def find(target: Target, clients: Clients, region: str) -> Destination:
    """Find instance and database, and read the credential.

    Raises:
        Incomplete: one of them is not known.
        Refused: the app is an ECS task to which no session can be had.
    """
    key = RunKey(secrets.token_hex(8))
    given = (target, Region(region), key)
    snapshot = gather((AppInstance, Database), clients, given, deadline_s=DEADLINE_S)
    found: dict[type, Any] = {}
    for kind in (AppInstance, Database):
        fact = snapshot.get(kind)
        if isinstance(fact, Unknown):
            raise Incomplete(f"a tunnel needs to know where to go: {fact.reason}")
        found[kind] = fact.value
    database: Database = found[Database]
    if found[AppInstance].task:
        found[AppInstance].task.place.require()
    parameters, credential = read(clients.client("ssm"), target, key)
    return Destination(
        found[AppInstance].session_target,
        found[AppInstance].instance.label,
        database.host or "",
        database.port,
        parameters.value("username") or database.instance.master_username,
        _name(parameters, database),
        credential.password if credential.password.reveal() else None,
        engine.for_rds_engine(database.instance.engine),
    )


class Carrier(Protocol):
    """What holds a local port that leads to the database."""

    failure: str
    is_over: Event

    def start(self, local_port: int) -> int:
        """Listen on 127.0.0.1, and say on which port."""

    def close(self) -> None:
        """End all connections and what carries them."""


def carry(
    destination: Destination,
    clients: Clients,
    via: str,
    on_problem: Callable[[str], None],
) -> Carrier:
    """What carries the tunnel: opskit itself, or the official plugin where `--via` names it.

    Raises:
        Refused: no session may be started, the agent is not there, or the plugin is not.
    """
    if via == "plugin":
        from opskit.instance.session_manager.plugin_tunnel import PluginTunnel

        return PluginTunnel(
            clients.client("ssm"),
            clients.client("ssmmessages"),
            destination.instance_id,
            destination.host,
            destination.port,
            on_problem,
        )
    return Tunnel(open_session(destination, clients), on_problem)


def open_session(destination: Destination, clients: Clients) -> Session:
    """Start the session that carries the tunnel.

    Raises:
        Refused: it may not be started, or the agent is not there.
    """
    ssm, gateway = clients.client("ssm"), clients.client("ssmmessages")
    return start_session(ssm, gateway, destination.instance_id, destination.host, destination.port)


def _name(parameters: Parameters, database: Database) -> str:
    return parameters.value("database") or database.instance.database_name or "postgres"
