"""The database instance is available.

Means: in most other states no one can log in, even over an open network path.
Found by: rds:DescribeDBInstances, and a login. The status is the control plane's view: `available` does
not prove that logins work, and a login that works outweighs every other status.
Looks alike: a security group that drops: a stopped instance gives no answer either.
Fix: start the instance, or wait for its running operation.
Not the fix: restarting the app repeatedly.
"""

from __future__ import annotations

from typing import TypeGuard

from opskit import utc
from opskit.checks.fix import Advice, Fix, Remedy
from opskit.checks.fix_commands import call
from opskit.checks.interface import (
    Evidence,
    Finding,
    failed,
    observed,
    passed,
    reported,
    undecided,
    warned,
)
from opskit.checks.seen import Seen, one_of
from opskit.commands import AwsWait, Command
from opskit.engine.interface import LoginFailure
from opskit.facts.database import Database
from opskit.facts.dns import DatabaseHost
from opskit.facts.interface import Fact, Known
from opskit.facts.login import LoginAttemptResult
from opskit.facts.rds import DbInstance
from opskit.symptom import SymptomKind, place

leads_to = (
    SymptomKind.DROPPED,
    SymptomKind.UNREACHABLE,
    SymptomKind.REFUSED,
    SymptomKind.NOT_READY,
)
is_essential = True

WORKING = frozenset(
    [
        "available",
        "backing-up",
        "configuring-enhanced-monitoring",
        "configuring-log-exports",
        "storage-config-upgrade",
        "storage-optimization",
        "storage-initialization",
        "delete-precheck",
        "modifying",
        "maintenance",
        "configuring-iam-database-auth",
        "resetting-master-credentials",
    ]
)
PASSING = frozenset(
    [
        "renaming",
        "rebooting",
        "upgrading",
        "starting",
        "moving-to-vpc",
        "converting-to-vpc",
        "creating",
    ]
)
BROKEN = frozenset(
    [
        "stopping",
        "stopped",
        "deleting",
        "failed",
        "restore-error",
        "incompatible-create",
        "incompatible-parameters",
        "incompatible-network",
        "incompatible-option-group",
        "incompatible-restore",
        "insufficient-capacity",
        "inaccessible-encryption-credentials",
        "inaccessible-encryption-credentials-recoverable",
    ]
)
"""Source: Amazon RDS User Guide, viewing DB instance status. AWS adds statuses: a new one is a warning,
since it shows neither that the database works nor that it does not."""
passes_on = one_of(Seen(Database, "instance.status", lambda s: s in WORKING or s == "storage-full"))


def check(database: Database, login: Fact[LoginAttemptResult], host: Fact[DatabaseHost]) -> Finding:
    """Judge the status, and weigh it against a login."""
    instance = database.instance
    if not instance.status:
        return undecided(f"RDS reports no status of {instance.identifier}", "its DBInstanceStatus")
    message = reported(f"rds:DescribeDBInstances says {instance.status} of {instance.identifier}")
    label = f"{instance.identifier} ({instance.engine} {instance.engine_version})"
    if instance.status in WORKING or instance.status == "storage-full":
        return passed(f"{label} is {instance.status}", message)
    is_known = instance.status in PASSING or instance.status in BROKEN
    text = (
        f"{label} is {instance.status}{'' if is_known else ', a status that opskit does not know'}"
    )
    if _logs_in(login, host):
        return warned(
            f"{text}; yet {login.value.user} logs in from {login.value.tried_from}",
            message,
            observed(f"a login from {login.value.tried_from}"),
            fix=_events(instance, "Nothing has to be changed for the app now. "),
        )
    if instance.status in PASSING:
        wait = Advice(
            f"Wait: aws rds wait db-instance-available --db-instance-identifier {instance.identifier}"
        )
        if _is_down(login, host):
            return failed(
                f"{text}, and takes no login",
                message,
                observed(f"a login from {login.value.tried_from}: {login.value.message}"),
                fix=wait,
                place=place(databases=[instance.identifier]),
            )
        return warned(f"{text}; logins can fail until it is available", message, fix=wait)
    if not is_known:
        return warned(text, message, fix=_events(instance))
    return failed(
        text,
        message,
        *_restart_time(instance),
        fix=_fix(instance),
        place=place(databases=[instance.identifier]),
    )


def _logs_in(
    login: Fact[LoginAttemptResult], host: Fact[DatabaseHost]
) -> TypeGuard[Known[LoginAttemptResult]]:
    """Whether a login at the endpoint that RDS names succeeded."""
    return (
        isinstance(login, Known)
        and login.value.succeeded
        and isinstance(host, Known)
        and host.value.is_from_rds
    )


def _is_down(
    login: Fact[LoginAttemptResult], host: Fact[DatabaseHost]
) -> TypeGuard[Known[LoginAttemptResult]]:
    """Whether a login at the endpoint that RDS names met a server that is down; silence has other causes."""
    return (
        isinstance(login, Known)
        and login.value.failure in (LoginFailure.REFUSED, LoginFailure.NOT_READY)
        and isinstance(host, Known)
        and host.value.is_from_rds
    )


def _events(instance: DbInstance, before: str = "") -> Advice:
    """Advice to look at the instance's events, which explain its status."""
    return Advice(
        f"{before}The events of {instance.identifier} say what the status means: aws rds describe-events "
        f"--source-type db-instance --source-identifier {instance.identifier} --duration 1440"
    )


def _restart_time(instance: DbInstance) -> tuple[Evidence, ...]:
    if instance.restarts_at is None:
        return ()
    return (reported(f"RDS will start it by itself at {utc.minute(instance.restarts_at)}"),)


ADVICE = {
    "inaccessible-encryption-credentials": (
        "The key of its storage is gone or not usable, and RDS cannot bring this instance back: restore "
        "the newest snapshot or point in time under a key that works."
    ),
    "incompatible-parameters": (
        "Its parameter group has a value that the engine does not start with; the instance's events name "
        "it. Correct the group, then reboot the instance."
    ),
    "incompatible-network": (
        "The subnets of its subnet group have no address left, or are gone: add a subnet, then modify it."
    ),
    "incompatible-option-group": "Its option group does not fit the engine; the events name the option.",
    "incompatible-create": (
        "RDS cannot create it with the resources that it names; its events name the one. Correct that, or "
        "delete it and create it again."
    ),
    "incompatible-restore": "It cannot be restored; the events say why. Restore another snapshot.",
    "restore-error": "The restore failed; the events say why. Restore again from the snapshot.",
    "insufficient-capacity": "AWS has no capacity for this instance class in the zone: use another one.",
    "failed": "It cannot be recovered: restore it to a point in time.",
    "deleting": "It is being deleted: restore it from its final snapshot or an automated backup.",
}
"""Advice for states that no single command ends."""
NEEDS_KEY = "inaccessible-encryption-credentials-recoverable"
"""The state of an instance that starts again as soon as the key of its storage is enabled."""


def _fix(instance: DbInstance) -> Remedy | None:
    if instance.status not in ("stopped", "stopping", NEEDS_KEY):
        return Advice(ADVICE[instance.status]) if instance.status in ADVICE else None
    named = {"DBInstanceIdentifier": instance.identifier}
    start: tuple[Command, ...] = (
        call("rds", "StartDBInstance", **named),
        AwsWait("rds", "db-instance-available", named),
    )
    if instance.status == "stopping":
        start = (AwsWait("rds", "db-instance-stopped", named), *start)
    caution = "Enable the key of its storage first." if instance.status == NEEDS_KEY else ""
    return Fix(
        start,
        "starts the instance, which takes some minutes",
        undo=(call("rds", "StopDBInstance", **named),),
        caution=caution,
    )
