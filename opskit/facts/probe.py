"""The instance's answers to the one probe command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from opskit import engine
from opskit.ca_bundles import instance_ca_file, trust_for
from opskit.config import Target
from opskit.credential_source import source_of
from opskit.engine.interface import UNHEARD, Engine, Exchange, ServerHandshake
from opskit.errors import TransportError, UsageError
from opskit.facts.database import Database
from opskit.facts.dns import DatabaseHost
from opskit.facts.given_facts import FingerprintKey
from opskit.facts.instances import TargetGroups
from opskit.facts.interface import Fact, FactUnavailable, Known
from opskit.facts.rds import DbInstances
from opskit.facts.region import Region
from opskit.facts.stored_credential import StoredCredential
from opskit.facts.transport_choice import TransportChoice
from opskit.probe.request import ProbeRequest, script
from opskit.probe.response import (
    Container,
    Health,
    LocationRead,
    LoginAttempt,
    ProbeResult,
    Resolution,
    TcpResult,
    parse,
)
from opskit.workload.interface import Workload

NOT_FOUND = 404
MOST_HOSTS = 4
"""Hosts of other databases that the instance resolves; without Python it does so one after another."""
PROBE_LIMIT_S = 25
"""The probe ends itself after 12 s; a slow agent may need the same time again to start it."""


@dataclass(frozen=True, slots=True)
class InstanceProbe:
    """The instance's answers, with the server's bytes already parsed by the engine.

    Attributes:
        notices: messages of the transport.
        workload_noun: with its article, for sentences.
    """

    result: ProbeResult
    greeting: ServerHandshake
    password_name: str
    transport: str
    notices: tuple[str, ...] = ()
    workload_noun: str = field(kw_only=True)

    @property
    def reads(self) -> tuple[LocationRead, ...]:
        """The instance's own reads of the credential's locations."""
        return self.result.reads

    @property
    def read_password(self) -> bool:
        """Whether the instance could read and decrypt the password."""
        return any(r.name == self.password_name and r.fingerprint for r in self.reads)

    @property
    def caller_arn(self) -> str:
        """The ARN of the instance's AWS identity; empty when it is not known."""
        return self.result.caller_arn

    @property
    def caller_error(self) -> str:
        """Why the instance's AWS identity is not known."""
        return self.result.caller_error

    @property
    def containers(self) -> tuple[Container, ...]:
        """The containers with database settings."""
        return self.result.containers

    @property
    def running(self) -> tuple[Container, ...]:
        """The running containers, the one that serves the health URL first."""
        containers = [c for c in self.containers if c.is_running]
        return tuple(sorted(containers, key=lambda c: c.serves_health is not True))

    @property
    def health(self) -> Health | None:
        """The app's answer to its health URL; None when it was not requested."""
        return self.result.health

    @property
    def attempt(self) -> LoginAttempt | None:
        """The instance's login with the parameters' values."""
        return next((a for a in self.result.attempts if a.who == "parameters"), None)

    def attempt_of(self, container: str) -> LoginAttempt | None:
        """The instance's login with a container's settings."""
        return next((a for a in self.result.attempts if a.who == f"container:{container}"), None)

    def resolution(self, name: str) -> Resolution | None:
        """The instance's resolution of a name."""
        return next((r for r in self.result.resolutions if r.name == name), None)

    def addresses_of(self, name: str) -> tuple[str, ...]:
        """A name's addresses on the instance; empty when it does not resolve or was not resolved."""
        resolution = self.resolution(name)
        return resolution.addresses if resolution else ()

    def connection(self, host: str | None, port: int) -> TcpResult | None:
        """The TCP connect to a host, by the name that was asked for, and a port; None when none was tried."""
        wanted = (host or "").lower()
        tried = (c for c in self.result.connections if c.port == port)
        return next((c for c in tried if c.host.lower() == wanted), None)

    def connection_to(self, address: str, port: int) -> TcpResult | None:
        """The TCP connect to an address and a port, by whatever name; None when none was tried."""
        tried = (c for c in self.result.connections if c.port == port)
        return next((c for c in tried if c.address == address), None)

    def why_not(self, *topics: str) -> str:
        """Why a question was not answered, by its topic, or by a wider one; empty when none is given.

        Args:
            topics: the narrow one first, such as `tcp db.example:5432` and `tcp`.
        """
        reasons = dict(self.result.unavailable)
        return next((reasons[t] for t in (*topics, "everything") if t in reasons), "")


def request(
    target: Target,
    key: FingerprintKey,
    region: Region,
    host: Fact[DatabaseHost],
    database: Fact[Database],
    parameters: Fact[StoredCredential],
    groups: Fact[TargetGroups],
    app: Workload,
    instances: Fact[DbInstances],
) -> ProbeRequest:
    """Build the probe request: the host and port that the app is configured with, and those of RDS."""
    known = database.value if isinstance(database, Known) else None
    places: list[tuple[str, int]] = []
    if isinstance(host, Known):
        places.append((host.value.name, host.value.port))
    if known and known.host:
        places.append((known.host, known.port))
    places = list(dict.fromkeys(places))
    others = _other_hosts(host, known, instances)
    unlisted = (host.value.name,) if isinstance(host, Known) and not host.value.is_from_rds else ()
    database_engine = _engine_of(known)
    at = places[0][0] if places else ""
    [tls_name] = trust_for(at, endpoint=known.host if known else None).names
    return ProbeRequest(
        key=key.text,
        region=region.name,
        hostnames=tuple(dict.fromkeys((*(name for name, _ in places), *others))),
        tcp_targets=tuple(places) if _may_connect_bare(database_engine) else (),
        exchange_with=places[0] if places else None,
        exchanges=_exchanges(database_engine, known, parameters),
        reads=source_of(target).instance_reads,
        container=target.container,
        environment=(database_engine or engine.for_rds_engine(engine.ASSUMED)).environment,
        health_url=_health_url(target, groups, app),
        login_to=places[0] if places else None,
        engine_program=database_engine.instance_program() if database_engine else None,
        ca_file=instance_ca_file(tls_name),
        tls_name=tls_name,
        unlisted=unlisted,
        connect_timeout_s=target.connect_timeout,
    )


def read(
    target: Target,
    key: FingerprintKey,
    region: Region,
    transport: TransportChoice,
    host: Fact[DatabaseHost],
    database: Fact[Database],
    parameters: Fact[StoredCredential],
    groups: Fact[TargetGroups],
    app: Workload,
    instances: Fact[DbInstances],
) -> InstanceProbe:
    """Run the probe command on the instance and parse its answers.

    Raises:
        UsageError: a setting names a container or a health path that is not there.
        FactUnavailable: it could not be run, or gave no answer.
    """
    if transport.transport is None:
        raise FactUnavailable(
            transport.why_none, f"a transport to {target.workload_kind.definite} (--via)"
        )
    probe_request = request(target, key, region, host, database, parameters, groups, app, instances)
    try:
        output = transport.transport.run(script(probe_request), timeout_s=PROBE_LIMIT_S)
    except TransportError as error:
        raise FactUnavailable(
            error.sentence,
            *([error.missing] if error.missing else []),
            waits_for=error.symptoms,
        ) from None
    result = _by_plain_name(parse(output.stdout), target)
    if not result.tools and not result.is_complete:
        raise FactUnavailable(
            f"the probe on {app.label} gave no answer (exit {output.exit_status})"
        )
    _refuse_wrong_names(target, result, groups, app)
    known = database.value if isinstance(database, Known) else None
    database_engine = _engine_of(known)
    greeting = database_engine.greeting(result.heard) if database_engine else UNHEARD
    return InstanceProbe(
        result,
        greeting,
        source_of(target).location("password").name,
        transport.transport.name,
        output.notices,
        workload_noun=app.kind.definite,
    )


def _other_hosts(
    host: Fact[DatabaseHost], database: Database | None, instances: Fact[DbInstances]
) -> tuple[str, ...]:
    """The hosts of other databases to resolve, so that one behind a name of the user's own is known."""
    if not (isinstance(host, Known) and isinstance(instances, Known)) or host.value.is_from_rds:
        return ()
    vpc = database.instance.vpc_id if database else ""
    near = sorted(instances.value.all, key=lambda i: (i.vpc_id != vpc, i.identifier))
    return tuple(i.host for i in near if i.host)[:MOST_HOSTS]


def _refuse_wrong_names(
    target: Target, result: ProbeResult, groups: Fact[TargetGroups], app: Workload
) -> None:
    """Raise where a setting names a container or a health path that is not there.

    A path that the load balancer checks too is the app's: there it is the app that lost it.
    """
    names = {c.name for c in result.containers}
    if target.container and result.present and target.container not in names:
        origin = target.origins.get("container", "--container")
        raise UsageError(
            f"{origin} '{target.container}': there is no such container on {app.label}",
            f"containers there: {', '.join(sorted(result.present))}",
        )
    if target.health_url and result.health is not None and result.health.status == NOT_FOUND:
        checked = _health_url(replace(target, health_url=None), groups, app)
        if checked != target.health_url:
            origin = target.origins.get("health_url", "--health-url")
            raise UsageError(
                f"{origin} '{target.health_url}': the app on {app.label} answers {NOT_FOUND}, it has no such "
                "path",
                f"the load balancer checks {checked}" if checked else "",
            )


def _by_plain_name(result: ProbeResult, target: Target) -> ProbeResult:
    """The result with every parameter read under its plain name, without a selector."""
    names = {location.reference: location.name for location in source_of(target).locations}
    return replace(
        result, reads=tuple(replace(r, name=names.get(r.name, r.name)) for r in result.reads)
    )


def _engine_of(database: Database | None) -> Engine | None:
    try:
        return engine.for_rds_engine(database.instance.engine if database else engine.ASSUMED)
    except engine.UnknownEngine:
        return None


def _may_connect_bare(database_engine: Engine | None) -> bool:
    """Whether the probe may connect and close; of an unsupported engine it is not known to do harm."""
    return database_engine is None or database_engine.bare_connect_is_safe


def _exchanges(
    database_engine: Engine | None, database: Database | None, parameters: Fact[StoredCredential]
) -> tuple[Exchange, ...]:
    if database_engine is None:
        return ()
    values: Mapping[str, str | None] = {}
    if isinstance(parameters, Known):
        values = {p: parameters.value.value(p) for p in ("username", "database")}
    user = values.get("username") or (
        database.instance.master_username if database else database_engine.default_user
    )
    name = values.get("database") or (database.instance.database_name if database else None) or user
    return database_engine.exchanges(user, name)


def _health_url(target: Target, groups: Fact[TargetGroups], app: Workload) -> str | None:
    """The health URL of the target; else the load balancer's health check, as a URL on the instance."""
    if target.health_url:
        return target.health_url
    if not isinstance(groups, Known):
        return None
    searchable = app.searchable_text
    for group in groups.value.all:
        if (
            group.port
            and group.health_path
            and any(w in searchable for w in group.name.lower().split("-"))
        ):
            return f"http://127.0.0.1:{group.port}{group.health_path}"
    return None
