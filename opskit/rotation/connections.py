"""Opens and caches the connections of one target: transports to its machines, connectors to its database."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace

from opskit.ca_bundles import instance_ca_file, trust_for
from opskit.config import Target
from opskit.credential_source import source_of
from opskit.engine.interface import Engine, LoginFailure
from opskit.errors import TransportError
from opskit.facts.interface import Fact, Known
from opskit.facts.probe import InstanceProbe
from opskit.probe.request import ProbeRequest, script
from opskit.probe.response import parse
from opskit.rotation.planning.context import RotationContext
from opskit.rotation.protocol.interface import AwsClients
from opskit.rotation.protocol.services import Event
from opskit.rotation.steps.restart import PROBE_LIMIT_S
from opskit.transport.database_connector import DatabaseConnector
from opskit.transport.factory import create_transport, create_tunnel
from opskit.transport.interface import (
    ProblemCallback,
    Transport,
    TransportContext,
    Tunnel,
)
from opskit.workload.interface import Location


class TargetConnections:
    """The connections of one target; each connector is created once.

    Args:
        on_event: called with a transport's notices, each once.
    """

    def __init__(self, target: Target, aws: AwsClients, on_event: Callable[[Event], None]) -> None:
        self._target, self._aws, self._on_event = target, aws, on_event
        self._notices = set[str]()
        self._connectors: dict[tuple[object, ...], DatabaseConnector] = {}
        self._app_location: Location | None = None

    def close(self) -> None:
        """Close all connectors."""
        for connector in self._connectors.values():
            connector.close()

    def note(self, text: str) -> None:
        """Report a transport's notice, unless it was reported before."""
        if text not in self._notices:
            self._notices.add(text)
            self._on_event(Event("note", "transport", text))

    def note_probe(self, probe: Fact[InstanceProbe]) -> None:
        """Report the notices of the transport through which the instance was probed."""
        if isinstance(probe, Known):
            for notice in probe.value.notices:
                self.note(notice)

    def ask_instance(
        self, location: Location | None, host: str, port: int, engine: Engine
    ) -> tuple[bool | None, str]:
        """Let the app's machine read the credential itself, and log in with it.

        Returns:
            Whether the login succeeded, and why not; None: it could not be judged.
        """
        if location is None or self._target.via == "none":
            return None, "no instance was asked"
        request = ProbeRequest(
            key=secrets.token_hex(8),
            region=self._aws.region,
            reads=source_of(self._target).instance_reads,
            container=self._target.container or "-",
            environment=engine.environment,
            login_to=(host, port),
            engine_program=engine.instance_program(),
            tls_name=host,
            ca_file=instance_ca_file(host),
            connect_timeout_s=self._target.connect_timeout,
        )
        try:
            reply = self.transport(location).run(script(request), timeout_s=PROBE_LIMIT_S)
        except TransportError as error:
            return None, error.sentence
        response = parse(reply.stdout)
        attempt = next((a for a in response.attempts if a.who == "parameters"), None)
        if attempt is None:
            why = next(
                (why for topic, why in response.unavailable if topic.startswith("login")), ""
            )
            return None, why or "it did not try"
        if attempt.succeeded:
            return True, ""
        wrong = engine.classify(attempt.message, attempt.code) is LoginFailure.PASSWORD
        return (False if wrong else None), attempt.message

    def transport(self, location: Location) -> Transport:
        """Create the transport to a machine or a container."""
        target = self._target
        if location != self._app_location and target.ssh_host:
            # `ssh_host` names one host; another instance is reached by its own address.
            target = replace(target, ssh_host=None)
        return create_transport(TransportContext(target, self._aws.client, location))

    def connector_of(self, context: RotationContext) -> DatabaseConnector:
        """Return the connector to the target's database."""
        app = context.app.value if isinstance(context.app, Known) else None
        return self.connector(
            context.engine, context.host, context.port, context.name,
            app.location if app else None, app.label if app else "",
        )  # fmt: skip

    def connector(
        self,
        engine: Engine,
        host: str,
        port: int,
        database: str,
        location: Location | None,
        label: str,
    ) -> DatabaseConnector:
        """Return the connector to a database; callers with the same arguments share it."""

        def open_tunnel(on_problem: ProblemCallback) -> Tunnel:
            assert location is not None  # noqa: S101  not used without a location
            context = TransportContext(self._target, self._aws.client, location)
            return create_tunnel(context, host, port, on_problem)

        self._app_location = location or self._app_location
        key = (host, port, database, location)
        if key not in self._connectors:
            opener = open_tunnel if location and self._target.via != "none" else None
            trust = trust_for(host, ca_file=self._target.ca_file)
            self._connectors[key] = DatabaseConnector(
                engine, host, port, database, trust, opener, label, self.note
            )
        return self._connectors[key]
