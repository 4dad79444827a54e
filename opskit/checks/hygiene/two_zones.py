"""The database has a standby in a second zone.

Means: when its zone fails, it is gone until the zone is back.
Found by: MultiAZ in rds:DescribeDBInstances.
Looks alike: a read replica, which does not take over by itself.
Fix: switch Multi-AZ on; it doubles the instance's price.
Not the fix: more snapshots.
"""

from __future__ import annotations

from opskit.checks.interface import Finding, passed, skipped, warned
from opskit.facts.database import Database


def check(database: Database) -> Finding:
    """Judge the setting."""
    instance = database.instance
    if instance.cluster_id:
        return skipped(f"{instance.identifier} belongs to cluster {instance.cluster_id}")
    if instance.is_multi_az:
        return passed(f"{instance.identifier} has a standby in a second zone")
    return warned(f"{instance.identifier} lives in a single zone")
