"""The protocol of an AWS client, and the pages of its operations; no client is created here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol


class AwsClient(Protocol):
    """An AWS client: operations by their names in snake case, replies as AWS documents them."""

    def __getattr__(self, operation: str) -> Callable[..., Mapping[str, Any]]:
        """The operation."""


def paginate(
    call: Callable[..., Mapping[str, Any]],
    key: str,
    *,
    token: str = "NextToken",
    asks: str = "",
    **arguments: Any,
) -> Iterator[Any]:
    """All items under `key` of a paged operation, from at most 100 pages.

    Args:
        token: the reply's field with the next page's token; `Marker` for RDS and IAM.
        asks: the request's field for that token, where its name differs.
    """
    for _ in range(100):
        reply = call(**arguments)
        yield from reply.get(key, ())
        if not reply.get(token):
            return
        arguments[asks or token] = reply[token]
