"""A local port forwarded through the instance: one session, many connections.

Three threads serve a session: one reads frames, one writes them and runs the timers, one accepts
connections. Every connection has two more, one for each direction. Buffers are bounded: a slow reader
stops the session from reading more, and a sender waits for acknowledgements.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

from opskit.aws_protocols import AwsClient
from opskit.errors import OpskitError, OutcomeUnknown
from opskit.transport.interface import ProblemCallback, TransportContext
from opskit.transport.session_manager.data_channel import (
    SMUX_AFTER,
    TERMINATE,
    Closed,
    Data,
    Event,
    Flag,
    Notice,
    Ready,
    Stream,
    is_above,
)
from opskit.transport.session_manager.port_session import Forwarder, PortSession, shut
from opskit.transport.session_manager.serial_forwarding import SerialForwarder
from opskit.transport.session_manager.session import Session, SessionGateway
from opskit.transport.session_manager.smux import ProtocolViolation
from opskit.transport.session_manager.smux_forwarding import SmuxForwarder

DOCUMENT = "AWS-StartPortForwardingSessionToRemoteHost"
UNREACHABLE = 3
"""The agent's flag for a target that refused or did not answer; the flag does not name the stream."""
READY_WITHIN_S = 20.0
SILENCE_AFTER = (3, 1, 1511, 0)
"""Above this version smux needs no keepalives."""


def start_session(
    ssm: AwsClient, gateway: SessionGateway, instance_id: str, host: str, port: int
) -> Session:
    """Start a session that forwards connections from the instance to a host and port.

    Raises:
        NotExecuted: the caller may not start it, or the agent is not connected.
    """
    parameters = {"host": [host], "portNumber": [str(port)], "localPortNumber": ["0"]}
    return Session(ssm, gateway, instance_id, DOCUMENT, parameters)


class SessionTunnel:
    """A port session and its local port.

    Args:
        session: a port session that was just started.
        on_problem: called with a sentence when a connection fails.
        noun: the place of the agent with its article, for these sentences.
    """

    def __init__(self, session: Session, on_problem: Callable[[str], None], noun: str) -> None:
        self._session, self._noun = session, noun
        self._on_problem = on_problem
        self._line = PortSession(session)
        self._carriage: Forwarder | None = None
        self.failure = ""
        self.is_closed = self._line.is_closed
        self._ready = threading.Event()
        self._listener: socket.socket | None = None

    def start(self, local_port: int) -> int:
        """Start to serve the session, and listen (`interface.Tunnel`)."""
        listener = socket.create_server(("127.0.0.1", local_port))
        for work in (self._read, self._write):
            threading.Thread(target=work, daemon=True).start()
        if not self._ready.wait(READY_WITHIN_S) or self.is_closed.is_set():
            listener.close()
            raise OutcomeUnknown(self.failure or "the session did not become ready in time")
        self._listener = listener
        threading.Thread(target=self._accept, daemon=True).start()
        return int(listener.getsockname()[1])

    def close(self) -> None:
        """Close all connections and the session."""
        if self._listener is not None:
            # Only a shutdown wakes the thread in accept; until then the port would still listen.
            shut(self._listener)
        if not self.is_closed.is_set():
            self._line.send_flag(TERMINATE)
        self._end("")
        self._session.close()

    def _read(self) -> None:
        """Read frames until the session is over."""
        try:
            for event in self._session.read(self._line.lock, self.is_closed):
                self._take(event)
        except (OpskitError, ProtocolViolation, OSError) as error:
            self._end(getattr(error, "sentence", str(error)))
        finally:
            # After any error: no thread may wait for a session that is not read any more.
            self._end("")

    def _write(self) -> None:
        """Write due frames, and run the timers."""
        try:
            while not self.is_closed.is_set():
                for event in self._line.write_due():
                    self._take(event)
                if self._carriage is not None:
                    self._carriage.tick(time.monotonic())
        except (OutcomeUnknown, OSError) as error:
            self._end(getattr(error, "sentence", str(error)))
        finally:
            self._end("")

    def _take(self, event: Event) -> None:
        if isinstance(event, Ready):
            self._carriage = self._carriage_for(event.agent_version)
            self._ready.set()
        elif isinstance(event, Data) and event.stream is Stream.OUT:
            assert self._carriage is not None  # noqa: S101  Ready comes before all data
            self._carriage.receive(event.data)
        elif isinstance(event, Flag) and event.number == UNREACHABLE:
            self._on_problem(
                f"{self._noun} could not connect to the database: refused, or no answer"
            )
        elif isinstance(event, Notice):
            self._on_problem(event.text)
        elif isinstance(event, Closed):
            self._end(self._reason(event))

    def _carriage_for(self, agent_version: str) -> Forwarder:
        if speaks_smux(agent_version):
            return SmuxForwarder(self._line, wants_life=not is_above(agent_version, SILENCE_AFTER))
        self._on_problem(
            f"the agent on {self._noun} is old ({agent_version or 'no version'}): the tunnel carries "
            "one connection at a time, is not told when the database closes it, and may lead to the "
            "instance's own port, since such agents know no remote host; update the agent"
        )
        return SerialForwarder(self._line, self._on_problem)

    def _reason(self, event: Closed) -> str:
        message = event.words
        if not message and isinstance(self._carriage, SerialForwarder):
            return "the agent ended the session: it could not connect to the database"
        return message

    def _accept(self) -> None:
        assert self._listener is not None  # noqa: S101  start has made it
        assert self._carriage is not None  # noqa: S101  it is made before the session is ready
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._carriage.take(connection)

    def _end(self, failure: str) -> None:
        self.failure = self.failure or failure
        self._line.end()
        self._ready.set()
        if self._carriage is not None:
            self._carriage.end()


def speaks_smux(agent_version: str) -> bool:
    """Whether an agent multiplexes; a version that cannot be parsed counts as one that does not."""
    return is_above(agent_version, SMUX_AFTER)


def open_tunnel(
    context: TransportContext, host: str, port: int, on_problem: ProblemCallback
) -> SessionTunnel:
    """Open a tunnel through Session Manager.

    Raises:
        NotExecuted: the caller may not start a session, or the agent is not connected.
    """
    client, location = context.client, context.location
    session = start_session(client("ssm"), client("ssmmessages"), location.target, host, port)
    return SessionTunnel(session, on_problem, context.target.workload_kind.definite)
