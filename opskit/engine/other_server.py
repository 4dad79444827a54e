"""Recognizes a server that does not speak the database's protocol, by the first bytes that it sends.

Sources: RFC 9112 (HTTP), RFC 9113 (the SETTINGS frame of HTTP/2), RFC 4253 (SSH), RFC 8446 (TLS records),
the MySQL client/server protocol (initial handshake, ERR packet), the Redis serialization protocol, RFC 5321.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from opskit.engine.interface import ExchangeResult
from opskit.url_userinfo import cut_user_info

HTTP_REQUEST = "http-request"
"""Name of the exchange that asks a silent server for a page."""
TLS_HELLO = "tls-hello"
"""Name of the exchange that begins TLS at once with a silent server."""
SHOWN = 48
"""Bytes that are shown: enough for a banner or a status line."""
SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (rb"HTTP/\d|\s*<(!doctype|html)", "an HTTP server"),
    (rb"\x00\x00[\x00-\xff]\x04\x00\x00\x00\x00\x00", "an HTTP/2 server"),
    (rb"SSH-\d", "an SSH server"),
    (rb"[\x00-\xff]{3}\x00(\x0a[\x20-\x7e]+\x00|\xff)", "a MySQL or MariaDB server"),
    (rb"-(ERR|NOAUTH|DENIED|LOADING|WRONGTYPE|MISCONF)\b", "a Redis server"),
    (rb"[\x15\x16]\x03[\x00-\x04]", "a TLS server"),
    (rb"(220|421|554)[ -]", "a mail or FTP server"),
    (rb"AMQP", "a message broker (AMQP)"),
    (rb"RFB \d", "a VNC server"),
)
"""The first pattern that the first bytes match decides; letters of both cases match."""


@dataclass(frozen=True, slots=True)
class OtherServer:
    """A server that is not the database's.

    Attributes:
        what: a noun phrase with its article, for a sentence with "is".
        evidence: what it sent, in visible characters.
        is_silent: it accepted the connection and sent nothing that tells what it is.
    """

    what: str
    evidence: str
    is_silent: bool = False


def recognize(heard: Mapping[str, ExchangeResult]) -> OtherServer | None:
    """The server behind the replies of the exchanges; None where none was held.

    Args:
        heard: replies that the engine does not understand, by the exchange's name.
    """
    sent = max((r.parts[0] for r in heard.values() if r.parts), key=len, default=b"")
    if sent:
        matches = (what for pattern, what in SIGNATURES if re.match(pattern, sent, re.I | re.S))
        what = next(matches, "a server of another protocol")
        return OtherServer(what, f"its first bytes: {_shown(sent)}")
    hello = heard.get(TLS_HELLO)
    if hello is not None and hello.tls_version:
        return OtherServer("a TLS server", f"it begins with TLS at once ({hello.tls_version})")
    if not heard:
        return None
    waited = any(result.error == "timeout" for result in heard.values())
    how = "it sent nothing in 3 s" if waited else "it closed the connection without a byte"
    return OtherServer("a server that says nothing", how, is_silent=True)


def _shown(sent: bytes) -> str:
    """The beginning of the first line, without login names and passwords of URLs."""
    first = sent[:SHOWN].split(b"\r\n", 1)[0]
    return cut_user_info(repr(first)[2:-1])
