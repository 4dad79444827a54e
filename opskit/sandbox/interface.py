"""The seam between the emulated AWS and the machines it commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

REGION = "us-east-1"
ACCOUNT = "123456789012"
VPC_CIDR = "10.0.0.0/16"
INSTANCE_ADDRESS = "10.0.2.45"
DATABASE_ADDRESS = "10.0.5.10"
DATABASE_PUBLIC_ADDRESS = "203.0.113.25"
"""From TEST-NET-3 (RFC 5737): no host has it, and nothing in the box routes it."""
DATABASE_PORT = 5432
DATABASE_IDENTIFIER = "linkbox-db"
DATABASE_NAME = "linkbox"
DATABASE_USER = "linkbox"
DATABASE_HOST_SUFFIX = "c123xyz.us-east-1.rds.amazonaws.com"
DATABASE_HOST = f"{DATABASE_IDENTIFIER}.{DATABASE_HOST_SUFFIX}"
METADATA_ADDRESS = "169.254.169.254"
CONTAINER = "linkbox-backend"
APP_PORT = 3000
PROJECT_DIRECTORY = "/srv/linkbox"
"""Where LinkBox's compose project lies, as seen on the instance."""


@dataclass(frozen=True, slots=True)
class Completed:
    """A command's end. `exit_status` is 124 when the time limit ended it."""

    exit_status: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """What a resolver answers: `rcode` is NOERROR, NXDOMAIN, SERVFAIL or REFUSED; `records` are
    (name, type, ttl in s, data) in the order of the chain. `silent` means: answer nothing at all.
    """

    rcode: str
    records: tuple[tuple[str, str, int, str], ...] = ()
    silent: bool = False


class DatabaseServer(Protocol):
    """The real PostgreSQL behind the emulated RDS instance."""

    def start(self) -> None:
        """Start it and wait until it accepts connections."""

    def stop(self) -> None:
        """Stop it (fast shutdown)."""

    def set_password(self, role: str, password: str) -> None:
        """Change a role's password without leaving it in the server's log."""

    def set_force_tls(self, forced: bool) -> None:
        """Admit clients without TLS or not, as `rds.force_ssl` does, and reload."""

    def set_port(self, port: int) -> None:
        """Listen on another port, by a restart."""

    def execute(self, sql: str) -> list[tuple[object, ...]]:
        """Run SQL as the administrator over the local socket and return all rows."""

    def certificate_not_after(self) -> str:
        """End of the server certificate's validity, ISO 8601 in UTC."""


class Machines(Protocol):
    """What the emulated AWS can do to the machines."""

    database: DatabaseServer
    instance_root: Path
    """The directory that holds the instance's own files (its /srv/linkbox is `instance_root/srv/linkbox`)."""

    def run_on_instance(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float
    ) -> Completed:
        """Run a command on the app instance, as root, with the instance's own environment."""

    def network_changed(self) -> None:
        """Security groups, ACLs, routes or addresses have changed: let the packets follow."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the emulated AWS conducts itself."""

    latency_ms: int = 0
    directory: Path = field(default_factory=Path)
    """The sandbox's own directory, for files that people and faults edit."""
