"""Environment variables and URLs by which a program names its database connection.

An engine describes its own clients' words in a `ConnectionEnvironment`. The probe searches containers with
it: in Python and in `sh`, from this one table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FIELDS = ("host", "port", "user", "password", "database", "tls_mode", "ca_file")
"""The parts of a connection, by the names that opskit gives them for every engine."""


@dataclass(frozen=True, slots=True)
class ConnectionEnvironment:
    """The names and defaults of an engine's connection settings.

    Attributes:
        variables: field of `FIELDS` -> environment variables; the first one that has a value counts.
        url_schemes: schemes of connection URLs, in lower case and without a driver such as `+asyncpg`. A
            variable with such a URL counts before all single variables.
        url_parameters: field -> its name in the query of a URL, for fields that a URL has nowhere else.
        default_port: port of a connection that names none.
        default_tls_mode: TLS mode of a client that names none.
        encrypting_tls_mode: TLS mode that encrypts and verifies nothing.
        verifying_tls_modes: TLS modes that need a CA bundle, the strictest first.
        client_program: the engine's command line client.
    """

    variables: Mapping[str, tuple[str, ...]]
    url_schemes: tuple[str, ...]
    url_parameters: Mapping[str, str]
    default_port: int
    default_tls_mode: str
    encrypting_tls_mode: str
    verifying_tls_modes: tuple[str, ...]
    client_program: str
