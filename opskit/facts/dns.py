"""The answer of the operator's resolver for the database's name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opskit.config import Target
from opskit.endpoint import address_flaw, is_address
from opskit.engine import ASSUMED, ENGINES
from opskit.errors import UsageError
from opskit.facts.database import Database
from opskit.facts.interface import Fact, FactUnavailable, Known
from opskit.facts.stored_credential import StoredCredential

if TYPE_CHECKING:
    from dns.resolver import Resolver

LIFETIME_S = 2.0
"""A resolver answers in milliseconds, through a forwarder and a lost packet within 2 s."""


@dataclass(frozen=True, slots=True)
class OperatorDns:
    """A resolver's answer to this machine.

    Attributes:
        rcode: NOERROR, NXDOMAIN, SERVFAIL, REFUSED, or TIMEOUT when no resolver answered.
        chain: the names of the CNAME chain, the queried name first.
    """

    name: str
    rcode: str
    chain: tuple[str, ...]
    addresses: tuple[str, ...]
    servers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DatabaseHost:
    """The host name (or address) and port that the app is configured to connect to.

    Attributes:
        is_from_rds: RDS itself names the host; only then may it be on the machine that connects.
        is_port_assumed: neither the parameter nor RDS names the port, so it is the engine's default.
    """

    name: str
    port: int
    source: str
    is_from_rds: bool = False
    is_port_assumed: bool = False

    @property
    def is_address(self) -> bool:
        """Whether the host is written as an IP address."""
        return is_address(self.name)


def select_host(database: Fact[Database], parameters: Fact[StoredCredential]) -> DatabaseHost:
    """Select the host of the endpoint parameter, else the database's own endpoint.

    The second is used where the parameter names no host at which an RDS database can be.
    """
    known = database.value if isinstance(database, Known) else None
    own = known.host.lower() if known and known.host else None
    if isinstance(parameters, Known) and parameters.value.host:
        endpoint, host = parameters.value.get("endpoint"), parameters.value.host
        port = parameters.value.port or (known.port if known else None)
        if endpoint and (host == own or not address_flaw(host)):
            return DatabaseHost(
                host,
                port or ENGINES[ASSUMED].default_port,
                endpoint.name,
                is_from_rds=host == own,
                is_port_assumed=not port,
            )
    if known and known.host:
        return DatabaseHost(known.host, known.port, known.instance.identifier, is_from_rds=True)
    raise FactUnavailable(
        "no host is known: neither the endpoint parameter nor the database was read"
    )


def read(target: Target, host: DatabaseHost) -> OperatorDns:
    """Resolve the host's address with this machine's resolver, or with that of `--dns-server`."""
    if host.is_address:
        return OperatorDns(host.name, "NOERROR", (host.name,), (host.name,), ())
    import dns.exception
    import dns.rcode
    import dns.resolver

    resolver = _resolver(target.dns_server)
    servers = tuple(str(server) for server in resolver.nameservers)
    try:
        answer = resolver.resolve(
            host.name + ".", "A", lifetime=LIFETIME_S, raise_on_no_answer=False
        )
    except dns.resolver.NXDOMAIN:
        return OperatorDns(host.name, "NXDOMAIN", (host.name,), (), servers)
    except dns.resolver.NoNameservers as error:
        replies = (reply for *_, reply in error.kwargs["errors"] if reply is not None)
        is_refused = any(reply.rcode() is dns.rcode.REFUSED for reply in replies)
        rcode = "REFUSED" if is_refused else "SERVFAIL"
        return OperatorDns(host.name, rcode, (host.name,), (), servers)
    except dns.exception.Timeout:
        return OperatorDns(host.name, "TIMEOUT", (host.name,), (), servers)
    chain = [host.name]
    for rrset in answer.response.answer:
        chain += [str(item.target).rstrip(".") for item in rrset if hasattr(item, "target")]
    addresses = tuple(item.address for item in answer) if answer.rrset else ()
    return OperatorDns(host.name, "NOERROR", tuple(chain), addresses, servers)


def _resolver(server: str | None) -> Resolver:
    import dns.resolver

    if server is None:
        try:
            return dns.resolver.Resolver()
        except dns.resolver.NoResolverConfiguration:
            raise FactUnavailable(
                "this machine names no resolver", "--dns-server ADDRESS"
            ) from None
    address, port = _server_address(server)
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [address], port
    return resolver


def _server_address(server: str) -> tuple[str, int]:
    """Address and port of `ADDRESS[:PORT]`, `[V6]:PORT` included."""
    address, port = server, "53"
    if server.startswith("["):
        address, _, rest = server[1:].partition("]")
        port = rest.lstrip(":") or "53"
    elif server.count(":") == 1:
        address, _, port = server.partition(":")
    if not is_address(address) or not port.isdigit():
        raise UsageError(f"--dns-server '{server}' is not ADDRESS or ADDRESS:PORT")
    return address, int(port)
