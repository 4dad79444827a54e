"""The database instance is available.

Means: in most other states nobody can log in, whatever the network says.
Found by: rds:DescribeDBInstances. The status is the control plane's view: `available` does not
prove that logins work.
Looks alike: a security group that drops: a stopped instance gives no answer either.
Fix: start it, or wait for what it is doing.
Not the fix: restarting the app again and again.
"""

from __future__ import annotations

import shlex

from opskit.checks.interface import (
    Evidence,
    Finding,
    Fix,
    failed,
    passed,
    reported,
    undecided,
    warned,
)
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
"""Source: Amazon RDS User Guide, viewing DB instance status. The list grows: an unknown word is
unknown, not broken."""


def check(database: Database) -> Finding:
    """Judge the status."""
    instance = database.instance
    said = reported(f"rds:DescribeDBInstances says {instance.status} of {instance.identifier}")
    label = f"{instance.identifier} ({instance.engine} {instance.engine_version})"
    if instance.status in WORKING or instance.status == "storage-full":
        return passed(f"{label} is {instance.status}", said)
    if instance.status in PASSING:
        return warned(f"{label} is {instance.status}; logins fail until it is available", said)
    if instance.status not in BROKEN:
        return undecided(f"{label} is in a state opskit does not know: {instance.status}")
    return failed(
        f"{label} is {instance.status}", said, *_restart_time(instance), fix=_fix(instance)
    )


def _restart_time(instance: DbInstance) -> tuple[Evidence, ...]:
    if instance.restarts_at is None:
        return ()
    return (reported(f"RDS will start it by itself at {instance.restarts_at:%Y-%m-%d %H:%M} UTC"),)


def _fix(instance: DbInstance) -> Fix | None:
    if instance.status not in (
        "stopped",
        "stopping",
        "inaccessible-encryption-credentials-recoverable",
    ):
        return None
    identifier = shlex.quote(instance.identifier)
    commands = [
        f"aws rds start-db-instance --db-instance-identifier {identifier}",
        f"aws rds wait db-instance-available --db-instance-identifier {identifier}",
    ]
    if instance.status == "stopping":
        commands.insert(
            0, f"aws rds wait db-instance-stopped --db-instance-identifier {identifier}"
        )
    return Fix("starts the instance, which takes some minutes", tuple(commands))
