"""The database's storage is encrypted.

Means: anyone who obtains disks, snapshots or backups can read them.
Found by: StorageEncrypted in rds:DescribeDBInstances.
Looks alike: TLS, which protects the connection, not the disk.
Fix: copy a snapshot with a key and restore it; the setting cannot be changed in place.
Not the fix: encrypting columns in the app.
"""

from __future__ import annotations

from opskit.checks.fix import Advice
from opskit.checks.interface import Finding, passed, warned
from opskit.checks.seen import Seen, one_of
from opskit.facts.database import Database

passes_on = one_of(Seen(Database, "instance.is_encrypted"))


def check(database: Database) -> Finding:
    """Judge the setting."""
    name = database.instance.identifier
    if database.instance.is_encrypted:
        return passed(f"the storage of {name} is encrypted")
    return warned(
        f"the storage of {name} is not encrypted",
        fix=Advice(
            f"It cannot be encrypted in place: copy a snapshot of {name} with a key, restore the copy, and "
            "point the app to it in a maintenance window."
        ),
    )
