"""This machine's resolution of the database's name, against a resolver on loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import dns.message
import dns.rcode
import pytest

from opskit.config import Target
from opskit.facts.dns import DatabaseHost, read
from tests import builders as b


@pytest.fixture
def resolver(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a resolver that answers every question with one response code."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(20)

        def answer() -> None:
            while True:
                try:
                    query, client = server.recvfrom(4096)
                except OSError:
                    return
                reply = dns.message.make_response(dns.message.from_wire(query))
                reply.set_rcode(request.param)
                server.sendto(reply.to_wire(), client)

        threading.Thread(target=answer, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    ("resolver", "rcode"),
    [
        (dns.rcode.REFUSED, "REFUSED"),
        (dns.rcode.SERVFAIL, "SERVFAIL"),
        (dns.rcode.NXDOMAIN, "NXDOMAIN"),
    ],
    indirect=["resolver"],
)
def test_the_resolvers_response_code_is_reported(resolver: str, rcode: str) -> None:
    host = DatabaseHost("REFUSED.example.com", 5432, "/a", is_from_rds=False)
    found = read(Target("linkbox", b.NAMES, dns_server=resolver), host)
    assert found.rcode == rcode
    assert found.addresses == ()
