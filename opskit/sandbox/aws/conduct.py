"""What goes wrong on purpose: delays, throttling, errors and lost replies, by service and action."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KINDS = ("throttle", "error", "lost", "slow", "expired", "disorder")


@dataclass(slots=True)
class Injection:
    """One thing that goes wrong.

    Attributes:
        kind: throttle, error (5xx), lost (applied, but nobody is told), slow, expired (credentials).
            For a session's connection (`ssmmessages`, `DataChannel`): error refuses the upgrade,
            expired its token, lost cuts it after some frames, slow delays every frame, disorder
            doubles and swaps them.
        service, action: `*` for all.
        times: how often; None for as long as it is there.
        seconds: for slow.
    """

    kind: str
    service: str = "*"
    action: str = "*"
    times: int | None = None
    seconds: float = 1.0


@dataclass
class Conduct:
    """The injections in force, and the calls that were made."""

    latency_s: float = 0.0
    injections: list[Injection] = field(default_factory=list)
    calls: list[tuple[float, str, str]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, service: str, action: str) -> Injection | None:
        """The injection that hits this call, counted down."""
        with self._lock:
            for one in self.injections:
                if one.service in ("*", service) and one.action in ("*", action) and one.times != 0:
                    if one.times is not None:
                        one.times -= 1
                    return one
        return None

    def replace(self, rows: list[Mapping[str, Any]]) -> None:
        """Put other injections in force."""
        wrong = [row["kind"] for row in rows if row["kind"] not in KINDS]
        if wrong:
            raise ValueError(f"unknown kind {wrong[0]}; known: {', '.join(KINDS)}")
        with self._lock:
            self.injections = [Injection(**row) for row in rows]


THROTTLE_CODES = {
    "json": "ThrottlingException",
    "query": "Throttling",
    "ec2": "RequestLimitExceeded",
}
EXPIRED_CODES = {"json": "ExpiredTokenException", "query": "ExpiredToken", "ec2": "RequestExpired"}
UNKNOWN_KEY_CODES = {
    "json": "UnrecognizedClientException",
    "query": "InvalidClientTokenId",
    "ec2": "AuthFailure",
}
DENIED_CODES = {
    "json": "AccessDeniedException",
    "query": "AccessDenied",
    "ec2": "UnauthorizedOperation",
}
"""JSON services, query services and EC2 have a word each for the same thing."""


def error_body(protocol: str, code: str, message: str) -> tuple[str, bytes]:
    """Content type and body of an error in a protocol's form."""
    import json
    from xml.sax.saxutils import escape

    if protocol == "json":
        return "application/x-amz-json-1.1", json.dumps(
            {"__type": code, "message": message}
        ).encode()
    inner = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
    if protocol == "ec2":
        text = (
            f"<Response><Errors><Error>{inner}</Error></Errors><RequestID>0</RequestID></Response>"
        )
    else:
        error = f"<Error><Type>Sender</Type>{inner}</Error>"
        text = f"<ErrorResponse>{error}<RequestId>0</RequestId></ErrorResponse>"
    return "text/xml", text.encode()
