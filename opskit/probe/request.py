"""Request of the instance probe, and the one script that carries it to the instance.

The script holds no secret; neither do its answers. It needs nothing but `sh`, and reports each question
that it could not answer. Where the instance has Python, it runs the program of `opskit.probe.program`.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from opskit import engine, url_userinfo
from opskit.config import CONNECT_TIMEOUT_S
from opskit.credential_source.interface import InstanceRead
from opskit.engine.environment import FIELDS, ConnectionEnvironment
from opskit.engine.interface import Exchange, InstanceProgram
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
        exchange_with: (host, port) with which the exchanges are held; None for none. If it is no TCP
            target, the first exchange reports its connection.
        reads: the source's locations, to read under the instance's own role.
        container: the app's container; None: those that have connection settings.
        environment: names of the connection settings to report; None: none is reported.
        login_to: (host, port) for a login with the values of the locations; None for none.
        engine_program: the engine's functions on the instance; None: no login and no exchange is tried.
        ca_file: a CA bundle on the instance, used if it exists; or `system`.
        tls_name: the name required in the server's certificate.
        connect_timeout_s: limit for each TCP connection.
        unlisted: hosts that RDS does not name; one that resolves to the instance itself is not connected to.
    """

    key: str
    region: str
    hostnames: tuple[str, ...] = ()
    tcp_targets: tuple[tuple[str, int], ...] = ()
    exchange_with: tuple[str, int] | None = None
    exchanges: tuple[Exchange, ...] = ()
    reads: tuple[InstanceRead, ...] = ()
    container: str | None = None
    environment: ConnectionEnvironment | None = None
    health_url: str | None = None
    login_to: tuple[str, int] | None = None
    engine_program: InstanceProgram | None = None
    ca_file: str = ""
    tls_name: str = ""
    unlisted: tuple[str, ...] = ()
    connect_timeout_s: int = CONNECT_TIMEOUT_S


def script(request: ProbeRequest) -> str:
    """The one command, to be run by `sh`."""
    engine_source = request.engine_program.python if request.engine_program else ""
    program = program_source.joined(engine_source, json.dumps(_for_python(request)))
    shell = program_source.shell_variant()
    for name, text in _shell_parts(request).items():
        shell = shell.replace(f"@{name}@", text)
    variables = _for_shell(request)
    # Variables that the environment exports already would pass their new values to every child.
    head = [f"unset {' '.join(variables)}"]
    head += [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
    return "\n".join([*head, shell.replace("@PROGRAM@", program_source.packed(program))])


def _for_python(request: ProbeRequest) -> dict[str, object]:
    login = None
    if request.login_to and request.engine_program and request.environment:
        login = {
            "host": request.login_to[0],
            "port": request.login_to[1],
            "ca_file": request.ca_file,
            "tls_name": request.tls_name or request.login_to[0],
        }
    every = [e.environment for e in engine.all_engines()]
    return {
        "key": request.key,
        "region": request.region,
        "hostnames": request.hostnames,
        "tcp_targets": request.tcp_targets,
        "exchanges": _exchanges(request),
        "reads": [asdict(read) for read in request.reads],
        "container": request.container or "",
        "environment": asdict(request.environment) if request.environment else None,
        "health_url": request.health_url or "",
        "login": login,
        "has_login": request.engine_program is not None,
        "unlisted": request.unlisted,
        "connect_timeout_s": request.connect_timeout_s,
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
        "READS": "\n".join(map(_read_line, request.reads)),
        "CONTAINER": request.container or "",
        "HEALTH_URL": request.health_url or "",
        "CONNECT_TIMEOUT_S": str(request.connect_timeout_s),
        "UNLISTED": " ".join(_plain(n) for n in request.unlisted),
        "TOOLS": " ".join(_tools()),
        "CREDENTIAL_VARIABLES": " ".join(CREDENTIAL_VARIABLES),
        "FIELDS": " ".join(FIELDS),
        "URL_PARAMETERS": " ".join(
            f"{field}={name}"
            for field, name in (environment.url_parameters.items() if environment else ())
        ),
    }


def _shell_parts(request: ProbeRequest) -> dict[str, str]:
    """The engine's `converse`, and the branches of `case` for its variables and URLs.

    The number of a variable is its rank in the table; URLs have rank 0.
    """
    program, environment = request.engine_program, request.environment
    converse = program_source.shell_lines(program.shell) if program else ""
    if environment is None:
        return {"CONVERSE": converse, "VARIABLES": "", "URLS": ""}
    variables = (
        f'{name}) keep {field} {rank} "$value" ;;'
        for field, names in environment.variables.items()
        for rank, name in enumerate(names, 1)
    )
    schemes = ["".join(f"[{c.upper()}{c}]" for c in s) for s in environment.url_schemes]
    urls = " | ".join(f"{scheme}{driver}://*" for scheme in schemes for driver in ("", "+*"))
    return {
        "CONVERSE": converse,
        "VARIABLES": "\n".join(variables),
        "URLS": f"{urls}) from_url ;;",
    }


def _tools() -> list[str]:
    return [*TOOLS, *sorted({e.environment.client_program for e in engine.all_engines()})]


def _exchanges(request: ProbeRequest) -> list[dict[str, object]]:
    if request.exchange_with is None:
        return []
    host, port = request.exchange_with
    is_tried = request.exchange_with in request.tcp_targets
    return [
        {
            "name": exchange.name,
            "host": host,
            "port": port,
            "arguments": exchange.arguments,
            "reports_tcp": rank == 0 and not is_tried,
        }
        for rank, exchange in enumerate(request.exchanges)
    ]


def _exchange_lines(request: ProbeRequest) -> Iterator[str]:
    """Name, peer and argument of each exchange, for a shell without Python."""
    if request.exchange_with is None:
        return
    peer = f"{_plain(request.exchange_with[0])}:{request.exchange_with[1]}"
    for exchange in request.exchanges:
        if exchange.shell_argument:
            yield f"{exchange.name} {peer} {exchange.shell_argument}"


def _read_line(read: InstanceRead) -> str:
    """Reference, path in the reply, option of the reference and the call, in words of the AWS CLI."""
    call = [read.call.service, _cli_name(read.call.operation)]
    for name, value in read.call.parameters.items():
        call += [_option(name)] if value is True else [_option(name), _plain(str(value))]
    path, option = ".".join(read.reply_path), _option(read.reference_parameter)
    return " ".join([_plain(read.reference), path, option, *call])


def _option(parameter: str) -> str:
    return f"--{_cli_name(parameter)}"


def _cli_name(name: str) -> str:
    """The AWS CLI's name of an operation or a parameter without abbreviations in it."""
    return re.sub(r"(?<=.)(?=[A-Z])", "-", name).lower()


def _plain(text: str) -> str:
    """A host or the name of a location as a single shell word: neither contains other characters."""
    return "".join(c for c in text if c.isalnum() or c in "._-/:")
