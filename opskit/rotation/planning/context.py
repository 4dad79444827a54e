"""The facts and the current password parameter, read before a rotation is planned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from opskit import engine
from opskit.analysis import analyze_all, required_facts
from opskit.aws_protocols import AwsClient
from opskit.checks import database_doubt
from opskit.checks.resolved_database import ResolvedDatabase
from opskit.config import Target
from opskit.credential_source import source_of
from opskit.credential_source.interface import CredentialSource, LocationProperties
from opskit.engine.interface import Engine
from opskit.errors import AwsError, CannotProceed, TargetError, UsageError
from opskit.facts.database import Database
from opskit.facts.gather import Clients, gather
from opskit.facts.given_facts import given_facts
from opskit.facts.identity import Identity
from opskit.facts.interface import Fact, Unknown, refuse_bug, run_concurrently
from opskit.facts.probe import InstanceProbe
from opskit.facts.rds import DbCluster, DbClusters, DbInstance, DbInstances
from opskit.facts.snapshot import Snapshot
from opskit.facts.stored_credential import StoredCredential
from opskit.policy.operator_access import OperatorAccess
from opskit.rotation.planning.external_references import Proxy, read_proxies, read_stack
from opskit.rotation.protocol.interface import DatabaseCredential
from opskit.secret import Secret
from opskit.workload.interface import Workload

T = TypeVar("T")

NEEDED: frozenset[type] = frozenset(
    {
        Identity,
        StoredCredential,
        Database,
        DbInstances,
        DbClusters,
        Workload,
        InstanceProbe,
        OperatorAccess,
        ResolvedDatabase,
    }
)
DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True)
class RotationContext:
    """The facts from which a plan is derived.

    Attributes:
        readers: hosts of the cluster's other instances.
        text: the password parameter's exact value; password: the part of it that is the password.
        properties: of the password's location.
        proxies: RDS Proxies in front of the database.
        stacks: parameter -> the CloudFormation stack that declares it; empty for none.
    """

    target: Target
    identity: Identity
    parameters: StoredCredential
    database: DbInstance
    cluster: DbCluster | None
    readers: tuple[str, ...]
    host: str
    port: int
    user: str
    name: str
    text: Secret
    password: Secret
    properties: LocationProperties
    app: Fact[Workload]
    probe: Fact[InstanceProbe]
    access: Fact[OperatorAccess]
    engine: Engine
    proxies: tuple[Proxy, ...] | Unknown = ()
    stacks: Mapping[str, str | Unknown] = field(default_factory=dict)

    @property
    def managed_secret_arn(self) -> str | None:
        """The Secrets Manager secret of the master user, if RDS manages one."""
        of_cluster = self.cluster.managed_secret_arn if self.cluster else None
        return of_cluster or self.database.managed_secret_arn

    @property
    def is_master(self) -> bool:
        """Whether the app uses the master user."""
        return self.user == self.database.master_username

    @property
    def source(self) -> CredentialSource:
        """The credential source of the target."""
        return source_of(self.target)

    @property
    def password_name(self) -> str:
        """The name of the password's location."""
        return self.source.location("password").name

    @property
    def is_missing(self) -> bool:
        """Whether the password parameter does not exist."""
        return not self.properties.exists

    def text_with(self, login: DatabaseCredential) -> Secret:
        """Return the password parameter's whole value with another login in it."""
        return self.source.text_with(self.text, login.user, login.password)


def load_context(
    target: Target,
    clients: Clients,
    region: str,
    on_wait: Callable[[str], None] = lambda _: None,
    *,
    may_be_missing: bool = False,
) -> RotationContext:
    """Read all that a plan needs.

    Args:
        on_wait: called with a text when a read has to wait.
        may_be_missing: the password parameter need not exist.

    Raises:
        OpskitError: the target cannot be found, or its password cannot be rotated at all.
    """
    if target.workload_kind.rotation_refusal:
        raise UsageError(*target.workload_kind.rotation_refusal)
    wanted = required_facts(NEEDED)
    given = given_facts(target, region)
    snapshot = analyze_all(gather(wanted, clients, given, deadline_s=DEADLINE_S, on_wait=on_wait))
    parameters: StoredCredential = _needed(snapshot, StoredCredential, "the parameters")
    database: Database = _needed(snapshot, Database, "the database")
    identity: Identity = _needed(snapshot, Identity, "who you are")
    instance = database.instance
    doubt = database.doubt or database_doubt.leads_elsewhere(snapshot)
    if doubt:
        raise CannotProceed(
            f"{doubt}; nothing is changed at a database that may not be the app's",
            f"--db-instance {instance.identifier}   confirms that it is",
        )
    source = source_of(target)
    for purpose in ("username", "database"):
        if not parameters.value(purpose):
            raise CannotProceed(
                f"{source.location(purpose).name} was not read, so it is not known whose password this is",
                "opskit diagnose parameters",
            )
    clusters = snapshot.value(DbClusters)
    cluster = clusters.of(instance) if clusters else None
    name = source.location("password").name
    ours = [n for n in (instance.identifier, cluster.identifier if cluster else "") if n]
    written = list(dict.fromkeys((name, source.location("username").name)))
    client = clients.client(source.service)
    reads: list[Callable[[], Any]] = [
        lambda: _read_password(source, client, may_be_missing=may_be_missing),
        lambda: read_proxies(clients.client("rds"), clients.client("secretsmanager"), ours),
        *((lambda n=n: read_stack(source, client, n)) for n in written),
    ]
    (text, properties), proxies, *stacks = run_concurrently(reads)
    password = Secret(source.piece(text.reveal(), "password") or "")
    try:
        database_engine = engine.for_rds_engine(instance.engine)
    except engine.UnknownEngine as error:
        raise CannotProceed(f"opskit does not speak the engine {error} yet") from None
    return RotationContext(
        target, identity, parameters, instance, cluster,
        _readers(snapshot, cluster), database.host or "", database.port,
        parameters.value("username") or "", parameters.value("database") or "", text, password, properties,
        snapshot.get(Workload), snapshot.get(InstanceProbe), snapshot.get(OperatorAccess), database_engine,
        proxies, dict(zip(written, stacks, strict=True)),
    )  # fmt: skip


def _readers(snapshot: Snapshot, cluster: DbCluster | None) -> tuple[str, ...]:
    """Return the hosts of a cluster's instances, without the writer's."""
    instances = snapshot.value(DbInstances)
    if cluster is None or instances is None:
        return ()
    return tuple(
        i.host
        for i in instances.all
        if i.cluster_id == cluster.identifier and i.identifier != cluster.writer_id and i.host
    )


def _needed(snapshot: Snapshot, kind: type[T], noun: str) -> T:
    fact = snapshot.get(kind)
    if isinstance(fact, Unknown):
        refuse_bug(fact)
        missing = f"missing: {', '.join(map(str, fact.missing))}" if fact.missing else ""
        raise CannotProceed(
            f"nothing can be rotated without knowing {noun}: {fact.reason}", missing
        )
    return fact.value


def _read_password(
    source: CredentialSource, client: AwsClient, *, may_be_missing: bool
) -> tuple[Secret, LocationProperties]:
    """Read the exact value of the password's location, and its properties.

    Raises:
        TargetError: it does not exist.
        CannotProceed: it cannot be read.
    """
    name = source.location("password").name
    try:
        password = source.inspect(client, "password")
    except AwsError as error:
        raise CannotProceed(f"{name} cannot be read: {error.permission}: {error.code}") from None
    if password is None and not may_be_missing:
        raise TargetError(f"there is no parameter {name}")
    return password or (Secret(""), source.absent)
