"""Sessions of the emulated Systems Manager: their API, the WebSocket gateway, and their processes.

The gateway verifies the host and the signature of an upgrade, its caller's right to open data channels, and
the token of the first message. After that it serves the agent's side of the channel, in the same process.
"""

from __future__ import annotations

import hmac
import json
import queue
import secrets
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from opskit.sandbox import topology
from opskit.sandbox.aws import fault_injection, identity, session_key
from opskit.sandbox.aws.credentials import INTERNAL, Credentials, Rejected
from opskit.sandbox.aws.fault_injection import FaultInjector
from opskit.sandbox.aws.signature import SignedRequest
from opskit.sandbox.network import allowed_hosts
from opskit.sandbox.session_manager.agent import VERSION, AgentSide, OpenKey, numbers, pack_closed
from opskit.sandbox.session_manager.raw_port import RawPort
from opskit.sandbox.session_manager.smux_port import Dial, OneStream, Ports
from opskit.sandbox.session_manager.terminal import Start as StartOnTerminal
from opskit.sandbox.session_manager.terminal import Terminal

REMOTE_HOST = "AWS-StartPortForwardingSessionToRemoteHost"
ECS_EXEC = "AmazonECS-ExecuteInteractiveCommand"
"""The document of ExecuteCommand, reserved for it."""
SSH = "AWS-StartSSHSession"
TYPES = {
    "AWS-StartNonInteractiveCommand": "NonInteractiveCommands",
    "AWS-StartInteractiveCommand": "InteractiveCommands",
    REMOTE_HOST: "Port",
    ECS_EXEC: "InteractiveCommands",
    SSH: "Port",
}
"""Document -> the agent's session type."""
NON_INTERACTIVE_FROM = (3, 0, 1124, 0)
"""The first agent version with this session type."""
DRAIN_S = 2.0
"""An ending agent waits this long for missing acknowledgements."""
STEP_S = 0.02
OPENING_WITHIN_S = 30.0
CLOSE_WITHIN_S = 5.0
"""Without this wait, a closed connection would lose the agent's last messages."""
BUSY_STEP_S, BUSY_FOR_S = 0.001, 1.0
FRAMES_BEFORE_CUT = 5
MOST_PARAMETER = 65_535
"""Characters of a parameter's value (Systems Manager API Reference, StartSession)."""
MOST_BACKLOG = 200
"""The limit of messages under way: the process is not read faster than the client acknowledges."""

Answer = tuple[int, Mapping[str, Any]]
Start = Callable[[Sequence[str]], "subprocess.Popen[bytes]"]


def error(code: str, message: str = "") -> Answer:
    """An error of a JSON service."""
    return 400, {"__type": code, "message": message}


@dataclass(eq=False)
class OpenSession:
    """One session.

    Attributes:
        token: for its next connection; each is used once.
        process: the session's process, from its first connection on.
    """

    session_id: str
    target: str
    document: str
    parameters: Mapping[str, list[str]]
    owner: str
    token: str
    status: str = "Connecting"
    side: AgentSide | None = None
    process: subprocess.Popen[bytes] | None = None
    ports: Ports | RawPort | OneStream | None = None
    terminal: Terminal | None = None
    output: list[tuple[int, bytes]] = field(default_factory=list)
    has_ended: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Link:
    """A WebSocket connection, with its injected faults."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.wrong = ""
        self.seconds = 0.0
        self._sent = 0
        self._frames: queue.Queue[Any] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def take(self, timeout_s: float) -> Any:
        """The next frame; None when none came in time.

        `recv` has a time-out of its own, which CPython 3.11 and 3.12 may miss and then block for ever.
        """
        try:
            frame = self._frames.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if isinstance(frame, Exception):
            raise frame
        return frame

    def _read(self) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            while True:
                self._frames.put(self.connection.recv())
        except ConnectionClosed as error:
            self._frames.put(error)

    def send(self, frames: list[bytes]) -> None:
        """Write frames, as long as the connection is open."""
        if self.wrong == "disorder":
            frames = [frame for frame in reversed(frames) for _ in range(2)]
        for frame in frames:
            if self.wrong == "slow":
                time.sleep(self.seconds)
            self.connection.send(frame)
            self._sent += 1
            if self.wrong == "lost" and self._sent >= FRAMES_BEFORE_CUT:
                # The gateway does this once an hour; the session continues.
                self.connection.close(1000, "Bye")


def _ssh_port(session: OpenSession) -> int:
    return int(session.parameters.get("portNumber", ["22"])[0])


class Sessions:
    """All sessions of the account.

    Args:
        start: starts a process on the instance.
        dial: connects from the instance.
        is_online: whether the agent of a target is connected.
        url: of the gateway, without the path.
        version: returns the agent's version.
        open_key: decrypts an encrypted session's key with the instance's rights.
        credentials: the access keys whose signatures are accepted; without it, none is.

    Attributes:
        start_in_task: starts a process in a container, on a terminal; None where there are no tasks.
    """

    def __init__(
        self,
        start: Start,
        dial: Dial,
        is_online: Callable[[str], bool],
        url: str,
        *,
        version: Callable[[], str] = lambda: VERSION,
        open_key: Callable[[bytes, Mapping[str, str]], bytes] | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        self._start_process = start
        self._dial = dial
        self._is_online = is_online
        self._url = url
        self._version, self._open_key = version, open_key
        self._credentials = credentials
        self.fault_injector = FaultInjector()
        self.start_in_task: StartOnTerminal | None = None
        self._all: dict[str, OpenSession] = {}

    def answer(self, operation: str, body: Mapping[str, Any], owner: str) -> Answer | None:
        """The answer to an operation that this module implements; None for all others."""
        if operation == "StartSession":
            return self._start(body, owner)
        if operation == "DescribeSessions":
            return self._describe(body)
        if operation not in ("ResumeSession", "TerminateSession"):
            return None
        session = self._all.get(body["SessionId"])
        if session is None:
            return error("DoesNotExistException", "Session does not exist")
        if operation == "TerminateSession":
            self.end(session)
            return 200, {"SessionId": session.session_id}
        if session.status == "Terminated":
            return 200, {"SessionId": session.session_id}
        session.token = secrets.token_urlsafe(24)
        return 200, self._reply(session)

    def serve(self, address: str, port: int) -> None:
        """Serve data channels, in a thread of this process."""
        from websockets.sync.server import serve

        server = serve(
            self._handle,
            address,
            port,
            process_request=self._admit,
            compression=None,
            close_timeout=CLOSE_WITHIN_S,
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def end(self, session: OpenSession) -> None:
        """End a session and its process."""
        session.status = "Terminated"
        process = session.process
        if process is not None and process.poll() is None:
            process.kill()
        if session.ports is not None:
            session.ports.end()

    def _start(self, body: Mapping[str, Any], owner: str) -> Answer:
        if body.get("DocumentName") not in TYPES or body["DocumentName"] == ECS_EXEC:
            return error("InvalidDocument", f"Document {body.get('DocumentName')} does not exist")
        for name, values in body.get("Parameters", {}).items():
            if any(len(value) > MOST_PARAMETER for value in values):
                return error(
                    "ValidationException",
                    f"1 validation error detected: Value at 'parameters.{name}.member' failed to satisfy "
                    "constraint: Member must satisfy constraint: [Member must have length less than or "
                    f"equal to {MOST_PARAMETER}, Member must have length greater than or equal to 1]",
                )
        if not self._is_online(body["Target"]):
            return error("TargetNotConnected", f"{body['Target']} is not connected.")
        return 200, self.open(
            body["Target"], body["DocumentName"], body.get("Parameters", {}), owner
        )

    def open(
        self, target: str, document: str, parameters: Mapping[str, list[str]], owner: str
    ) -> dict[str, str]:
        """Create a session, and return the data that its client needs."""
        name = "ecs-execute-command" if document == ECS_EXEC else owner.rsplit("/", 1)[-1]
        session = OpenSession(
            f"{name}-{secrets.token_hex(13)}",
            target,
            document,
            parameters,
            owner,
            secrets.token_urlsafe(24),
        )
        self._all[session.session_id] = session
        return self._reply(session)

    def reset(self) -> None:
        """End and forget all sessions."""
        for session in list(self._all.values()):
            self.end(session)
        self._all.clear()

    def end_target(self, target: str) -> None:
        """End all sessions with a target that no longer exists."""
        for session in self._all.values():
            if session.target == target and session.status != "Terminated":
                self.end(session)

    def _reply(self, session: OpenSession) -> dict[str, str]:
        path = f"/v1/data-channel/{session.session_id}?role=publish_subscribe&cell-number=AAEA+/x="
        return {
            "SessionId": session.session_id,
            "TokenValue": session.token,
            "StreamUrl": self._url + path,
        }

    def _describe(self, body: Mapping[str, Any]) -> Answer:
        wanted = body["State"] == "History"
        rows = [
            {
                "SessionId": s.session_id,
                "Target": s.target,
                "Status": s.status,
                "Owner": s.owner,
                "DocumentName": s.document,
            }
            for s in self._all.values()
            if (s.status == "Terminated") is wanted
        ]
        return 200, {"Sessions": rows}

    def _admit(self, connection: Any, request: Any) -> Any:
        """Reject upgrades that are not signed for this service, or whose caller lacks the right."""
        headers = {
            name.lower(): ",".join(request.headers.get_all(name)) for name in request.headers
        }
        allowed = (urlsplit(self._url).netloc,)
        status = allowed_hosts.refusal(headers.get("host"), headers.get("origin"), allowed)
        if status:
            return connection.respond(status, "not the gateway's host, or from a web page\n")
        principal = self._caller(SignedRequest("GET", request.path, headers))
        if principal is None:
            return connection.respond(403, "not signed\n")
        session_id = urlsplit(request.path).path.rsplit("/", 1)[-1]
        resource = f"arn:aws:ssm:{topology.REGION}:{topology.ACCOUNT}:session/{session_id}"
        message = identity.decision(principal, "ssmmessages:OpenDataChannel", resource, {})
        return None if message.is_allowed else connection.respond(403, "not authorized\n")

    def _caller(self, request: SignedRequest) -> identity.CallerIdentity | None:
        """The caller, if the request is signed for this service with a key of this sandbox."""
        if self._credentials is None:
            return None
        try:
            signed, principal = self._credentials.authenticate(request)
        except Rejected:
            return None
        late = fault_injection.too_old(signed.stamp, "OpenDataChannel", signed.life_s)
        is_ours = signed.service == "ssmmessages" and principal is not INTERNAL
        return principal if is_ours and not late else None

    def _handle(self, connection: Any) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            link = _Link(connection)
            opening = json.loads(link.take(OPENING_WITHIN_S) or "")
            session = self._all.get(urlsplit(connection.request.path).path.rsplit("/", 1)[-1])
            if session is None or not session.token:
                return
            if not hmac.compare_digest(str(opening["TokenValue"]).encode(), session.token.encode()):
                return
            session.token = ""
            injected = self.fault_injector.take("ssmmessages", "DataChannel")
            if injected is not None:
                link.wrong, link.seconds = injected.kind, injected.seconds
            if link.wrong == "expired":
                return
            with session.lock:
                self._serve_channel(link, session)
        except (ConnectionClosed, ValueError, KeyError):
            return

    def _serve_channel(self, link: _Link, session: OpenSession) -> None:
        side = self._side_of(session)
        ended_at: float | None = None
        active_at = 0.0
        while True:
            now = time.monotonic()
            if side.is_open and session.process is None and session.ports is None:
                self._run(session)
            if session.ports is not None and session.ports.is_closed:
                side.failure = side.failure or session.ports.failure
                session.has_ended = True
            while session.output and side.backlog < MOST_BACKLOG:
                side.send(*session.output.pop(0), now)
            side.tick(now)
            link.send(side.frames())
            over = (session.has_ended and not session.output) or side.failure
            if over or session.status == "Terminated":
                ended_at = ended_at or now
                if side.is_settled or now - ended_at > DRAIN_S:
                    break
            is_busy = now - active_at < BUSY_FOR_S
            frame = link.take(BUSY_STEP_S if is_busy else STEP_S)
            if frame is not None:
                active_at = time.monotonic()
                side.receive(frame, active_at)
        session.status = "Terminated"
        text = f"\n----------ERROR-------\n{side.failure}" if side.failure else ""
        link.send([pack_closed(text)])

    def _side_of(self, session: OpenSession) -> AgentSide:
        """The agent's side, which continues on a new connection."""
        if session.side is None:
            properties = None
            if session.document == REMOTE_HOST:
                given = {name: values[0] for name, values in session.parameters.items()}
                properties = {"type": "LocalPortForwarding", **given}
            elif session.document == SSH:
                properties = {"portNumber": str(_ssh_port(session))}

            def take(kind: int, payload: bytes) -> None:
                if session.ports is not None:
                    session.ports.take(kind, payload)
                elif session.terminal is not None:
                    session.terminal.take(kind, payload)

            session.side = AgentSide(
                TYPES[session.document],
                take,
                properties=properties,
                key=None if properties else self._key_of(session),
                accepts_input=lambda: session.ports is None or session.ports.is_ready,
                version=self._version(),
            )
            kind = TYPES[session.document]
            if kind == "NonInteractiveCommands" and numbers(self._version()) < NON_INTERACTIVE_FROM:
                session.side.failure = (
                    f"Plugin with name {kind} is not supported by this version of ssm agent, please "
                    f"update to latest version. Step name: {kind}"
                )
            else:
                session.side.begin(time.monotonic())
            if session.status == "Connecting":
                session.status = "Connected"
        return session.side

    def _key_of(self, session: OpenSession) -> tuple[str, OpenKey] | None:
        """The preferred key, and the function that opens a key of it; None for port sessions."""
        key_id, open_key = session_key.preferred_key(), self._open_key
        if not key_id or open_key is None:
            return None
        context = {"aws:ssm:SessionId": session.session_id, "aws:ssm:TargetId": session.target}

        def unseal(sealed: bytes, challenge: str) -> bytes:
            more = {"aws:ssm:RandomChallenge": challenge} if challenge else {}
            return open_key(sealed, {**context, **more})

        return key_id, unseal

    def _sayer(self, session: OpenSession) -> Callable[[int, bytes], None]:
        """Return the function that sends payloads as a session's output, at the client's pace."""

        def say(kind: int, data: bytes) -> None:
            while len(session.output) > MOST_BACKLOG and session.status != "Terminated":
                time.sleep(BUSY_STEP_S)
            session.output.append((kind, data))

        return say

    def _run(self, session: OpenSession) -> None:
        """Start the session's process, and send its output."""
        if session.document == SSH:
            session.ports = OneStream(self._dial, _ssh_port(session), self._sayer(session))
            return
        if session.document == REMOTE_HOST:
            assert session.side is not None
            make = RawPort if session.side.has_one_stream else Ports
            host, port = session.parameters["host"][0], int(session.parameters["portNumber"][0])
            session.ports = make(self._dial, host, port, self._sayer(session))
            return
        command = session.parameters["command"][0]
        if session.document == ECS_EXEC:
            self._run_in_task(session, command)
            return
        is_interactive = session.document == "AWS-StartInteractiveCommand"
        separate = session.parameters.get("separateOutputStream") == ["true"]
        argv = ["sh", "-c", command] if is_interactive else shlex.split(command)
        session.process = process = self._start_process(argv)
        threads = [
            threading.Thread(target=self._read, args=(session, kind, stream), daemon=True)
            for kind, stream in ((1, process.stdout), (11 if separate else 1, process.stderr))
        ]
        for thread in threads:
            thread.start()
        threading.Thread(
            target=self._wait, args=(session, process, threads, separate), daemon=True
        ).start()

    def _run_in_task(self, session: OpenSession, command: str) -> None:
        def ended() -> None:
            session.has_ended = True

        assert self.start_in_task is not None
        argv, say = shlex.split(command), self._sayer(session)
        session.terminal = Terminal(self.start_in_task, argv, say, ended)
        session.process = session.terminal.process

    def _read(self, session: OpenSession, kind: int, stream: Any) -> None:
        say = self._sayer(session)
        while data := stream.read1(1024):
            say(kind, data)

    def _wait(
        self,
        session: OpenSession,
        process: subprocess.Popen[bytes],
        threads: list[threading.Thread],
        separate: bool,
    ) -> None:
        for thread in threads:
            thread.join()
        code = process.wait()
        if separate:
            session.output.append((12, f"EXIT_CODE: {code if code >= 0 else -1}".encode()))
        session.has_ended = True
