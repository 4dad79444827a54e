"""Injects faults by service and action: delays, throttling, errors and lost replies."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

KINDS = ("throttle", "error", "lost", "slow", "expired", "disorder", "late", "hold", "stale")
SIGNATURE_LIFE_S = 300.0
SHORT_LIFE_S = 1.5
"""The validity of signatures that may do harm when they arrive late: short enough for tests to wait."""
SHORT_LIVED = frozenset({"PutParameter", "ModifyDBInstance", "ModifyDBCluster"})
CHANGES = SHORT_LIVED | {"LabelParameterVersion", "DeleteParameter"}
HELD_FOR_S = 60.0
STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(slots=True)
class Injection:
    """One injected fault.

    Attributes:
        kind: throttle, error (5xx), lost (applied, but without a reply), slow, expired (credentials), late
            (an error at once, but applied `seconds` later), hold (paused before or after it is applied,
            until it is released), stale (reads do not show younger writes).
            For a session's connection (`ssmmessages`, `DataChannel`): error rejects the upgrade,
            expired rejects its token, lost cuts it after some frames, slow delays every frame,
            disorder duplicates and swaps them.
        service, action: `*` for all; the action `changes` for all that write a password or a record.
        name: a part of the parameter's name; empty for all.
        skip: number of matching calls that pass first.
        times: number of hits; None for no limit.
        seconds: for slow, late and stale.
        after: for hold: whether the call is applied first.
        share: of 100 matching calls, evenly distributed.
    """

    kind: str
    service: str = "*"
    action: str = "*"
    name: str = ""
    skip: int = 0
    times: int | None = None
    seconds: float = 1.0
    after: bool = False
    share: int = 100
    seen: int = 0

    def hits(self, service: str, action: str, name: str) -> bool:
        """Whether it hits this call, which is counted."""
        actions = CHANGES if self.action == "changes" else {"*", action} & {self.action}
        fits = self.service in ("*", service) and bool({"*", action} & actions)
        if not fits or self.name not in name or self.times == 0:
            return False
        self.seen += 1
        if (
            self.seen <= self.skip
            or (self.seen * self.share) // 100 == ((self.seen - 1) * self.share) // 100
        ):
            return False
        if self.times is not None:
            self.times -= 1
        return True


class PausedCall:
    """One call that is paused."""

    def __init__(self) -> None:
        self._released = threading.Event()
        self._is_dropped = False

    def wait(self) -> bool:
        """Wait until it is released; returns whether it continues."""
        self._released.wait(HELD_FOR_S)
        return not self._is_dropped

    def release(self, *, is_dropped: bool) -> None:
        """Let it continue, or drop it."""
        self._is_dropped = is_dropped
        self._released.set()


@dataclass
class FaultInjector:
    """The injections in force, and the calls that were made."""

    latency_s: float = 0.0
    injections: list[Injection] = field(default_factory=list)
    calls: list[tuple[float, str, str]] = field(default_factory=list)
    paused: list[PausedCall] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    """The kinds of applied calls that write a password or a record, never their values."""
    _late: list[threading.Timer] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def apply_late(self, seconds: float, apply: Callable[[], object]) -> None:
        """Apply a call after its client has been told that it failed."""
        timer = threading.Timer(seconds, apply)
        timer.daemon = True
        with self._lock:
            self._late = [t for t in self._late if t.is_alive()]
            self._late.append(timer)
        timer.start()

    def reset(self) -> None:
        """Forget the injections and the calls; what is paused or late is never applied."""
        self.replace([])
        self.release(is_dropped=True)
        with self._lock:
            for timer in self._late:
                timer.cancel()
            self._late = []
            self.calls, self.changes = [], []

    def take(self, service: str, action: str, name: str = "") -> Injection | None:
        """The injection that hits this call; decrements its counter."""
        with self._lock:
            return next(
                (
                    injection
                    for injection in self.injections
                    if injection.hits(service, action, name)
                ),
                None,
            )

    def hold(self) -> bool:
        """Pause the current call until it is released; returns whether it continues."""
        call = PausedCall()
        with self._lock:
            self.paused.append(call)
        return call.wait()

    def release(self, *, is_dropped: bool) -> None:
        """Release every paused call."""
        with self._lock:
            calls, self.paused = self.paused, []
        for call in calls:
            call.release(is_dropped=is_dropped)

    def replace(self, rows: list[Mapping[str, Any]]) -> None:
        """Replace the injections in force."""
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
ANONYMOUS_CODES = {
    "json": "MissingAuthenticationTokenException",
    "query": "MissingAuthenticationToken",
    "ec2": "MissingAuthenticationToken",
}
INCOMPLETE_CODES = {
    "json": "IncompleteSignatureException",
    "query": "IncompleteSignature",
    "ec2": "IncompleteSignature",
}
MISMATCH_CODES = {
    "json": "InvalidSignatureException",
    "query": "SignatureDoesNotMatch",
    "ec2": "AuthFailure",
}
DENIED_CODES = {
    "json": "AccessDeniedException",
    "query": "AccessDenied",
    "ec2": "UnauthorizedOperation",
}
"""JSON services, query services and EC2 have different codes for it."""
SIGNATURE_CODES = {
    "json": "InvalidSignatureException",
    "query": "SignatureDoesNotMatch",
    "ec2": "RequestExpired",
}


def too_old(stamp: str, action: str, life_s: float | None = None) -> str:
    """AWS's message for a request whose signature is too old or in the future; else empty.

    Args:
        life_s: the validity of a presigned URL, which states its own.
    """
    from datetime import UTC, datetime

    try:
        signed = datetime.strptime(stamp, STAMP).replace(tzinfo=UTC)
    except ValueError:
        return ""
    now, life = datetime.now(UTC), SHORT_LIFE_S if action in SHORT_LIVED else SIGNATURE_LIFE_S
    # A presigned URL's validity never extends the short one that tests rely on.
    life = life if life_s is None or action in SHORT_LIVED else life_s
    age = (now - signed).total_seconds()
    message = now.strftime(STAMP)
    if age > life:
        return f"Signature expired: {stamp} is now earlier than {message} ({message} - {life:.0f} sec.)"
    if age < -SIGNATURE_LIFE_S:
        return (
            f"Signature not yet current: {stamp} is still later than {message} ({message} + 5 min.)"
        )
    return ""


def error_body(protocol: str, code: str, message: str) -> tuple[str, bytes]:
    """Content type and body of an error in a protocol's format."""
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
