"""Makes the changes of a repair: each write is sent once, and a login afterwards verifies the result."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from opskit.credential_source.interface import CredentialUpdate
from opskit.errors import AwsError, CannotProceed
from opskit.facts.interface import Ssm
from opskit.rotation.planning.context import RotationContext
from opskit.rotation.planning.plan import published
from opskit.rotation.protocol.fence import Fence
from opskit.rotation.protocol.interface import AwsClients, ChangeOutcome, Strategy
from opskit.rotation.protocol.state_machine import CallOutcome, PasswordVersion
from opskit.rotation.repair.advice import advise_after_reset
from opskit.rotation.repair.proposals import Repair
from opskit.rotation.steps.credential_writer import CredentialWriter
from opskit.rotation.steps.master_user import MasterUserStrategy
from opskit.secret import Secret
from opskit.transport.database_connector import DatabaseConnector

POLL_S, LONGEST_POLL_S = 0.5, 4.0


@dataclass(frozen=True, slots=True)
class MasterUser:
    """The database whose master password RDS is asked to set."""

    db_instance: str
    cluster: str | None
    resource: str


@dataclass(frozen=True, slots=True)
class Changes:
    """Functions that send the changes of a repair; none repeats a call.

    Attributes:
        create: creates a parameter that does not exist.
        write: writes a parameter that exists, and moves its labels.
        master: sets RDS's master password.
        mark_observed: called before each change, since the state was just read.
        quiet_s: RDS may report nothing pending for this long while the new password is still refused.
    """

    create: Callable[[CredentialUpdate], ChangeOutcome]
    write: Callable[[CredentialUpdate], ChangeOutcome]
    master: Strategy
    mark_observed: Callable[[], None] = lambda: None
    quiet_s: float = 0.0


def changes_of(context: RotationContext, aws: AwsClients, fence: Fence) -> Changes:
    """Create the functions that make a repair's changes through AWS."""
    source = context.source
    reading = aws.client(source.service)
    changing = aws.write_client(source.service, fence.check)
    store = source.store(reading, changing, time.sleep, time.monotonic)
    cluster, instance = context.cluster, context.database
    location = MasterUser(
        instance.identifier,
        cluster.identifier if cluster else None,
        cluster.resource_id if cluster else instance.resource_id,
    )

    def create(update: CredentialUpdate) -> ChangeOutcome:
        try:
            source.create(changing, update.name, update.new, update.key_id)
        except AwsError as error:
            return ChangeOutcome.by(error)
        return ChangeOutcome(CallOutcome.APPLIED)

    def write(update: CredentialUpdate) -> ChangeOutcome:
        return CredentialWriter(store, (update,)).publish(PasswordVersion.NEW)

    master = MasterUserStrategy(aws.client("rds"), aws.write_client("rds", fence.check), location)
    return Changes(create, write, master, fence.mark_observed, fence.hold_down_s)


def apply_repair(
    repair: Repair,
    context: RotationContext,
    changes: Changes,
    connector: DatabaseConnector,
    stall_timeout_s: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Make the change, and wait until the password logs in.

    The parameter is written before RDS is asked: its current value does not log in, and if the repair is
    interrupted, the new password is in the parameter.

    Raises:
        CannotProceed: a change was refused, or did not help.
    """
    if repair.writes_parameter:
        update = published(context, repair.login)
        changes.mark_observed()
        change = changes.create(update) if context.is_missing else changes.write(update)
        _require_applied(change, context)
    if repair.sets_master:
        changes.mark_observed()
        _require_applied(changes.master.change(repair.login), context)
    began = quiet_since = clock()
    pause_s = POLL_S
    while not (attempt := connector.try_login(repair.user, repair.login.password)).succeeded:
        if repair.sets_master and _is_pending(changes.master):
            quiet_since = clock()
        if clock() - quiet_since > changes.quiet_s or clock() - began > stall_timeout_s:
            sentence = f"{repair.user} still cannot log in: {attempt.message}"
            raise CannotProceed(sentence, advise_after_reset(context))
        sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_POLL_S)


def create_combined_parameter(context: RotationContext, name: str, ssm: Ssm) -> None:
    """Create a parameter that holds user name and password together.

    Raises:
        CannotProceed: it exists already, or cannot be created.
    """
    both = {"username": context.user, "password": context.password.reveal()}
    text = Secret(json.dumps(both), is_document=True)
    try:
        context.source.create(ssm, name, text, context.properties.key_id)
    except AwsError as error:
        raise CannotProceed(
            f"{name} was not created: {error.permission}: {error.code}: {error.message[:200]}"
        ) from None


def _require_applied(change: ChangeOutcome, context: RotationContext) -> None:
    if change.outcome is CallOutcome.APPLIED:
        return
    verb = "was refused" if change.outcome is CallOutcome.REFUSED else "may not have been made"
    raise CannotProceed(
        f"the change {verb}: {change.why}",
        f"opskit rotate-password repair {context.target.flags}   looks again",
    )


def _is_pending(master: Strategy) -> bool:
    """Whether RDS reports a pending change; False if it cannot be read."""
    with contextlib.suppress(AwsError):
        return master.control().is_pending
    return False
