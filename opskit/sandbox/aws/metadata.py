"""The instance metadata service, version 2, for the app instance."""

from __future__ import annotations

import json
import secrets
import socket
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from opskit.sandbox import topology
from opskit.sandbox.aws.ssm import role_of

LIFE_S = 3600
LONGEST_TOKEN_S = 21_600
USUAL_HOPS = 64
TOKEN, TOKEN_LIFE = "HTTP_X_AWS_EC2_METADATA_TOKEN", "HTTP_X_AWS_EC2_METADATA_TOKEN_TTL_SECONDS"
TOKEN_LIFE_HEADER = "X-aws-ec2-metadata-token-ttl-seconds"
Start = Callable[..., Any]


class MetadataService:
    """A WSGI application for 169.254.169.254.

    Args:
        prefix: begins every path. It is secret where every local user can reach the port; only processes
            of the instance receive it.
    """

    def __init__(self, instance: Callable[[], Any], prefix: str = "") -> None:
        self._instance = instance
        self._prefix = prefix.encode()
        self._issued: dict[tuple[str, str], dict[str, str]] = {}
        self._tokens: dict[str, float] = {}
        """Token -> its expiry."""

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Answer one request."""
        whole = environ["PATH_INFO"].encode("latin-1")
        length = len(self._prefix)
        if not secrets.compare_digest(whole[:length], self._prefix):
            return _reply(start, "", "404 Not Found")
        path = whole[length:].decode("latin-1")
        _limit_hops(environ, USUAL_HOPS)
        if path == topology.TASK_PATH:
            return self._for_task(start)
        if path == "/latest/api/token" and environ["REQUEST_METHOD"] == "PUT":
            return self._give_token(environ, start)
        if self._tokens.get(environ.get(TOKEN, ""), 0.0) < time.monotonic():
            return _reply(start, "", "401 Unauthorized")
        text = self._find(path.removeprefix("/latest/"))
        return _reply(start, text) if text is not None else _reply(start, "", "404 Not Found")

    def reset(self) -> None:
        """Issue new credentials at the next request: the issued ones are forgotten with all sessions."""
        self._issued.clear()
        self._tokens.clear()

    def _give_token(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Issue a token for the requested time; none to a proxy, as on AWS."""
        if "HTTP_X_FORWARDED_FOR" in environ:
            return _reply(start, "", "403 Forbidden")
        lifetime = environ.get(TOKEN_LIFE, "")
        if not (lifetime.isascii() and lifetime.isdigit() and 0 < int(lifetime) <= LONGEST_TOKEN_S):
            return _reply(start, "", "400 Bad Request")
        instance = self._instance()
        if instance is not None:
            _limit_hops(environ, instance.metadata_options.http_put_response_hop_limit)
        now, token = time.monotonic(), secrets.token_urlsafe(32)
        kept = {
            kept_token: until for kept_token, until in list(self._tokens.items()) if until > now
        }
        self._tokens = {**kept, token: now + int(lifetime)}
        return _reply(start, token, life=lifetime)

    def _for_task(self, start: Start) -> Iterable[bytes]:
        instance = self._instance()
        role = role_of(instance) if instance is not None else None
        if role is None:
            return _reply(start, "", "404 Not Found")
        return _reply(start, json.dumps(self._credentials(role.name, topology.TASK_SESSION)))

    def _find(self, path: str) -> str | None:
        instance = self._instance()
        base = "meta-data/iam/security-credentials"
        role = role_of(instance) if instance is not None else None
        if path.rstrip("/") == base:
            return role.name if role else None
        if role is not None and path == f"{base}/{role.name}":
            return json.dumps(self._credentials(role.name, instance.id))
        return {
            "meta-data/instance-id": getattr(instance, "id", None),
            "meta-data/placement/region": topology.REGION,
            "dynamic/instance-identity/document": json.dumps({"region": topology.REGION}),
        }.get(path)

    def _credentials(self, role: str, session: str) -> dict[str, str]:
        """The same credentials for an hour, as on AWS, and new ones for another role."""
        if (role, session) not in self._issued:
            from moto.sts.models import sts_backends

            arn = f"arn:aws:iam::{topology.ACCOUNT}:role/{role}"
            assumed = sts_backends[topology.ACCOUNT]["aws"].assume_role(
                region_name=topology.REGION,
                role_session_name=session,
                role_arn=arn,
                policy="",
                duration=LIFE_S,
                external_id="",
            )
            ends = datetime.now(UTC) + timedelta(seconds=LIFE_S)
            self._issued[role, session] = {
                "Code": "Success",
                "Type": "AWS-HMAC",
                "AccessKeyId": assumed.access_key_id,
                "SecretAccessKey": assumed.secret_access_key,
                "Token": assumed.session_token,
                "LastUpdated": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
                "Expiration": f"{ends:%Y-%m-%dT%H:%M:%SZ}",
            }
        return self._issued[role, session]


def _limit_hops(environ: dict[str, Any], hops: int) -> None:
    """Let the packets of the answer end after some hops; the connection serves other requests after it."""
    connection: socket.socket | None = environ.get("werkzeug.socket")
    if connection is not None:
        connection.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, hops)


def _reply(start: Start, text: str, status: str = "200 OK", life: str = "") -> list[bytes]:
    data = text.encode()
    more = [(TOKEN_LIFE_HEADER, life)] if life else []
    start(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(data))), *more])
    return [data]
