"""The instance metadata service, version 2, as the app instance sees it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from opskit.sandbox import world
from opskit.sandbox.aws.ssm import role_of

LIFE_S = 3600
Start = Callable[..., Any]


class Metadata:
    """A WSGI application for 169.254.169.254."""

    def __init__(self, instance: Callable[[], Any]) -> None:
        self._instance = instance
        self._issued: dict[tuple[str, str], dict[str, str]] = {}

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Answer one request."""
        path = environ["PATH_INFO"]
        if path == world.TASK_PATH:
            return self._for_task(start)
        if path == "/latest/api/token" and environ["REQUEST_METHOD"] == "PUT":
            return _reply(start, "sandbox-token")
        if not environ.get("HTTP_X_AWS_EC2_METADATA_TOKEN"):
            return _reply(start, "", "401 Unauthorized")
        text = self._find(path.removeprefix("/latest/"))
        return _reply(start, text) if text is not None else _reply(start, "", "404 Not Found")

    def _for_task(self, start: Start) -> Iterable[bytes]:
        instance = self._instance()
        role = role_of(instance) if instance is not None else None
        if role is None:
            return _reply(start, "", "404 Not Found")
        return _reply(start, json.dumps(self._credentials(role.name, world.TASK_SESSION)))

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
            "meta-data/placement/region": world.REGION,
            "dynamic/instance-identity/document": json.dumps({"region": world.REGION}),
        }.get(path)

    def _credentials(self, role: str, session: str) -> dict[str, str]:
        """The same for an hour, as on AWS, and new for another role."""
        if (role, session) not in self._issued:
            from moto.sts.models import sts_backends

            arn = f"arn:aws:iam::{world.ACCOUNT}:role/{role}"
            assumed = sts_backends[world.ACCOUNT]["aws"].assume_role(
                region_name=world.REGION,
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


def _reply(start: Start, text: str, status: str = "200 OK") -> list[bytes]:
    data = text.encode()
    start(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(data)))])
    return [data]
