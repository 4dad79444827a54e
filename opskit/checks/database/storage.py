"""The database has storage left.

Means: at the threshold RDS shuts the engine down to protect it.
Found by: the instance's status `storage-full`.
Looks alike: a crashed engine; events 0221 and 0007 tell them apart.
Fix: more storage; the change is accepted in this state.
Not the fix: a reboot.
"""

from __future__ import annotations

from opskit.checks.database.available import WORKING
from opskit.checks.fix import Danger, Fix
from opskit.checks.fix_commands import call
from opskit.checks.interface import Finding, failed, passed, reported, skipped
from opskit.checks.seen import Seen, one_of
from opskit.facts.database import Database
from opskit.symptom import SymptomKind, place

leads_to = (SymptomKind.DROPPED, SymptomKind.REFUSED, SymptomKind.NOT_READY)

GROWTH = 1.2
"""RDS requires at least 10 % more; 20 % leaves time to find the cause."""
passes_on = one_of(Seen(Database, "instance.status", lambda status: status in WORKING))


def check(database: Database) -> Finding:
    """Judge the status."""
    instance = database.instance
    if instance.status in WORKING:
        return passed(f"{instance.identifier} is not out of storage")
    if instance.status != "storage-full":
        return skipped(f"its status, {instance.status or 'none'}, is judged under another code")
    size = int((instance.allocated_gib or 20) * GROWTH) + 1
    return failed(
        f"{instance.identifier} is out of storage ({instance.allocated_gib} GiB allocated)",
        reported("rds:DescribeDBInstances says storage-full"),
        fix=Fix(
            (
                call(
                    "rds",
                    "ModifyDBInstance",
                    DBInstanceIdentifier=instance.identifier,
                    AllocatedStorage=size,
                    ApplyImmediately=True,
                ),
            ),
            f"raises the storage to {size} GiB",
            no_undo="allocated storage cannot be made smaller",
            dangers=(Danger.IRREVERSIBLE,),
        ),
        place=place(databases=[instance.identifier]),
    )
