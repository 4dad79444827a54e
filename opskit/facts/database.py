"""Selects the database of the target: the one that the endpoint parameter names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from opskit import denial_message
from opskit.config import Target
from opskit.credential_source import source_of
from opskit.endpoint import form_flaw
from opskit.errors import AmbiguousTarget, UsageError, or_option
from opskit.facts.identity import Identity, account_words
from opskit.facts.interface import Fact, FactUnavailable, Known, Unknown, known_value
from opskit.facts.rds import DbClusters, DbInstance, DbInstances
from opskit.facts.region import Region
from opskit.facts.stored_credential import StoredCredential

OPTION = "--db-instance ID"
CLUSTER = ".cluster-"
"""A part of the names of every endpoint of a cluster."""
RDS_REGION = re.compile(r"\.([a-z]{2}(?:-[a-z]+)+-\d)\.rds\.amazonaws\.com")
"""The Region in the name of an RDS endpoint."""


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


def weigh(target: Target, instances: DbInstances, parameters: StoredCredential) -> DatabaseEvidence:
    """Compare every database with the parameters except the endpoint, and with the target's name."""
    name, user = parameters.value("database"), parameters.value("username")
    name_words = target.name_words
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
    target: Target,
    region: Region,
    identity: Fact[Identity],
    listed: Fact[DbInstances],
    clusters: Fact[DbClusters],
    parameters: Fact[StoredCredential],
) -> Database:
    """Find the database by name, by the endpoint parameter, or by database and user name.

    The last method is for an endpoint parameter that is missing or stale; it is used only if exactly
    one database matches. Where no parameter could be read, the one that carries the target's name is
    taken. A database that only one piece of evidence points to is diagnosed, but carries a doubt.

    Raises:
        UsageError: the named database does not exist, or none of the parameters does.
        AmbiguousTarget: several match.
        FactUnavailable: none matches, or nothing is known that identifies a database.
    """
    where = account_words(identity, region)
    if isinstance(parameters, Known):
        _refuse_absent(target, parameters.value, where)
    instances = known_value(listed)
    if target.db_instance:
        return _named(target, instances, where)
    known = parameters.value if isinstance(parameters, Known) else None
    host = known.host if known else None
    by_endpoint = _by_endpoint(host, instances, clusters) if host else None
    if known and by_endpoint:
        evidence = weigh(target, instances, known)
        return replace(by_endpoint, doubt=_doubt(target, by_endpoint.instance, evidence))
    if host and CLUSTER in host and isinstance(clusters, Unknown):
        raise FactUnavailable(
            f"no RDS instance in {where} has the endpoint {host}, and whether a cluster has it is not "
            f"known: {clusters.reason}",
            *or_option(clusters.missing, OPTION),
        )
    names = (known.value("database"), known.value("username")) if known else (None, None)
    if any(names):
        database = _by_names(target, names, instances.all)
    else:
        database = _by_tags(target, instances.all)
    if database is None:
        raise _unmatched(target, instances, where, parameters)
    return database


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


def _refuse_absent(target: Target, parameters: StoredCredential, where: str) -> None:
    """Raise where not one of the parameters exists: the settings name another place than the app's."""
    if parameters.existing or parameters.refused or not parameters.missing:
        return
    origin = target.origins.get("prefix", "--prefix")
    names = ", ".join(name for _, name in parameters.missing)
    listed = ", ".join(parameters.other_paths)
    raise UsageError(
        f"{origin} {target.prefix or target.name}: none of these parameters exists in {where}: {names}",
        (f"{origin} that exist there: {listed}\n" if listed else "")
        + "Is it another Region or account? Try --region or --profile.",
    )


def _named(target: Target, instances: DbInstances, where: str) -> Database:
    for instance in instances.all:
        if instance.identifier == target.db_instance:
            return Database(instance, instance.host, instance.port, "it was named")
    origin = target.origins.get("db_instance", "--db-instance")
    raise UsageError(
        f"{origin} '{target.db_instance}': there is no such RDS instance in {where}",
        f"instances there: {_listed(instances.all)}",
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


def _by_names(
    target: Target, names: tuple[str | None, str | None], instances: Iterable[DbInstance]
) -> Database | None:
    name, user = names
    fitting = [
        i
        for i in instances
        if (name is None or i.database_name == name) and (user is None or i.master_username == user)
    ]
    if len(fitting) > 1:
        raise _several(target, fitting, f"have {_pair(name, user)}")
    if not fitting:
        return None
    return Database(
        fitting[0], fitting[0].host, fitting[0].port, f"it alone has {_pair(name, user)}"
    )


def _by_tags(target: Target, instances: Iterable[DbInstance]) -> Database | None:
    """The database that carries the target's name, where no parameter's value is known."""
    fitting = [
        i
        for i in instances
        if target.name_words and all(part in i.searchable_text for part in target.name_words)
    ]
    if len(fitting) > 1:
        raise _several(target, fitting, f"carry the name {target.name}")
    if not fitting:
        return None
    instance = fitting[0]
    why = f"its name or tags alone carry {target.name}"
    doubt = f"only its name or tags point to {instance.identifier}: no parameter could be read"
    return Database(instance, instance.host, instance.port, why, doubt)


def _several(target: Target, fitting: list[DbInstance], why: str) -> AmbiguousTarget:
    return AmbiguousTarget(
        f"{len(fitting)} RDS instances may be the database of {target.name}: they {why}",
        f"--db-instance ID   names one of {_listed(fitting)}",
    )


def _unmatched(
    target: Target, instances: DbInstances, where: str, parameters: Fact[StoredCredential]
) -> FactUnavailable:
    """The error where no database fits: the refused reads first, then what the endpoint names."""
    listed = f"RDS instances in {where}: {_listed(instances.all)}"
    if isinstance(parameters, Unknown):
        reason = f"the parameters are not known: {parameters.reason}; {listed}"
        return FactUnavailable(reason, *or_option(parameters.missing, OPTION))
    endpoint = source_of(target).location("endpoint").name
    failure = next((f for f in parameters.value.refused if "endpoint" in f.purpose), None)
    if failure is not None:
        who = denial_message.parse(failure.message).who
        reason = f"{who} may not read {endpoint} ({failure.code}); {listed}"
        return FactUnavailable(reason, *or_option((failure.permission,), OPTION))
    what = _endpoint_words(endpoint, parameters.value.value("endpoint"), where)
    return FactUnavailable(f"{what}; {listed}", OPTION)


def _endpoint_words(name: str, value: str | None, where: str) -> str:
    """Why the endpoint parameter names no known database; a value that is no host is not repeated."""
    if value is None:
        return f"{name} does not exist"
    flaw = form_flaw(value)
    if flaw:
        return f"{name} {flaw}"
    other = RDS_REGION.search(value)
    elsewhere = f" (its name is of {other[1]}: --region {other[1]})" if other else ""
    return f"{name} says {value}, which no RDS instance or cluster in {where} has{elsewhere}"


def _listed(instances: Iterable[DbInstance]) -> str:
    return ", ".join(sorted(i.identifier for i in instances)) or "none"


def _pair(name: str | None, user: str | None) -> str:
    message = (f"database {name}" if name else "", f"master user {user}" if user else "")
    return " and ".join(part for part in message if part)
