"""The data channel as a sans-I/O protocol: frames in, events and frames out.

It uses no socket, thread or clock; the caller passes the time. A channel outlives its connections: its
counters, its unacknowledged messages and its key continue on a new one.
"""

from __future__ import annotations

import json
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from opskit.transport.session_manager import message as wire
from opskit.transport.session_manager.encryption import Cipher, MakeKey, Unreadable, agree
from opskit.transport.session_manager.message import MalformedMessage, Message, PayloadType
from opskit.transport.session_manager.retransmission import Outbox

CLIENT_VERSION = "1.2.764.0"
"""Reported to agents and gateway: the first official version that signs its upgrade. With it, agents neither
send keepalives nor ask for an update."""
SMUX_AFTER = (3, 0, 196, 0)
"""Agents up to this version carry one stream without frames, and never report that it was closed."""
WITHOUT_SMUX = "1.1.61.0"
"""Reported to agents up to SMUX_AFTER: any of them then uses one unframed stream, as this client does."""
MOST_EARLY = 10_000
"""Early messages that are kept; those beyond it are not acknowledged."""
GIVE_UP_AFTER_S = 60.0
"""The limit without any acknowledgement; the official client waits five minutes."""
SUCCESS, FAILED, UNSUPPORTED = 1, 2, 3
ACKNOWLEDGE_FLAGS = 3
TERMINATE = 2
"""The flag by which a client ends a port session."""
ENCRYPTED = (PayloadType.OUTPUT, PayloadType.STDERR, PayloadType.EXIT_CODE)


class Stream(Enum):
    """The stream that bytes of the session belong to."""

    OUT = auto()
    ERR = auto()


@dataclass(frozen=True, slots=True)
class Ready:
    """The session accepts input from now on.

    Attributes:
        session_type: as the agent named it; empty for shells, which have no handshake.
        agent_version: empty for shells.
    """

    session_type: str
    properties: Mapping[str, Any]
    agent_version: str


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of the session, in order."""

    stream: Stream
    data: bytes


@dataclass(frozen=True, slots=True)
class ExitCode:
    """The command's exit status; -1 for a signal."""

    status: int


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag of the agent: 3 means that a port could not be reached."""

    number: int


@dataclass(frozen=True, slots=True)
class Notice:
    """A text for the user, from the session's settings."""

    text: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The end of the session; `reason` is empty for an ordinary end."""

    reason: str

    @property
    def words(self) -> str:
        """The reason in one line."""
        return in_one_line(self.reason)


Event = Ready | Data | ExitCode | Flag | Notice | Closed


class Channel:
    """The client's side of one session.

    Args:
        target: as passed to StartSession; encryption is bound to it.
        make_key: fetches the key of an encrypted session; None where that is impossible.
        clock_ms: returns the Unix time in milliseconds, which every message carries.

    Attributes:
        key_id: the KMS key of an encrypted session, as the agent named it; else empty.
        key_error: why the session's key could not be fetched; the agent then ends the session.
    """

    def __init__(
        self,
        session_id: str,
        target: str,
        make_key: MakeKey | None = None,
        clock_ms: Callable[[], int] = lambda: int(time.time() * 1000),
    ) -> None:
        self._clock_ms = clock_ms
        self._session_id = session_id
        self._target = target
        self._make_key = make_key
        self._client_id = str(uuid.uuid4())
        self._expected = 0
        self._next = 0
        self._early: dict[int, Message] = {}
        self._outbox = Outbox(GIVE_UP_AFTER_S)
        self._frames: deque[bytes] = deque()
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._cipher: Cipher | None = None
        self._handshake: Ready | None = None
        self.key_id = ""
        self.key_error: Exception | None = None
        self.is_ready = False
        self.is_closed = False

    def open_data_channel_message(self, token: str) -> str:
        """The first message of every connection, which is text."""
        return json.dumps(
            {
                "MessageSchemaVersion": "1.0",
                "RequestId": str(uuid.uuid4()),
                "TokenValue": token,
                "ClientId": self._client_id,
                "ClientVersion": CLIENT_VERSION,
            }
        )

    def receive(self, frame: bytes, now: float) -> list[Event]:
        """Process one frame. A damaged one is dropped unacknowledged, so that the agent sends it again."""
        try:
            received = wire.decode(frame)
        except MalformedMessage:
            return []
        if received.message_type == wire.OUTPUT:
            return self._stream(received, now)
        if received.message_type == wire.ACKNOWLEDGE:
            self._acknowledged(received.payload, now)
        elif received.message_type == wire.PAUSE:
            self._outbox.is_paused = True
        elif received.message_type == wire.START:
            self._outbox.resume(now)
        elif received.message_type == wire.CLOSED:
            self.is_closed = True
            return [Closed(_text(received.payload, "Output"))]
        # Other types belong to the agent's control channel, or to later versions.
        return []

    def send(self, data: bytes, now: float) -> None:
        """Send input; before the handshake it is queued, since the agent would discard it."""
        for start in range(0, len(data), wire.MOST_PAYLOAD):
            self._waiting.append((PayloadType.OUTPUT, data[start : start + wire.MOST_PAYLOAD]))
        self._flush(now)

    def send_flag(self, number: int, now: float) -> None:
        """Send a flag, after all earlier input."""
        self._waiting.append((PayloadType.FLAG, number.to_bytes(4, "big")))
        self._flush(now)

    def tick(self, now: float) -> list[Event]:
        """Run the timers: retransmit unacknowledged messages, and detect that the peer is gone."""
        if self._outbox.is_lost(now):
            self.is_closed = True
            return [Closed(f"nothing was acknowledged for {GIVE_UP_AFTER_S:.0f} s")]
        again = self._outbox.due(now)
        if again is not None:
            self._frames.append(again)
        self._flush(now)
        return []

    def suspend_liveness_timeout(self, now: float) -> None:
        """Suspend the inactivity timeout while a slow reader applies back-pressure."""
        self._outbox.suspend_liveness_timeout(now)

    def reconnected(self, now: float) -> None:
        """Continue on a new connection: send again all that the lost one may have dropped."""
        self._frames.clear()
        self._frames.extend(self._outbox.again(now))

    def frames(self) -> list[bytes]:
        """The frames to write to the connection now, in order."""
        due = list(self._frames)
        self._frames.clear()
        return due

    @property
    def has_frames(self) -> bool:
        """Whether there are frames to write."""
        return bool(self._frames)

    @property
    def has_gap(self) -> bool:
        """Whether later messages of the agent have come than one that is missing."""
        return bool(self._early)

    def next_at(self) -> float | None:
        """The earliest time at which `tick` has something to do."""
        return self._outbox.next_at()

    @property
    def unsent(self) -> int:
        """The number of messages that are queued or unacknowledged: the measure for a sender's pace."""
        return len(self._waiting) + len(self._outbox)

    def _stream(self, received: Message, now: float) -> list[Event]:
        self._outbox.resume(now)
        if received.sequence > self._expected and len(self._early) >= MOST_EARLY:
            return []
        # Duplicates too: an earlier acknowledgement may have been lost, and the agent waits for it.
        self._acknowledge(received)
        if received.sequence >= self._expected:
            self._early.setdefault(received.sequence, received)
        events: list[Event] = []
        while self._expected in self._early:
            events += self._process(self._early.pop(self._expected), now)
            self._expected += 1
        return events

    def _process(self, received: Message, now: float) -> list[Event]:
        """Process one message that is in sequence."""
        kind, payload = received.payload_type, received.payload
        if kind == PayloadType.HANDSHAKE_REQUEST:
            try:
                self._answer_handshake(payload, now)
            except (ValueError, KeyError, TypeError, AttributeError):
                self.is_closed = True
                return [Closed("the agent's handshake is not one of this protocol")]
            return []
        if kind == PayloadType.ENCRYPTION_CHALLENGE:
            return self._answer_challenge(payload, now)
        if kind == PayloadType.HANDSHAKE_COMPLETE:
            return self._complete(payload, now)
        events: list[Event] = []
        if not self.is_ready:
            # A shell has no handshake.
            events.append(self._become_ready(now))
        if kind in ENCRYPTED and self._cipher is not None:
            try:
                payload = self._cipher.decrypt(payload)
            except Unreadable as error:
                self.is_closed = True
                return [Closed(str(error))]
        if kind == PayloadType.OUTPUT:
            events.append(Data(Stream.OUT, payload))
        elif kind == PayloadType.STDERR:
            events.append(Data(Stream.ERR, payload))
        elif kind == PayloadType.EXIT_CODE:
            events += _exit_code(payload)
        elif kind == PayloadType.FLAG and len(payload) == 4:
            events.append(Flag(int.from_bytes(payload, "big")))
        return events

    def _answer_handshake(self, payload: bytes, now: float) -> None:
        request = json.loads(payload)
        session_type, answers = "", []
        properties: Mapping[str, Any] = {}
        for action in request.get("RequestedClientActions") or []:
            status, result, error = UNSUPPORTED, None, ""
            if action["ActionType"] == "SessionType":
                status = SUCCESS
                session_type = action["ActionParameters"].get("SessionType", "")
                properties = action["ActionParameters"].get("Properties") or {}
            elif action["ActionType"] == "KMSEncryption":
                status, result, error = self._agree(action["ActionParameters"])
            answers.append(
                {
                    "ActionType": action["ActionType"],
                    "ActionStatus": status,
                    "ActionResult": result,
                    "Error": error,
                }
            )
        self._handshake = Ready(session_type, properties, request.get("AgentVersion", ""))
        carries_one = session_type == "Port" and not is_above(
            self._handshake.agent_version, SMUX_AFTER
        )
        version = WITHOUT_SMUX if carries_one else CLIENT_VERSION
        answer = {"ClientVersion": version, "ProcessedClientActions": answers, "Errors": None}
        self._put(PayloadType.HANDSHAKE_RESPONSE, json.dumps(answer).encode(), now)

    def _agree(self, parameters: Mapping[str, str]) -> tuple[int, dict[str, Any] | None, str]:
        self.key_id = parameters.get("KMSKeyId", "")
        if self._make_key is None:
            return FAILED, None, "no right to fetch the session's key"
        try:
            self._cipher, result = agree(parameters, self._session_id, self._target, self._make_key)
        except Exception as error:
            self.key_error = error
            # The agent writes the text to the session's history.
            return FAILED, None, f"kms:GenerateDataKey failed: {type(error).__name__}"
        return SUCCESS, result, ""

    def _answer_challenge(self, payload: bytes, now: float) -> list[Event]:
        try:
            answer = self._cipher.answer(payload) if self._cipher else b"{}"
        except (Unreadable, ValueError, KeyError):
            self.is_closed = True
            return [Closed("the agent does not have this session's key")]
        self._put(PayloadType.ENCRYPTION_ANSWER, answer, now)
        return []

    def _complete(self, payload: bytes, now: float) -> list[Event]:
        notice = _text(payload, "CustomerMessage")
        events: list[Event] = [self._become_ready(now)]
        return [*events, Notice(notice)] if notice else events

    def _become_ready(self, now: float) -> Ready:
        self.is_ready = True
        self._flush(now)
        return self._handshake or Ready("", {}, "")

    def _flush(self, now: float) -> None:
        """Send queued messages, as far as the agent keeps up."""
        while self.is_ready and self._waiting and not self._outbox.is_full:
            kind, payload = self._waiting.popleft()
            if kind == PayloadType.OUTPUT and self._cipher is not None:
                payload = self._cipher.encrypt(payload)
            self._put(kind, payload, now)

    def _put(self, kind: int, payload: bytes, now: float) -> None:
        frame = wire.encode(self._build_message(wire.INPUT, self._next, kind, payload))
        self._outbox.add(self._next, frame, now)
        self._next += 1
        self._frames.append(frame)

    def _acknowledge(self, received: Message) -> None:
        content = {
            "AcknowledgedMessageType": received.message_type,
            "AcknowledgedMessageId": str(received.message_id),
            "AcknowledgedMessageSequenceNumber": received.sequence,
            "IsSequentialMessage": True,
        }
        payload = json.dumps(content).encode()
        acknowledgement = self._build_message(
            wire.ACKNOWLEDGE, 0, PayloadType.NONE, payload, ACKNOWLEDGE_FLAGS
        )
        self._frames.append(wire.encode(acknowledgement))

    def _build_message(
        self, message_type: str, sequence: int, kind: int, payload: bytes, flags: int = 0
    ) -> Message:
        created = self._clock_ms()
        return Message(message_type, sequence, kind, payload, uuid.uuid4(), created, flags)

    def _acknowledged(self, payload: bytes, now: float) -> None:
        self._outbox.resume(now)
        try:
            content = json.loads(payload)
            sequence = int(content["AcknowledgedMessageSequenceNumber"])
        except (ValueError, KeyError, TypeError):
            return
        self._outbox.acknowledge(sequence, now)
        self._flush(now)


def in_one_line(reason: str) -> str:
    """A reason as one line, without its line ends and the rows of dashes that agents put around it."""
    return " ".join(reason.replace("-", " ").split())


def is_above(version: str, limit: tuple[int, ...]) -> bool:
    """Whether an agent is newer than a version; False for a version that cannot be parsed."""
    try:
        parts = tuple(int(part) for part in version.split("."))
    except ValueError:
        return False
    return len(parts) == len(limit) and parts > limit


def _exit_code(payload: bytes) -> list[Event]:
    label, _, number = payload.decode("ascii", "replace").partition(":")
    try:
        return [ExitCode(int(number))] if label == "EXIT_CODE" else []
    except ValueError:
        return []


def _text(payload: bytes, key: str) -> str:
    try:
        return str(json.loads(payload).get(key) or "")
    except (ValueError, AttributeError):
        return ""
