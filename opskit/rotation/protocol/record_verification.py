"""Checks an unfinished rotation's record before it is resumed: that it is this target's, and who wrote it.

Anyone with write access below `/opskit/rotation/` can forge a record. A record that does not match the
target is never resumed. One that another user wrote needs a person's consent, who sees what could not be
compared; one that the caller wrote does not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from opskit.analysis import analyze_all, required_facts
from opskit.config import Target
from opskit.credential_source import source_of
from opskit.credential_source.ssm_store import describe
from opskit.errors import AwsError
from opskit.facts import identity
from opskit.facts.database import Database
from opskit.facts.gather import gather
from opskit.facts.given_facts import given_facts
from opskit.facts.interface import Fact, Unknown, run_concurrently
from opskit.facts.rds import DbClusters, DbInstances
from opskit.facts.snapshot import Snapshot
from opskit.rotation.planning.context import DEADLINE_S
from opskit.rotation.protocol.interface import AwsClients, RotationIntent
from opskit.rotation.steps.restart import is_readable
from opskit.workload import write_location
from opskit.workload.interface import Workload

NEEDED: frozenset[type] = frozenset({Database, DbInstances, DbClusters, Workload})


@dataclass(frozen=True, slots=True)
class RecordVerification:
    """Objections to resuming a rotation from its record.

    Attributes:
        problems: mismatches with this target; with any, the rotation is not resumed.
        doubts: parts that cannot be compared; shown when a person is asked, and by --status.
        writer: the record's author as Parameter Store reports it; empty if unknown.
        is_ours: the caller wrote it.
    """

    problems: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    writer: str = ""
    is_ours: bool = False

    @property
    def needs_consent(self) -> bool:
        """Whether a person has to agree before the rotation is resumed."""
        return not self.is_ours


def verify_record(
    aws: AwsClients, target: Target, intent: RotationIntent, path: str
) -> RecordVerification:
    """Compare an unfinished rotation's record with the target, both as AWS describes them now.

    Args:
        path: of its `open` record.
    """
    ssm = aws.client("ssm")
    given = given_facts(target, aws.region)
    snapshot = analyze_all(gather(required_facts(NEEDED), aws, given, deadline_s=DEADLINE_S))
    reads: list[Callable[[], Any]] = [
        lambda: describe(ssm, path),
        lambda: _key_of_password(target, aws),
        lambda: identity.read(aws.client("sts")),
    ]
    record, key_id, caller = run_concurrently(reads)
    writer = str(record.get("LastModifiedUser") or "")
    problems = (*_foreign_parameters(target, intent), *_foreign_database(snapshot, intent))
    doubts = (*_other_key(key_id, intent), *_not_compared(snapshot, intent))
    return RecordVerification(
        problems,
        (*doubts, *_unreadable_targets(intent)),
        writer,
        is_ours=bool(writer) and writer == caller.arn,
    )


def _key_of_password(target: Target, aws: AwsClients) -> str | None:
    source = source_of(target)
    name = source.location("password").name
    with contextlib.suppress(AwsError):
        for description in source.describe(aws.client(source.service)):
            if description.name == name:
                return description.key_id
    return None


def _foreign_parameters(target: Target, intent: RotationIntent) -> Iterator[str]:
    """Yield mismatches: a record writes the target's own parameters, the password's first, and no other."""
    names = [update.name for update in intent.published]
    source = source_of(target)
    own = source.location("password").name
    if names[:1] != [own]:
        yield f"it is about {', '.join(names) or 'no parameter'}, and not about {own}"
    for name in names[1:]:
        if name != source.location("username").name:
            yield f"it writes {name}, which is none of the target's"


def _foreign_database(snapshot: Snapshot, intent: RotationIntent) -> Iterator[str]:
    database = snapshot.value(Database)
    if database is None:
        return
    clusters = snapshot.value(DbClusters)
    cluster = clusters.of(database.instance) if clusters else None
    resource = cluster.resource_id if cluster else database.instance.resource_id
    if resource and intent.resource != resource:
        yield f"it is about the database {intent.resource or '(none)'}, and the target's is {resource}"
    if (intent.host, intent.port) != (database.host, database.port):
        yield (
            f"it logs in at {intent.host}:{intent.port}, and the target's database is at "
            f"{database.host}:{database.port}"
        )


def _unreadable_targets(intent: RotationIntent) -> Iterator[str]:
    """Yield restart targets that an earlier opskit or a forger wrote.

    They are never restarted, and do not prevent `--restart none`.
    """
    for text in intent.restart_targets:
        if not is_readable(text):
            yield f"it restarts {text!r}, which names neither a container nor a service"


def _other_key(key_id: str | None, intent: RotationIntent) -> Iterator[str]:
    recorded = intent.published[0].key_id if intent.published else None
    if key_id and key_id != recorded:
        yield f"it writes under the key {recorded or '(none)'}, and the parameter is under {key_id}"


def _not_compared(snapshot: Snapshot, intent: RotationIntent) -> Iterator[str]:
    database: Fact[Database] = snapshot.get(Database)
    if isinstance(database, Unknown):
        yield f"its database could not be compared with the target's: {database.reason}"
    elif database.value.doubt:
        yield database.value.doubt
    app = snapshot.value(Workload)
    if app is None or write_location(app) != intent.location:
        yield f"it goes through {intent.location or 'no instance'}, which is not known to be the app's"
    instances = snapshot.value(DbInstances)
    known = {i.host for i in instances.all} if instances else set()
    for host in intent.readers:
        if host not in known:
            yield f"it logs in at {host} too, which is no database of this account"
    if intent.admin_parameter:
        yield f"it logs in with what {intent.admin_parameter} holds"
