"""The agent's side of one session's data channel, sans I/O.

Like the real agent, it acknowledges after processing, repeats its oldest unacknowledged message, discards
messages before the handshake is complete, and leaves input unacknowledged until its consumer is ready.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import struct
import uuid
from collections.abc import Callable
from typing import Any

RESEND_S = 0.2
VERSION = "3.3.987.0"
CHALLENGES_FROM = (3, 3, 808, 0)
"""The first agent version that puts a random challenge into the encryption context."""
ONE_STREAM_UP_TO = (3, 0, 196, 0)
ONE_STREAM_CLIENTS = (1, 1, 70)
"""Older agents, and clients that report an older version, have port sessions without streams."""
HANDSHAKE_FAILED = "Encountered error while initiating handshake. "
Frame = bytes
OpenKey = Callable[[bytes, str], bytes]
"""(encrypted key, acknowledged challenge or empty) -> plain key; an error's text goes to the client."""


def numbers(version: str) -> tuple[int, ...]:
    """A version as a tuple of numbers."""
    return tuple(int(part) for part in version.split("."))


def pack(name: str, sequence: int, kind: int, payload: bytes, flags: int = 0) -> Frame:
    """A message with the full header, its name padded with blanks."""
    identity = uuid.uuid4().bytes
    parts = [
        struct.pack(">I", 116),
        name.encode().ljust(32, b" "),
        struct.pack(">IQqQ", 1, 1_700_000_000_000, sequence, flags),
        identity[8:16],
        identity[0:8],
        hashlib.sha256(payload).digest(),
        struct.pack(">II", kind, len(payload)),
        payload,
    ]
    return b"".join(parts)


def pack_closed(output: str) -> Frame:
    """The gateway's own channel_closed message: a shorter header, and the name padded with NUL."""
    payload = json.dumps({"MessageType": "channel_closed", "Output": output}).encode()
    head = struct.pack(">I", 112) + b"channel_closed".ljust(32, b"\0")
    head += struct.pack(">IQqQ", 1, 1_700_000_000_000, 0, 0) + uuid.uuid4().bytes
    return head + hashlib.sha256(payload).digest() + struct.pack(">I", len(payload)) + payload


def unpack(frame: Frame) -> tuple[str, int, int, bytes]:
    """Name, sequence number, payload type and payload of a client's message."""
    name = frame[4:36].decode().strip()
    sequence = struct.unpack(">q", frame[48:56])[0]
    kind, length = struct.unpack(">II", frame[112:120])
    payload = frame[120 : 120 + length]
    if hashlib.sha256(payload).digest() != frame[80:112]:
        raise ValueError("digest")
    return name, sequence, kind, payload


class AgentSide:
    """The agent's side of one session.

    Args:
        session_type: `NonInteractiveCommands`, `InteractiveCommands`, `Port`, or empty for a shell.
        key: for an encrypted session: the key id, and the function that decrypts the client's key.
        on_input: called with every payload of the client, in order: (payload type, bytes).
        accepts_input: whether input can be accepted now; until then it stays unacknowledged.
        version: of the agent.
    """

    def __init__(
        self,
        session_type: str,
        on_input: Callable[[int, bytes], None],
        *,
        properties: dict[str, Any] | None = None,
        key: tuple[str, OpenKey] | None = None,
        accepts_input: Callable[[], bool] = lambda: True,
        version: str = VERSION,
    ) -> None:
        self._type = session_type
        self._on_input = on_input
        self._properties = properties
        self._key = key
        self._accepts_input = accepts_input
        self._version = version
        self._asked = ""
        self._sequence = 0
        self._expected = 0
        self._pending: dict[int, tuple[int, bytes]] = {}
        self._unacknowledged: dict[int, tuple[Frame, float]] = {}
        self._out: list[Frame] = []
        self._ciphers: tuple[Any, Any] | None = None
        self._challenge = b""
        self.client_version = ""
        self.is_open = False
        self.failure = ""

    def begin(self, now: float) -> None:
        """Request the handshake, where the session type has one."""
        if self._type in ("", "InteractiveCommands") and self._key is None:
            self.is_open = True
            return
        actions: list[dict[str, Any]] = [
            {
                "ActionType": "SessionType",
                "ActionParameters": {"SessionType": self._type, "Properties": self._properties},
            }
        ]
        if self._key is not None:
            parameters = {"KMSKeyId": self._key[0]}
            if numbers(self._version) >= CHALLENGES_FROM:
                self._asked = base64.b64encode(os.urandom(16)).decode()
                parameters["Challenge"] = self._asked
            actions.append({"ActionType": "KMSEncryption", "ActionParameters": parameters})
        request = {"AgentVersion": self._version, "RequestedClientActions": actions}
        self._send(5, json.dumps(request).encode(), now)

    def send(self, kind: int, data: bytes, now: float) -> None:
        """Send the session's output, in pieces of the agent's size."""
        for start in range(0, len(data), 1024) or [0]:
            part = data[start : start + 1024]
            if self._ciphers is not None and kind in (1, 11, 12):
                nonce = os.urandom(12)
                part = nonce + self._ciphers[0].encrypt(nonce, part, None)
            self._send(kind, part, now)

    def receive(self, frame: Frame, now: float) -> None:
        """Process one message of the client."""
        try:
            name, sequence, kind, payload = unpack(frame)
        except (ValueError, struct.error):
            return
        if name == "acknowledge":
            number = json.loads(payload)["AcknowledgedMessageSequenceNumber"]
            self._unacknowledged.pop(number, None)
        elif name == "input_stream_data":
            if sequence < self._expected:
                self._acknowledge(sequence)
            else:
                self._pending.setdefault(sequence, (kind, payload))
                if sequence > self._expected:
                    self._acknowledge(sequence)
            self._drain(now)

    def tick(self, now: float) -> None:
        """Repeat the oldest unacknowledged message, and process input that can be accepted by now."""
        if self._unacknowledged:
            oldest = min(self._unacknowledged)
            frame, sent_at = self._unacknowledged[oldest]
            if now - sent_at >= RESEND_S:
                self._unacknowledged[oldest] = (frame, now)
                self._out.append(frame)
        self._drain(now)

    def frames(self) -> list[Frame]:
        """The frames to write now."""
        due, self._out = self._out, []
        return due

    @property
    def has_one_stream(self) -> bool:
        """Whether a port session has no multiplexing; known after the handshake."""
        is_old = numbers(self._version) <= ONE_STREAM_UP_TO
        return is_old or numbers(self.client_version) < ONE_STREAM_CLIENTS

    @property
    def is_settled(self) -> bool:
        """Whether the client has acknowledged everything."""
        return not self._unacknowledged

    @property
    def backlog(self) -> int:
        """The number of messages that the client has not acknowledged."""
        return len(self._unacknowledged)

    def _drain(self, now: float) -> None:
        while self._expected in self._pending:
            kind, payload = self._pending[self._expected]
            if self.is_open and kind not in (6, 9) and not self._accepts_input():
                return
            del self._pending[self._expected]
            self._process(kind, payload, now)
            self._acknowledge(self._expected)
            self._expected += 1

    def _process(self, kind: int, payload: bytes, now: float) -> None:
        if kind == 6:
            self._shake(json.loads(payload), now)
        elif kind == 9:
            self._check(payload, now)
        elif self.is_open:
            if kind == 1 and self._ciphers is not None:
                payload = self._ciphers[1].decrypt(payload[:12], payload[12:], None)
            self._on_input(kind, payload)

    def _shake(self, response: dict[str, Any], now: float) -> None:
        self.client_version = response["ClientVersion"]
        for action in response["ProcessedClientActions"]:
            if action["ActionStatus"] != 1:
                self.failure = HANDSHAKE_FAILED + (
                    f"{action['ActionType']} failed on client with status "
                    f"{action['ActionStatus']} error: {action['Error']}"
                )
                return
            if action["ActionType"] == "KMSEncryption":
                self._start_encryption(action["ActionResult"], now)
                return
        self._complete("", now)

    def _start_encryption(self, result: dict[str, Any], now: float) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        assert self._key is not None
        acknowledged = self._asked if result.get("ChallengeAcknowledgement") else ""
        try:
            plain = self._key[1](base64.b64decode(result["KMSCipherTextKey"]), acknowledged)
        except Exception as error:
            self.failure = (
                f"{HANDSHAKE_FAILED}Fetching data key failed: Unable to retrieve data key, "
                f"Error when decrypting data key {error}"
            )
            return
        theirs, ours = AESGCM(plain[32:]), AESGCM(plain[:32])
        self._ciphers = (ours, theirs)
        self._challenge = os.urandom(64)
        nonce = os.urandom(12)
        sealed = base64.b64encode(nonce + ours.encrypt(nonce, self._challenge, None)).decode()
        self._send(8, json.dumps({"Challenge": sealed}).encode(), now)

    def _check(self, payload: bytes, now: float) -> None:
        assert self._ciphers is not None
        answer = base64.b64decode(json.loads(payload)["Challenge"])
        if self._ciphers[1].decrypt(answer[:12], answer[12:], None) != self._challenge:
            self.failure = HANDSHAKE_FAILED + "the challenge was not answered"
            return
        self._complete("This session is encrypted using AWS KMS.", now)

    def _complete(self, notice: str, now: float) -> None:
        content = {"HandshakeTimeToComplete": 1_000_000, "CustomerMessage": notice}
        self._send(7, json.dumps(content).encode(), now)
        self.is_open = True

    def _send(self, kind: int, payload: bytes, now: float) -> None:
        frame = pack("output_stream_data", self._sequence, kind, payload, int(self._sequence == 0))
        self._unacknowledged[self._sequence] = (frame, now)
        self._sequence += 1
        self._out.append(frame)

    def _acknowledge(self, sequence: int) -> None:
        content = {
            "AcknowledgedMessageType": "input_stream_data",
            "AcknowledgedMessageId": str(uuid.uuid4()),
            "AcknowledgedMessageSequenceNumber": sequence,
            "IsSequentialMessage": True,
        }
        self._out.append(pack("acknowledge", 0, 0, json.dumps(content).encode(), 3))
