"""Clients of AWS for tests: a base for those that are made up, and a typed one for the sandbox's."""

from __future__ import annotations

from typing import Any

from opskit.aws import Aws, Client


class FakeClient:
    """A client with the operations that a test needs; others are none of it."""

    def __getattr__(self, operation: str) -> Any:
        raise AttributeError(f"{type(self).__name__} has no {operation}")


def client_of(aws: Aws, service: str) -> Client:
    """The client of a service that has one in the AWS SDK."""
    client = aws.client(service)
    assert isinstance(client, Client)
    return client
