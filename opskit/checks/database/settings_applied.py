"""The database runs with the settings its parameter group shows.

Means: a group's values are not the running values while a reboot is pending.
Found by: ParameterApplyStatus and PendingModifiedValues.
Looks alike: a setting that has no effect.
Fix: reboot in a maintenance window.
Not the fix: setting the value again.
"""

from __future__ import annotations

from opskit.checks.fix import Advice, Fix
from opskit.checks.fix_commands import call
from opskit.checks.interface import Finding, passed, reported, undecided, warned
from opskit.checks.seen import Seen, one_of
from opskit.facts.database import Database

passes_on = one_of(Seen(Database, "instance.parameter_groups"))


def check(database: Database) -> Finding:
    """Name the pending settings."""
    instance = database.instance
    waiting = [
        f"{name} ({status})"
        for name, status in instance.parameter_groups
        if status not in ("in-sync", "")
    ]
    if instance.pending:
        waiting.append("pending: " + ", ".join(instance.pending))
    if not waiting and not instance.parameter_groups:
        return undecided(
            f"RDS names no parameter group of {instance.identifier}", "its DBParameterGroups"
        )
    if not waiting:
        return passed(f"no change of {instance.identifier} is pending")
    needs_reboot = any(status == "pending-reboot" for _, status in instance.parameter_groups)
    advice = Advice(
        "RDS applies what is pending in the maintenance window, or at once with --apply-immediately."
        if instance.pending
        else f"RDS's events say more: aws rds describe-events --source-type db-instance "
        f"--source-identifier {instance.identifier} --duration 1440"
    )
    reboot = call("rds", "RebootDBInstance", DBInstanceIdentifier=instance.identifier)
    return warned(
        f"{instance.identifier} does not run with all its settings yet: {'; '.join(waiting)}",
        reported("rds:DescribeDBInstances"),
        fix=Fix(
            (reboot,),
            "reboots the database: every connection is cut",
            no_undo="the settings that are applied by it were chosen before",
        )
        if needs_reboot
        else advice,
    )
