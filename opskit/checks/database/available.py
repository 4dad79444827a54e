"""The database instance is available.

Means: in most other states no one can log in, even over an open network path.
Found by: rds:DescribeDBInstances. The status is the control plane's view: `available` does not
prove that logins work.
Looks alike: a security group that drops: a stopped instance gives no answer either.
Fix: start the instance, or wait for its running operation.
Not the fix: restarting the app repeatedly.
"""

from __future__ import annotations

from opskit.checks.fix import Advice, Fix, Remedy
from opskit.checks.fix_commands import call
from opskit.checks.interface import (
    Evidence,
    Finding,
    failed,
    passed,
    reported,
    undecided,
    warned,
)
from opskit.commands import AwsWait, Command
from opskit.facts.database import Database
from opskit.facts.rds import DbInstance

explains = ("dns", "tcp", "tls", "auth", "app")
is_essential = True

WORKING = frozenset(
    [
        "available",
        "backing-up",
        "configuring-enhanced-monitoring",
        "configuring-log-exports",
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
        "incompatible-parameters",
        "incompatible-network",
        "incompatible-option-group",
        "incompatible-restore",
        "insufficient-capacity",
        "inaccessible-encryption-credentials",
        "inaccessible-encryption-credentials-recoverable",
    ]
)
"""Source: Amazon RDS User Guide, viewing DB instance status. AWS adds statuses: a new one is judged
unknown, not broken."""


def check(database: Database) -> Finding:
    """Judge the status."""
    instance = database.instance
    message = reported(f"rds:DescribeDBInstances says {instance.status} of {instance.identifier}")
    label = f"{instance.identifier} ({instance.engine} {instance.engine_version})"
    if instance.status in WORKING or instance.status == "storage-full":
        return passed(f"{label} is {instance.status}", message)
    if instance.status in PASSING:
        return warned(
            f"{label} is {instance.status}; logins fail until it is available",
            message,
            fix=Advice(
                f"Wait: aws rds wait db-instance-available --db-instance-identifier {instance.identifier}"
            ),
        )
    if instance.status not in BROKEN:
        return undecided(f"{label} is in a state opskit does not know: {instance.status}")
    return failed(
        f"{label} is {instance.status}", message, *_restart_time(instance), fix=_fix(instance)
    )


def _restart_time(instance: DbInstance) -> tuple[Evidence, ...]:
    if instance.restarts_at is None:
        return ()
    return (reported(f"RDS will start it by itself at {instance.restarts_at:%Y-%m-%d %H:%M} UTC"),)


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
