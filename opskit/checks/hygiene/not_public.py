"""The database has no public address.

Means: only security groups protect the database from the internet.
Found by: PubliclyAccessible in rds:DescribeDBInstances.
Looks alike: a private instance whose name resolves everywhere: that is normal.
Fix: switch public access off; the app in the VPC keeps its private address.
Not the fix: leaving it on for one laptop; use a Session Manager tunnel.
"""

from __future__ import annotations

from opskit.checks.fix import Fix
from opskit.checks.fix_commands import OUTSIDE_LOSES, set_public
from opskit.checks.interface import Finding, passed, reported, warned
from opskit.checks.seen import Seen, one_of
from opskit.facts.database import Database

passes_on = one_of(Seen(Database, "instance.is_public"))


def check(database: Database) -> Finding:
    """Judge the setting."""
    name = database.instance.identifier
    if not database.instance.is_public:
        return passed(f"{name} has no public address")
    return warned(
        f"{name} has a public address",
        reported("rds:DescribeDBInstances says PubliclyAccessible"),
        fix=Fix(
            (set_public(name, is_public=False),),
            "takes the public address away",
            undo=(set_public(name, is_public=True),),
            caution=OUTSIDE_LOSES,
        ),
    )
