"""Validates an endpoint: a host that may be connected to, or the reason why it is none.

A value from outside may name this machine, the instance metadata service or a file. No RDS database is
there, so opskit does not connect to it.
"""

from __future__ import annotations

import ipaddress
import re
from enum import StrEnum
from urllib.parse import urlsplit

METADATA_IPV6 = ipaddress.ip_address("fd00:ec2::254")
"""The instance metadata service over IPv6, outside of the link-local range."""
SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):/", re.IGNORECASE)
LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""The last label of a name that resolvers take for an IPv4 address (127.1, 0x7f000001)."""
LONGEST = 253
HIGHEST_PORT = 65535
BAD_PORT = "names a port that is no port number"
"""The form's flaw that a client may read over, such as a blank before the number."""
OWN_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")
SCHEMES = ("http", "https")


def split(value: str) -> tuple[str, int | None]:
    """Host and port of an endpoint: `host`, `host:port` or `[address]:port`."""
    host, port = _parts(value)
    return host.lower().removesuffix("."), int(port) if port.isdecimal() else None


def _parts(value: str) -> tuple[str, str]:
    """The texts of an endpoint's host and port."""
    if value.startswith("["):
        host, _, tail = value[1:].partition("]")
        return host, tail.lstrip(":")
    if value.count(":") > 1:
        return value, ""
    host, _, port = value.partition(":")
    return host, port


def is_address(host: str) -> bool:
    """Whether a host is written as an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def form_flaw(value: str) -> str:
    """The reason why an endpoint is no host with or without a port, as a predicate; empty where it is one.

    The value is not repeated: a URL may carry a password.
    """
    scheme = SCHEME.match(value)
    if scheme:
        return f"is a URL ({scheme[1].lower()}:) and no host name"
    if "/" in value or "\\" in value:
        return "is a path and no host name"
    port = _parts(value)[1]
    if port and not (port.isdecimal() and 0 < int(port) <= HIGHEST_PORT):
        return BAD_PORT
    host, _ = split(value)
    if is_address(host):
        return ""
    labels = host.split(".")
    is_name = len(host) <= LONGEST and all(LABEL.fullmatch(label) for label in labels)
    return "" if is_name and not NUMBER.fullmatch(labels[-1]) else "is no host name"


class AddressFlaw(StrEnum):
    """The reason why no RDS database can be at a host, as a noun."""

    OWN_NAME = "this machine's own name"
    LOOPBACK = "a loopback address"
    LINK_LOCAL = "a link-local address, where the instance metadata service is"
    NO_MACHINE = "no machine's address"


def address_flaw(host: str) -> AddressFlaw | None:
    """The reason why no RDS database can be at a host; None where one may be.

    Args:
        host: a name or an address. A name is judged by its text, not by the address it resolves to.
    """
    if host in OWN_NAMES or host.endswith(".localhost"):
        return AddressFlaw.OWN_NAME
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_loopback:
        return AddressFlaw.LOOPBACK
    if address.is_link_local or address == METADATA_IPV6:
        return AddressFlaw.LINK_LOCAL
    if address.is_unspecified or address.is_multicast:
        return AddressFlaw.NO_MACHINE
    return None


def may_connect(address: str, *, is_from_rds: bool) -> bool:
    """Whether a connection may be made to the address of a host.

    Args:
        is_from_rds: RDS itself names the host; then it may be on this machine.
    """
    flaw = address_flaw(address)
    return not flaw or (is_from_rds and ipaddress.ip_address(address).is_loopback)


def health_url_flaw(url: str) -> str:
    """The reason why a URL cannot be used to check the app's health, as a predicate; empty where it can."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "is no URL"
    if parts.scheme not in SCHEMES:
        return "begins with neither http:// nor https://"
    if not host or not url.isprintable() or any(c.isspace() for c in url):
        return "is no URL with a host"
    return "names a link-local address" if address_flaw(host) is AddressFlaw.LINK_LOCAL else ""
