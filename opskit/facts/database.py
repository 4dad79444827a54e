"""Selects the database of the target: the one that the endpoint parameter names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from opskit.config import Target
from opskit.credential_source import source_of
from opskit.endpoint import form_flaw
from opskit.errors import TargetError
from opskit.facts.interface import Fact, FactUnavailable, Known, Unknown
from opskit.facts.parameters import Parameters
from opskit.facts.rds import DbClusters, DbInstance, DbInstances


@dataclass(frozen=True, slots=True)
class Database:
    """The database that is diagnosed.

    Attributes:
        instance: the DB instance; for a cluster its writer.
        host, port: where a client should connect: the instance's endpoint or the cluster's.
        selection_reason: how the database was found, as a clause for `--verbose` and for findings.
        doubt: why it may not be the app's database, as a sentence without its full stop; empty where
            more evidence than the suspected parameter points to it.
    """

    instance: DbInstance
    host: str | None
    port: int
    selection_reason: str
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class DatabaseEvidence:
    """The evidence besides the endpoint parameter, by the database that it matches.

    Attributes:
        by_identifier: identifier -> descriptions of the evidence; databases without any are left out.
        copies: identifier -> other databases with its database name and master user, which are
            neither its replicas nor members of its cluster.
    """

    by_identifier: Mapping[str, tuple[str, ...]]
    copies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, identifier: str) -> tuple[str, ...]:
        """The evidence that matches a database."""
        return self.by_identifier.get(identifier, ())

    def text(self, identifier: str) -> str:
        """The evidence that matches a database, as an enumeration."""
        *rest, last = self.of(identifier) or ("nothing",)
        return f"{', '.join(rest)} and {last}" if rest else last

    def better_than(self, identifier: str) -> tuple[str, ...]:
        """The databases that more evidence matches."""
        own = len(self.of(identifier))
        return tuple(i for i, evidence in self.by_identifier.items() if len(evidence) > own)


def weigh(target: Target, instances: DbInstances, parameters: Parameters) -> DatabaseEvidence:
    """Compare every database with the parameters except the endpoint, and with the target's name."""
    name, user = parameters.value("database"), parameters.value("username")
    name_words = [w for w in (target.prefix or target.name).lower().split("/") if w]
    evidence: dict[str, tuple[str, ...]] = {}
    twins: list[DbInstance] = []
    for instance in instances.all:
        same_name = name is not None and instance.database_name == name
        same_user = user is not None and instance.master_username == user
        tagged = bool(name_words) and all(
            name_word in instance.searchable_text for name_word in name_words
        )
        labels = ("database name", "master user", "name or tags")
        fitting = zip(labels, (same_name, same_user, tagged), strict=True)
        kept = tuple(label for label, fits in fitting if fits)
        if kept:
            evidence[instance.identifier] = kept
        if same_name and same_user:
            twins.append(instance)
    copies = {t.identifier: tuple(o.identifier for o in twins if _is_copy(t, o)) for t in twins}
    return DatabaseEvidence(evidence, {i: others for i, others in copies.items() if others})


def _is_copy(instance: DbInstance, other: DbInstance) -> bool:
    """Whether two databases with the same name and user are neither replicas nor of one cluster."""
    same_cluster = instance.cluster_id is not None and instance.cluster_id == other.cluster_id
    replicated = instance.identifier == other.replica_of or other.identifier == instance.replica_of
    return instance is not other and not same_cluster and not replicated


def select(
    target: Target, instances: DbInstances, clusters: Fact[DbClusters], parameters: Fact[Parameters]
) -> Database:
    """Find the database by name, by the endpoint parameter, or by database and user name.

    The last method is for an endpoint parameter that is missing or stale; it is used only if exactly
    one database matches. A database that only the endpoint points to is diagnosed, but carries a
    doubt: the parameter itself may be wrong.

    Raises:
        TargetError: the named database does not exist, or none or several match.
        FactUnavailable: nothing is known that identifies a database.
    """
    if target.db_instance:
        return _named(target.db_instance, instances)
    if isinstance(parameters, Unknown):
        raise FactUnavailable(
            f"the endpoint parameter is not known: {parameters.reason}", *parameters.missing
        )
    host = parameters.value.host
    by_endpoint = _by_endpoint(host, instances, clusters) if host else None
    if by_endpoint:
        evidence = weigh(target, instances, parameters.value)
        return replace(by_endpoint, doubt=_doubt(target, by_endpoint.instance, evidence))
    return _by_names(target, parameters.value, instances.all)


def _doubt(target: Target, instance: DbInstance, evidence: DatabaseEvidence) -> str:
    """Why a database that the endpoint names may be another app's; empty with enough evidence."""
    endpoint, name = source_of(target).location("endpoint").name, instance.identifier
    better = evidence.better_than(name)
    if better:
        other = better[0]
        return f"{endpoint} names {name}, but {other} fits by {evidence.text(other)}"
    if not evidence.of(name):
        return (
            f"only {endpoint} points to {name}: neither its database name nor its master user nor its "
            f"tags fit {target.name}"
        )
    return ""


def _named(identifier: str, instances: DbInstances) -> Database:
    for instance in instances.all:
        if instance.identifier == identifier:
            return Database(instance, instance.host, instance.port, "it was named")
    names = ", ".join(sorted(i.identifier for i in instances.all)) or "none"
    raise TargetError(
        f"there is no RDS instance '{identifier}' in this account and Region",
        f"instances there: {names}",
    )


def _by_endpoint(host: str, instances: DbInstances, clusters: Fact[DbClusters]) -> Database | None:
    for instance in instances.all:
        if instance.host and instance.host.lower() == host:
            return Database(
                instance, instance.host, instance.port, "the endpoint parameter names it"
            )
    if isinstance(clusters, Known):
        for cluster in clusters.value.all:
            names = (cluster.endpoint, cluster.reader_endpoint, *cluster.custom_endpoints)
            writer = next((i for i in instances.all if i.identifier == cluster.writer_id), None)
            if writer and host in (n.lower() for n in names if n):
                why = f"the endpoint parameter names cluster {cluster.identifier}"
                return Database(writer, host, cluster.port or writer.port, why)
    return None


def _by_names(target: Target, parameters: Parameters, instances: Iterable[DbInstance]) -> Database:
    name, user = parameters.value("database"), parameters.value("username")
    fitting = [
        i
        for i in instances
        if (name is None or i.database_name == name)
        and (user is None or i.master_username == user)
        and (name is not None or user is not None)
    ]
    if len(fitting) == 1:
        why = f"it alone has {_pair(name, user)}"
        return Database(fitting[0], fitting[0].host, fitting[0].port, why)
    endpoint = source_of(target).location("endpoint").name
    what = _endpoint_words(endpoint, parameters.value("endpoint"))
    listed = ", ".join(sorted(i.identifier for i in instances)) or "none"
    raise TargetError(
        f"no RDS instance belongs to {target.name}: {what}",
        f"Is it another Region? Try --region, or name the database: --db-instance ID\n"
        f"instances here: {listed}",
    )


def _endpoint_words(name: str, value: str | None) -> str:
    """Why the endpoint parameter names no known database; a value that is no host is not repeated."""
    if value is None:
        return f"{name} was not read"
    flaw = form_flaw(value)
    return f"{name} {flaw}" if flaw else f"{name} says {value}, which does not exist here"


def _pair(name: str | None, user: str | None) -> str:
    message = (f"database {name}" if name else "", f"master user {user}" if user else "")
    return " and ".join(part for part in message if part)
