"""A DNS server whose answers come from a callable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dnslib import CNAME, QTYPE, RCODE, RR, A
from dnslib.server import BaseResolver, DNSHandler, DNSLogger, DNSServer

Answer = tuple[str, list[tuple[str, str, str]]]
"""Response code (NOERROR, NXDOMAIN, SERVFAIL, SILENT) and records (name, A or CNAME, data)."""

TTL_S = 5
"""The TTL of RDS."""


class _Resolver(BaseResolver):  # type: ignore[misc]
    def __init__(self, resolve: Callable[[str], Answer]) -> None:
        self._resolve = resolve

    def resolve(self, request: Any, handler: DNSHandler) -> Any:
        """Answer one question."""
        reply = request.reply()
        name = str(request.q.qname).rstrip(".").lower()
        rcode, records = self._resolve(name)
        if rcode == "SILENT":
            raise ConnectionAbortedError
        reply.header.rcode = getattr(RCODE, rcode)
        for owner, kind, data in records:
            if kind == "CNAME":
                reply.add_answer(RR(owner, QTYPE.CNAME, rdata=CNAME(data), ttl=TTL_S))
            elif request.q.qtype in (QTYPE.A, QTYPE.ANY):
                reply.add_answer(RR(owner, QTYPE.A, rdata=A(data), ttl=TTL_S))
        return reply


class _Handler(DNSHandler):  # type: ignore[misc]
    def handle(self) -> None:
        """Serve as dnslib does, but allow a query to stay unanswered."""
        try:
            super().handle()
        except ConnectionAbortedError:
            return


def serve(address: str, port: int, resolve: Callable[[str], Answer]) -> None:
    """Answer on UDP and TCP, in threads of this process."""
    for tcp in (False, True):
        server = DNSServer(
            _Resolver(resolve),
            address=address,
            port=port,
            tcp=tcp,
            handler=_Handler,
            logger=DNSLogger("-request,-reply,-truncated,-error,-recv,-send,-data", False),
        )
        server.start_thread()
