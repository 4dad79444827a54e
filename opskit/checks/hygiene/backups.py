"""The database is backed up for at least a week.

Means: without automatic backups there is no point in time to restore.
Found by: BackupRetentionPeriod in rds:DescribeDBInstances.
Looks alike: manual snapshots, which this does not count.
Fix: a retention of seven days or more.
Not the fix: a snapshot by hand.
"""

from __future__ import annotations

from opskit.checks.fix import Danger, Fix
from opskit.checks.fix_commands import call
from opskit.checks.interface import Finding, passed, reported, warned
from opskit.checks.seen import Seen, one_of
from opskit.facts.database import Database

ENOUGH_DAYS = 7
"""Data that was damaged on a Friday is noticed on Monday, which leaves some days to restore it."""
passes_on = one_of(Seen(Database, "instance.backup_days"))


def check(database: Database) -> Finding:
    """Judge the retention period."""
    name, days = database.instance.identifier, database.instance.backup_days
    if days >= ENOUGH_DAYS:
        return passed(f"backups of {name} are kept {days} days")
    what = f"are kept {days} days only" if days else "are switched off"
    change, undo = (
        call(
            "rds",
            "ModifyDBInstance",
            DBInstanceIdentifier=name,
            BackupRetentionPeriod=kept,
            ApplyImmediately=True,
        )
        for kept in (ENOUGH_DAYS, days)
    )
    # A change from 0 may interrupt the database for a moment (RDS User Guide, modifying).
    note = "Switching backups on can interrupt the database for a moment." if days == 0 else ""
    return warned(
        f"backups of {name} {what}",
        reported("rds:DescribeDBInstances"),
        fix=Fix(
            (change,),
            f"keeps backups {ENOUGH_DAYS} days",
            undo=(undo,),
            dangers=(Danger.INTERRUPTS_DATABASE,) if days == 0 else (),
            caution=note,
        ),
    )
