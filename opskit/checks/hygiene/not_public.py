"""The database has no public address.

Means: only security groups stand between it and everybody.
Found by: PubliclyAccessible in rds:DescribeDBInstances.
Looks alike: a private instance whose name resolves anywhere: that is normal.
Fix: switch public access off; the app in the VPC keeps its private address.
Not the fix: leaving it on for one laptop; use a Session Manager tunnel.
"""

from __future__ import annotations

from opskit.checks.interface import Finding, Fix, passed, reported, warned
from opskit.checks.remedy import aws
from opskit.facts.database import Database


def check(database: Database) -> Finding:
    """Judge the setting."""
    name = database.instance.identifier
    if not database.instance.is_public:
        return passed(f"{name} has no public address")
    command = aws(
        "rds",
        "modify-db-instance",
        db_instance_identifier=name,
        no_publicly_accessible=True,
        apply_immediately=True,
    )
    return warned(
        f"{name} has a public address",
        reported("rds:DescribeDBInstances says PubliclyAccessible"),
        fix=Fix("takes the public address away", (command,)),
    )
