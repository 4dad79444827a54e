"""The database has a standby in a second zone.

Means: when its zone fails, the database is unavailable until the zone is back.
Found by: MultiAZ in rds:DescribeDBInstances.
Looks alike: a read replica, which does not take over by itself.
Fix: switch Multi-AZ on; it doubles the instance's price.
Not the fix: more snapshots.
"""

from __future__ import annotations

from opskit.checks.fix import Advice
from opskit.checks.interface import Finding, passed, skipped, warned
from opskit.checks.seen import Seen, one_of
from opskit.facts.database import Database

passes_on = one_of(Seen(Database, "instance.is_multi_az"))


def check(database: Database) -> Finding:
    """Judge the setting."""
    instance = database.instance
    if instance.cluster_id:
        return skipped(f"{instance.identifier} belongs to cluster {instance.cluster_id}")
    if instance.is_multi_az:
        return passed(f"{instance.identifier} has a standby in a second zone")
    return warned(
        f"{instance.identifier} runs in a single zone",
        fix=Advice(
            f"Multi-AZ for {instance.identifier} doubles its price, so it is a decision and no command."
        ),
    )
