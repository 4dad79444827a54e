"""Sessions of the emulated Systems Manager: the API's side, the WebSocket gateway, and what runs.

The gateway checks that an upgrade is signed, that its caller may open data channels, and the token of
the first message; then it is the agent's side of the channel, all in one process.
"""

from __future__ import annotations

import json
import re
import secrets
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from opskit.sandbox import world
from opskit.sandbox.aws import identity
from opskit.sandbox.aws.conduct import Conduct
from opskit.sandbox.session_manager.agent import AgentSide, pack_closed
from opskit.sandbox.session_manager.ports import Dial, OneStream, Ports

REMOTE_HOST = "AWS-StartPortForwardingSessionToRemoteHost"
SSH = "AWS-StartSSHSession"
TYPES = {
    "AWS-StartNonInteractiveCommand": "NonInteractiveCommands",
    "AWS-StartInteractiveCommand": "InteractiveCommands",
    REMOTE_HOST: "Port",
    SSH: "Port",
}
"""Document -> the session type that its agent sees."""
DRAIN_S = 2.0
"""So long an agent waits at its end for what is not acknowledged yet."""
STEP_S = 0.02
BUSY_STEP_S, BUSY_FOR_S = 0.001, 1.0
FRAMES_BEFORE_CUT = 5
MOST_BACKLOG = 200
"""Messages under way at most: the process is not read faster than the client takes it."""

Answer = tuple[int, Mapping[str, Any]]
Start = Callable[[Sequence[str]], "subprocess.Popen[bytes]"]


def error(code: str, message: str = "") -> Answer:
    """An error in the form of the JSON services."""
    return 400, {"__type": code, "message": message}


@dataclass(eq=False)
class Running:
    """One session.

    Attributes:
        token: of its next connection; each is used once.
        process: what runs in it, from its first connection on.
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
    ports: Ports | OneStream | None = None
    output: list[tuple[int, bytes]] = field(default_factory=list)
    has_ended: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Link:
    """A connection, and what is wrong with it."""

    def __init__(self, connection: Any, wrong: str, seconds: float) -> None:
        self.connection = connection
        self._wrong = wrong
        self._seconds = seconds
        self._sent = 0

    def send(self, frames: list[bytes]) -> None:
        """Write frames, as far as the connection lives."""
        if self._wrong == "disorder":
            frames = [frame for frame in reversed(frames) for _ in range(2)]
        for frame in frames:
            if self._wrong == "slow":
                time.sleep(self._seconds)
            self.connection.send(frame)
            self._sent += 1
            if self._wrong == "lost" and self._sent >= FRAMES_BEFORE_CUT:
                # As the gateway does it once an hour, which is not the end of the session.
                self.connection.close(1000, "Bye")


class Sessions:
    """All sessions of the account.

    Args:
        start: starts a process on the instance.
        is_online: whether the agent of a target answers.
        url: of the gateway, without the path.
        dial: connects from the instance.
    """

    def __init__(
        self, start: Start, dial: Dial, is_online: Callable[[str], bool], url: str
    ) -> None:
        self._start_process = start
        self._dial = dial
        self._is_online = is_online
        self._url = url
        self.conduct = Conduct()
        self._all: dict[str, Running] = {}

    def answer(self, operation: str, body: Mapping[str, Any], owner: str) -> Answer | None:
        """The answer to an operation that is ours; None for all others."""
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
        """Take data channels in a thread of this process."""
        from websockets.sync.server import serve

        server = serve(
            self._handle,
            address,
            port,
            process_request=self._admit,
            compression=None,
            close_timeout=0.2,
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def end(self, session: Running) -> None:
        """End a session and what runs in it."""
        session.status = "Terminated"
        process = session.process
        if process is not None and process.poll() is None:
            process.kill()
        if session.ports is not None:
            session.ports.end()

    def _start(self, body: Mapping[str, Any], owner: str) -> Answer:
        if body.get("DocumentName") not in TYPES:
            return error("InvalidDocument", f"Document {body.get('DocumentName')} does not exist")
        if not self._is_online(body["Target"]):
            return error("TargetNotConnected", f"{body['Target']} is not connected.")
        name = owner.rsplit("/", 1)[-1]
        session = Running(
            f"{name}-{secrets.token_hex(13)}",
            body["Target"],
            body["DocumentName"],
            body.get("Parameters", {}),
            owner,
            secrets.token_urlsafe(24),
        )
        self._all[session.session_id] = session
        return 200, self._reply(session)

    def _reply(self, session: Running) -> dict[str, str]:
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
        """Refuse upgrades that are not signed for this service, or whose caller may not."""
        signature = request.headers.get("Authorization", "")
        found = re.match(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/\d{8}/[^/]+/ssmmessages/aws4_request,", signature
        )
        principal = identity.who(found.group(1)) if found else None
        if principal is None:
            return connection.respond(403, "not signed\n")
        session_id = urlsplit(request.path).path.rsplit("/", 1)[-1]
        resource = f"arn:aws:ssm:{world.REGION}:{world.ACCOUNT}:session/{session_id}"
        said = identity.decision(principal, "ssmmessages:OpenDataChannel", resource, {})
        return None if said.is_allowed else connection.respond(403, "not authorized\n")

    def _handle(self, connection: Any) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            opening = json.loads(connection.recv(timeout=5))
            session = self._all.get(urlsplit(connection.request.path).path.rsplit("/", 1)[-1])
            if session is None or opening["TokenValue"] != session.token or not session.token:
                return
            session.token = ""
            injected = self.conduct.take("ssmmessages", "DataChannel")
            wrong = injected.kind if injected else ""
            if wrong == "expired":
                return
            link = _Link(connection, wrong, injected.seconds if injected else 0)
            with session.lock:
                self._serve_channel(link, session)
        except (ConnectionClosed, TimeoutError, ValueError, KeyError):
            return

    def _serve_channel(self, link: _Link, session: Running) -> None:
        side = self._side_of(session)
        ended_at: float | None = None
        active_at = 0.0
        while True:
            now = time.monotonic()
            if side.is_open and session.ports is not None:
                session.ports.begin()
            elif side.is_open and session.process is None:
                self._run(session)
            if session.ports is not None and session.ports.is_over:
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
            try:
                frame = link.connection.recv(timeout=BUSY_STEP_S if is_busy else STEP_S)
            except TimeoutError:
                continue
            active_at = time.monotonic()
            side.receive(frame, active_at)
        session.status = "Terminated"
        text = f"\n----------ERROR-------\n{side.failure}" if side.failure else ""
        link.send([pack_closed(text)])

    def _side_of(self, session: Running) -> AgentSide:
        """The agent's end, which goes on over a new connection."""
        if session.side is None:
            take: Callable[[int, bytes], None] = lambda *_: None  # noqa: E731
            properties = None
            if session.document == REMOTE_HOST:
                given = {name: values[0] for name, values in session.parameters.items()}
                properties = {"type": "LocalPortForwarding", **given}
                session.ports = Ports(
                    self._dial, given["host"], int(given["portNumber"]), self._sayer(session)
                )
                take = session.ports.take
            elif session.document == SSH:
                port = session.parameters.get("portNumber", ["22"])[0]
                properties = {"portNumber": port}
                session.ports = OneStream(self._dial, int(port), self._sayer(session))
                take = session.ports.take
            session.side = AgentSide(TYPES[session.document], take, properties=properties)
            session.side.begin(time.monotonic())
            if session.status == "Connecting":
                session.status = "Connected"
        return session.side

    def _sayer(self, session: Running) -> Callable[[int, bytes], None]:
        """Puts payloads into a session's output, at the client's pace."""

        def say(kind: int, data: bytes) -> None:
            while len(session.output) > MOST_BACKLOG and session.status != "Terminated":
                time.sleep(BUSY_STEP_S)
            session.output.append((kind, data))

        return say

    def _run(self, session: Running) -> None:
        """Start what the session is for, and collect what it says."""
        command = session.parameters["command"][0]
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

    def _read(self, session: Running, kind: int, stream: Any) -> None:
        say = self._sayer(session)
        while data := stream.read1(1024):
            say(kind, data)

    def _wait(
        self,
        session: Running,
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
