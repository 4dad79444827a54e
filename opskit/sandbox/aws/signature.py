"""Signature Version 4 as a service verifies it: in the header, and in the query of a presigned URL."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote

ALGORITHM = "AWS4-HMAC-SHA256"
SCOPE = r"(?P<key>\w+)/(?P<day>\d{8})/(?P<region>[a-z0-9-]+)/(?P<service>[a-z0-9-]+)/aws4_request"
HEADER = re.compile(
    rf"{ALGORITHM} Credential={SCOPE}, ?SignedHeaders=(?P<headers>[a-z0-9;-]+), ?"
    r"Signature=(?P<signature>[0-9a-f]{64})",
    re.ASCII,
)
CREDENTIAL = re.compile(SCOPE, re.ASCII)
STAMP = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
LONGEST_S = 604_800
"""A presigned URL is valid for seven days at most."""


class Missing(ValueError):
    """The request is not signed."""


class IncompleteSignature(ValueError):
    """The request's signature is incomplete or malformed."""


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """An HTTP request as it was sent.

    Attributes:
        target: path and query, still escaped.
        headers: name in lower case -> value; several values are joined with commas.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def query(self) -> list[tuple[str, str]]:
        """The parameters of the query, unescaped."""
        return parse_qsl(self.target.partition("?")[2], keep_blank_values=True)


@dataclass(frozen=True, slots=True)
class Signed:
    """The fields of a signature.

    Attributes:
        stamp: its time, as in `X-Amz-Date`.
        token: the session token of temporary credentials; empty for others.
        life_s: validity of a presigned URL in seconds; None where the header is signed.
    """

    key_id: str
    day: str
    region: str
    service: str
    names: tuple[str, ...]
    signature: str = field(repr=False)
    stamp: str
    token: str = field(repr=False)
    life_s: int | None = None

    @property
    def authorization(self) -> str:
        """The Authorization header with the same fields."""
        scope = f"{self.key_id}/{self.day}/{self.region}/{self.service}/aws4_request"
        names = ";".join(self.names)
        return f"{ALGORITHM} Credential={scope}, SignedHeaders={names}, Signature={self.signature}"


def of_wsgi(environ: Mapping[str, Any], body: bytes) -> SignedRequest:
    """The request of a WSGI environment."""
    headers = {
        name[5:].lower().replace("_", "-"): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if name in environ:
            headers[name.lower().replace("_", "-")] = environ[name]
    return SignedRequest(environ["REQUEST_METHOD"], environ["REQUEST_URI"], headers, body)


def read(request: SignedRequest) -> Signed:
    """Parse a request's signature; this verifies nothing.

    Raises:
        Missing: the request has none.
        IncompleteSignature: a part of it is missing or malformed.
    """
    header = request.headers.get("authorization")
    if header is None:
        return _read_query(dict(request.query))
    match = HEADER.fullmatch(header)
    stamp = request.headers.get("x-amz-date", "")
    if match is None or not STAMP.fullmatch(stamp):
        raise IncompleteSignature("Authorization header requires 'Credential', 'SignedHeaders' and "
                         "'Signature' parameters, and the request an 'X-Amz-Date' header.")  # fmt: skip
    return Signed(
        match["key"],
        match["day"],
        match["region"],
        match["service"],
        tuple(match["headers"].split(";")),
        match["signature"],
        stamp,
        request.headers.get("x-amz-security-token", ""),
    )


def _read_query(query: Mapping[str, str]) -> Signed:
    if "X-Amz-Signature" not in query:
        raise Missing
    match = CREDENTIAL.fullmatch(query.get("X-Amz-Credential", ""))
    stamp, expires = query.get("X-Amz-Date", ""), query.get("X-Amz-Expires", "")
    is_complete = (
        match is not None
        and query.get("X-Amz-Algorithm") == ALGORITHM
        and STAMP.fullmatch(stamp)
        and re.fullmatch("[0-9]{1,6}", expires)
        and 0 < int(expires) <= LONGEST_S
    )
    if match is None or not is_complete:
        raise IncompleteSignature("AWS query-string parameters must include 'X-Amz-Algorithm', "
                         "'X-Amz-Credential', 'X-Amz-Signature', 'X-Amz-SignedHeaders', "
                         "'X-Amz-Date' and 'X-Amz-Expires'.")  # fmt: skip
    return Signed(
        match["key"],
        match["day"],
        match["region"],
        match["service"],
        tuple(query.get("X-Amz-SignedHeaders", "").split(";")),
        query["X-Amz-Signature"],
        stamp,
        query.get("X-Amz-Security-Token", ""),
        int(expires),
    )


def is_valid(signed: Signed, request: SignedRequest, secret: str) -> bool:
    """Whether the signature was made for this request with this secret.

    `Host` and all `x-amz-` headers must be signed; the body always is.
    """
    own = {name for name in request.headers if name.startswith("x-amz-")}
    if not {"host", *own} <= set(signed.names) or signed.day != signed.stamp[:8]:
        return False
    digest = hashlib.sha256(request.body).hexdigest()
    if request.headers.get("x-amz-content-sha256", digest) != digest:
        return False
    scope = f"{signed.day}/{signed.region}/{signed.service}/aws4_request"
    request_digest = hashlib.sha256(_canonical(signed, request, digest).encode()).hexdigest()
    text = f"{ALGORITHM}\n{signed.stamp}\n{scope}\n{request_digest}"
    key = _signing_key(secret, signed.day, signed.region, signed.service)
    computed = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(computed.encode(), signed.signature.encode())


def _canonical(signed: Signed, request: SignedRequest, digest: str) -> str:
    """The canonical request."""
    query = request.query
    if signed.life_s is not None:
        query = [pair for pair in query if pair[0] != "X-Amz-Signature"]
    values = (" ".join(request.headers.get(name, "").split()) for name in signed.names)
    lines = [f"{name}:{value}" for name, value in zip(signed.names, values, strict=True)]
    return "\n".join(
        (
            request.method,
            _canonical_path(request.target.partition("?")[0]),
            _canonical_query(query),
            *lines,
            "",
            ";".join(signed.names),
            digest,
        )
    )


def _canonical_path(path: str) -> str:
    """An escaped path, normalized and escaped once more, as all services but S3 require."""
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            kept[-1:] = []
        elif part not in ("", "."):
            kept.append(part)
    end = "/" if kept and path.endswith("/") else ""
    return quote(f"/{'/'.join(kept)}{end}", safe="/~")


def _canonical_query(query: Iterable[tuple[str, str]]) -> str:
    pairs = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in query)
    return "&".join(f"{name}={value}" for name, value in pairs)


@lru_cache(maxsize=64)
def _signing_key(secret: str, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
