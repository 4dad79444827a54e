"""Request of the instance probe, and the one script that carries it to the instance.

The script holds no secret; neither do its answers. It needs nothing but `sh`, and reports each question
that it could not answer. Where the instance has Python, it runs the program of `opskit.probe.program`.
"""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from opskit import engine, url_userinfo
from opskit.engine.environment import FIELDS, ConnectionEnvironment
from opskit.engine.interface import Exchange
from opskit.probe import program_source

TOOLS = ("sh", "bash", "python3", "aws", "docker", "podman", "openssl", "curl", "nc")
"""Programs whose presence on the instance is reported, besides the engines' own clients."""
CREDENTIAL_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE")
"""Variables with which an AWS SDK uses other credentials than the instance's role."""


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """The questions for the instance.

    Attributes:
        key: key of the fingerprints, made for this run.
        hostnames: names to resolve.
        tcp_targets: (host, port) to connect to.
        exchange_with: (host, port) with which the exchanges are held; None for none.
        parameters: purpose -> name, perhaps with a selector, to read under the instance's own role.
        container: the app's container; None: those that have connection settings.
        environment: names of the connection settings to report; None: none is reported.
        login_to: (host, port) for a login with the parameters' values; None for none.
        login_source: source of the engine's login on the instance; empty: no login is tried.
        ca_file: a CA bundle on the instance, used if it exists; or `system`.
        tls_name: the name required in the server's certificate.
        unlisted: hosts that RDS does not name; one that resolves to the instance itself is not connected to.
    """

    key: str
    region: str
    hostnames: tuple[str, ...]
    tcp_targets: tuple[tuple[str, int], ...]
    exchange_with: tuple[str, int] | None
    exchanges: tuple[Exchange, ...]
    parameters: Mapping[str, str]
    container: str | None
    environment: ConnectionEnvironment | None
    health_url: str | None
    login_to: tuple[str, int] | None
    login_source: str
    ca_file: str = ""
    tls_name: str = ""
    unlisted: tuple[str, ...] = ()


def script(request: ProbeRequest) -> str:
    """The one command, to be run by `sh`."""
    program = program_source.joined(request.login_source, json.dumps(_for_python(request)))
    shell = program_source.shell_variant()
    for name, text in _shell_tables(request.environment).items():
        shell = shell.replace(f"@{name}@", text)
    variables = _for_shell(request)
    # Variables that the environment exports already would pass their new values to every child.
    head = [f"unset {' '.join(variables)}"]
    head += [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
    return "\n".join([*head, shell.replace("@PROGRAM@", program_source.packed(program))])


def _for_python(request: ProbeRequest) -> dict[str, object]:
    login = None
    if request.login_to and request.login_source and request.environment:
        login = {
            "host": request.login_to[0],
            "port": request.login_to[1],
            "ca_file": request.ca_file,
            "tls_name": request.tls_name or request.login_to[0],
        }
    exchanges = []
    if request.exchange_with:
        host, port = request.exchange_with
        exchanges = [
            {
                "name": e.name,
                "host": host,
                "port": port,
                "steps": [(s.action, base64.b64encode(s.data).decode(), s.count) for s in e.steps],
            }
            for e in request.exchanges
        ]
    every = [e.environment for e in engine.all_engines()]
    return {
        "key": request.key,
        "region": request.region,
        "hostnames": request.hostnames,
        "tcp_targets": request.tcp_targets,
        "exchanges": exchanges,
        "parameters": dict(request.parameters),
        "container": request.container or "",
        "environment": asdict(request.environment) if request.environment else None,
        "health_url": request.health_url or "",
        "login": login,
        "has_login": bool(request.login_source),
        "unlisted": request.unlisted,
        "tools": _tools(),
        "credential_variables": CREDENTIAL_VARIABLES,
        "password_variables": sorted({v for e in every for v in e.variables["password"]}),
        "database_url_schemes": sorted({s for e in every for s in e.url_schemes}),
        "url_patterns": {
            name: getattr(url_userinfo, name).pattern
            for name in ("OF_DOCUMENTS", "OF_RDS", "BEFORE_HOST")
        },
    }


def _for_shell(request: ProbeRequest) -> dict[str, str]:
    environment = request.environment
    return {
        "KEY": request.key,
        "REGION": request.region,
        "HOSTNAMES": " ".join(_plain(n) for n in request.hostnames),
        "TCP_TARGETS": " ".join(f"{_plain(h)}:{p}" for h, p in request.tcp_targets),
        "EXCHANGES": "\n".join(_exchange_lines(request)),
        "PARAMETERS": " ".join(_plain(n) for n in sorted(set(request.parameters.values()))),
        "CONTAINER": request.container or "",
        "HEALTH_URL": request.health_url or "",
        "UNLISTED": " ".join(_plain(n) for n in request.unlisted),
        "TOOLS": " ".join(_tools()),
        "CREDENTIAL_VARIABLES": " ".join(CREDENTIAL_VARIABLES),
        "FIELDS": " ".join(FIELDS),
        "URL_PARAMETERS": " ".join(
            f"{field}={name}"
            for field, name in (environment.url_parameters.items() if environment else ())
        ),
    }


def _shell_tables(environment: ConnectionEnvironment | None) -> dict[str, str]:
    """The branches of `case` for the variables and URLs of an engine.

    The number of a variable is its rank in the table; URLs have rank 0.
    """
    if environment is None:
        return {"VARIABLES": "", "URLS": ""}
    variables = (
        f'{name}) keep {field} {rank} "$value" ;;'
        for field, names in environment.variables.items()
        for rank, name in enumerate(names, 1)
    )
    schemes = ["".join(f"[{c.upper()}{c}]" for c in s) for s in environment.url_schemes]
    urls = " | ".join(f"{scheme}{driver}://*" for scheme in schemes for driver in ("", "+*"))
    return {"VARIABLES": "\n".join(variables), "URLS": f"{urls}) from_url ;;"}


def _tools() -> list[str]:
    return [*TOOLS, *sorted({e.environment.client_program for e in engine.all_engines()})]


def _exchange_lines(request: ProbeRequest) -> Iterator[str]:
    """Name, peer and first message in base64, for a shell without Python."""
    if request.exchange_with is None:
        return
    peer = f"{_plain(request.exchange_with[0])}:{request.exchange_with[1]}"
    for exchange in request.exchanges:
        yield f"{exchange.name} {peer} {base64.b64encode(exchange.steps[0].data).decode()}"


def _plain(text: str) -> str:
    """A host or parameter name as a single shell word: neither contains other characters."""
    return "".join(c for c in text if c.isalnum() or c in "._-/:")
