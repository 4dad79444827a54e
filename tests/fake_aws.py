"""AWS clients for tests: the base class of fakes, and a typed client of the local AWS server."""

from __future__ import annotations

from typing import Any

from opskit.aws import Aws, Client


class FakeClient:
    """Base class of fake clients: a subclass defines the operations that its test needs."""

    def __getattr__(self, operation: str) -> Any:
        raise AttributeError(f"{type(self).__name__} has no {operation}")


def client_of(aws: Aws, service: str) -> Client:
    """The client of a service that has one in the AWS SDK."""
    client = aws.client(service)
    assert isinstance(client, Client)
    return client
