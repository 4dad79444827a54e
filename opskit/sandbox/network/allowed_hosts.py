"""Checks of `Host` and `Origin`: no web page reaches the sandbox, by DNS rebinding or directly.

Every HTTP endpoint of the sandbox has a few addresses that its own clients use. A request that names another
host comes from a browser that was led here, and is rejected.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

HTTP_PORT = 80
WRONG_HOST, WRONG_ORIGIN = 421, 403
"""RFC 9110: Misdirected Request, and Forbidden."""
REASONS = {WRONG_HOST: "Misdirected Request", WRONG_ORIGIN: "Forbidden"}
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def authority(address: str, port: int) -> str:
    """A host and port in the form of the `Host` header."""
    return address if port == HTTP_PORT else f"{address}:{port}"


def refusal(host: str | None, origin: str | None, allowed: Collection[str]) -> int:
    """The status for a request that must be rejected; 0 if it may pass.

    Only browsers send `Origin`, and no page has a reason to call the sandbox.
    """
    if host is None or host.lower() not in allowed:
        return WRONG_HOST
    return 0 if origin is None else WRONG_ORIGIN


class OnlyHosts:
    """A WSGI application behind these checks.

    Args:
        allowed: the accepted values of `Host`, in lower case.
    """

    def __init__(self, application: Application, allowed: Collection[str]) -> None:
        self._application = application
        self._allowed = frozenset(allowed)

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        """Answer one request."""
        status = refusal(environ.get("HTTP_HOST"), environ.get("HTTP_ORIGIN"), self._allowed)
        if not status:
            return self._application(environ, start)
        # The body is not read, so the connection cannot be used for another request.
        start(f"{status} {REASONS[status]}", [("Content-Length", "0"), ("Connection", "close")])
        return []
