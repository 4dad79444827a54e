"""Answers of the instance probe, and the parser of the lines that it prints."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from opskit.engine.interface import ExchangeResult

BODY = 600
"""Characters of the app's answer: a driver's message names the cause in its second half."""
REFUSED = "Connection refused"
"""`Health.body` where nothing listens at the URL, in the system's words."""
NO_NAME = "the name does not exist"
"""`Resolution.error` for NXDOMAIN."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """A name as the instance resolves it; `error` is the reason when it does not."""

    name: str
    addresses: tuple[str, ...]
    error: str


@dataclass(frozen=True, slots=True)
class TcpResult:
    """A TCP connect. `outcome`: connected, timeout, refused, unresolved, or the system's message.

    Where the instance has only nc, it is `not connected` for a refusal and for silence.
    """

    host: str
    address: str
    port: int
    outcome: str
    milliseconds: float | None
    local_address: str

    @property
    def is_connected(self) -> bool:
        """Whether the TCP connection was established."""
        return self.outcome == "connected"

    @property
    def is_told(self) -> bool:
        """Whether the outcome shows an answer, a refusal, or that there is no way: a packet was sent."""
        return self.outcome not in ("", "unresolved", "not connected")

    @property
    def words(self) -> str:
        """The outcome, for a sentence."""
        where = f"connection to {self.address or self.host}:{self.port}"
        took = f" after {self.milliseconds / 1000:.1f} s" if self.milliseconds is not None else ""
        return {
            "connected": f"{where} was accepted",
            "timeout": f"{where} got no answer{took}",
            "refused": f"{where} was refused at once",
        }.get(self.outcome, f"{where}: {self.outcome}")


@dataclass(frozen=True, slots=True)
class LocationRead:
    """The instance's own read of one location of the credential: a fingerprint, or the error."""

    name: str
    fingerprint: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ConnectionSetting:
    """One database setting of a container.

    Attributes:
        source: `config` (fixed when the container was created) or `process` (fetched at start).
        name: one of `opskit.engine.environment.FIELDS`, such as host or tls_mode.
        value: in clear; for the password its fingerprint.
        variable: the environment variable that carries it.
        file: the file that defines the variable.
        file_value: its value in that file now, of the password the fingerprint; empty where unknown.
        is_plain: whether the file has it as a line that is `VARIABLE=value` and no more.
    """

    source: str
    name: str
    value: str
    variable: str
    file: str
    file_value: str = ""
    is_plain: bool = False


UNROUTED = ("", "host", "none", "container", "ns", "private", "slirp4netns", "pasta")
"""Network modes of Docker and Podman without a bridge of their own, and the unknown one."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container of the instance that uses a database.

    Attributes:
        exit_code: of its last exit; None where the probe did not report it.
        finished_at: time of its last exit.
        restart_policy: no, on-failure, always or unless-stopped; empty where the probe did not report it.
        created_at: time of its creation, which a restart does not change.
        serves_health: whether it listens on the health URL's port; None where that is not known.
    """

    name: str
    status: str
    started_at: str
    restarts: str
    network: str
    project_directory: str
    service: str
    settings: tuple[ConnectionSetting, ...] = ()
    image: str = ""
    exit_code: int | None = None
    finished_at: str = ""
    restart_policy: str = ""
    created_at: str = ""
    serves_health: bool | None = None

    @property
    def is_running(self) -> bool:
        """Whether its process runs."""
        return self.status == "running"

    @property
    def is_behind_bridge(self) -> bool:
        """Whether its packets are routed through the instance, by the engine's network mode.

        A network of one's own, such as that of a compose project, is a bridge too. The user-mode networks of
        rootless engines open the connections on the instance itself.
        """
        return self.network.split(":")[0] not in UNROUTED

    def setting(self, name: str) -> ConnectionSetting | None:
        """One of its settings."""
        return next((s for s in self.settings if s.name == name), None)


@dataclass(frozen=True, slots=True)
class Health:
    """The answer of the app's health URL. `status` is None when there was none; then `body` says why."""

    url: str
    status: int | None
    milliseconds: float | None
    body: str

    @property
    def is_good(self) -> bool:
        """Whether the app reports that it is healthy, by a load balancer's rules."""
        return self.status is not None and 200 <= self.status < 400

    @property
    def is_refused(self) -> bool:
        """Whether nothing listens at the URL; False also where that is not known."""
        return self.status is None and self.body == REFUSED


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """A login from the instance, with the parameters' values or as a container would.

    Attributes:
        code: the server's own error code; empty for none.
        tls_mode: the mode of the login, in the engine's words.
    """

    who: str
    succeeded: bool
    code: str
    message: str
    milliseconds: float
    tls_version: str
    tls_mode: str


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """All answers of the instance.

    Attributes:
        is_complete: the end mark arrived; otherwise the output was cut.
        unavailable: (question, reason) of each unanswered question.
        present: the names of all containers, where a named one was asked for.
        serving: containers that listen on the health URL's port, also those without database settings.
    """

    is_complete: bool
    with_python: bool
    tools: tuple[str, ...] = ()
    unavailable: tuple[tuple[str, str], ...] = ()
    clock: int | None = None
    resolvers: tuple[str, ...] = ()
    ephemeral_ports: tuple[int, int] | None = None
    resolutions: tuple[Resolution, ...] = ()
    connections: tuple[TcpResult, ...] = ()
    heard: Mapping[str, ExchangeResult] = field(default_factory=dict)
    caller_arn: str = ""
    caller_error: str = ""
    other_credentials: tuple[str, ...] = ()
    reads: tuple[LocationRead, ...] = ()
    asked_containers: bool = False
    containers: tuple[Container, ...] = ()
    present: tuple[str, ...] = ()
    serving: tuple[str, ...] = ()
    health: Health | None = None
    attempts: tuple[LoginAttempt, ...] = ()


def parse(stdout: str) -> ProbeResult:
    """Parse the probe's lines; unknown and malformed ones are ignored."""
    lines = [line.split("\t") for line in stdout.split("\n")]
    by_topic: dict[str, list[list[str]]] = {}
    for topic, *rest in lines:
        by_topic.setdefault(topic, []).append(rest)

    def rows(topic: str, width: int) -> Iterator[list[str]]:
        """The rows of a topic, padded with empty fields."""
        for row in by_topic.get(topic, ()):
            yield (row + [""] * width)[:width]

    def concurrent(topic: str, width: int) -> list[list[str]]:
        """The rows of a topic whose questions run at the same time, sorted: they end in any order."""
        return sorted(rows(topic, width))

    mode = next(iter(rows("opskit-probe", 2)), ["", ""])
    caller = next(iter(rows("caller", 2)), ["", ""])
    ports = next(iter(rows("ports", 2)), ["", ""])
    clock = next(iter(rows("clock", 1)), [""])
    serves = {name: answer == "yes" for name, answer in rows("serves", 2)}
    return ProbeResult(
        is_complete="end" in by_topic,
        with_python=mode[1] == "python",
        tools=tuple(row[0] for row in rows("tool", 1)),
        unavailable=tuple((row[0], row[1]) for row in concurrent("unavailable", 2)),
        clock=_whole(clock[0]),
        resolvers=tuple(row[0] for row in rows("resolver", 1)),
        ephemeral_ports=_port_range(ports),
        resolutions=tuple(Resolution(n, _listed(a), e) for n, a, e in concurrent("name", 3)),
        connections=tuple(_connection(row) for row in concurrent("tcp", 6) if _whole(row[2])),
        heard={row[0]: _heard(row) for row in concurrent("exchange", 5)},
        caller_arn=caller[0],
        caller_error=caller[1],
        other_credentials=tuple(row[0] for row in rows("other-credentials", 1)),
        reads=tuple(LocationRead(*row) for row in concurrent("read", 4)),
        asked_containers="asked" in by_topic,
        containers=_containers(list(rows("container", 12)), list(rows("setting", 8)), serves),
        present=tuple(row[0] for row in rows("present", 1)),
        serving=tuple(name for name, is_so in serves.items() if is_so),
        health=next((_health(row) for row in rows("health", 4)), None),
        attempts=tuple(_attempt(row) for row in concurrent("login", 7)),
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(",") if part)


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _port_range(row: list[str]) -> tuple[int, int] | None:
    low, high = _whole(row[0]), _whole(row[1])
    return (low, high) if low is not None and high is not None else None


def _bytes(text: str) -> tuple[bytes, ...]:
    parts = []
    for part in _listed(text):
        try:
            parts.append(base64.b64decode(part, validate=True))
        except binascii.Error:
            return ()
    return tuple(parts)


def _connection(row: list[str]) -> TcpResult:
    host, address, port, outcome, took, local = row
    return TcpResult(host, address, int(port), outcome, _number(took), local)


def _heard(row: list[str]) -> ExchangeResult:
    name, error, version, parts, chain = row
    return ExchangeResult(name, _bytes(parts), version, _bytes(chain), error)


def _containers(
    rows: list[list[str]], settings: list[list[str]], serves: Mapping[str, bool]
) -> tuple[Container, ...]:
    containers = []
    for name, status, started, restarts, network, directory, service, *end in rows:
        image, code, finished, policy, created = end
        # The process's environment comes after the container's configuration, and overrides it.
        own = {s[2]: _setting(s) for s in settings if s[0] == name}
        containers.append(
            Container(
                name, status, started, restarts, network, directory, service,
                tuple(own.values()), image, _whole(code), finished, policy, created,
                serves.get(name),
            )
        )  # fmt: skip
    return tuple(containers)


def _setting(row: list[str]) -> ConnectionSetting:
    _, source, name, value, variable, file, file_value, form = row
    return ConnectionSetting(source, name, value, variable, file, file_value, form == "plain")


def _health(row: list[str]) -> Health:
    url, status, took, body = row
    return Health(url if "://" in url else "", _whole(status), _number(took), body[:BODY])


def _attempt(row: list[str]) -> LoginAttempt:
    who, answer, code, message, took, tls, mode = row
    return LoginAttempt(who, answer == "yes", code, message[:300], _number(took) or 0.0, tls, mode)
