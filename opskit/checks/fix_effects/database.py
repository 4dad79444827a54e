"""Effects of calls that change the DB instance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from opskit.checks.fix_effects.security_groups import refuse_groups
from opskit.checks.fix_effects.state import STALE, CallRejected, Effects, State
from opskit.facts.certificate import Certificate
from opskit.facts.database import Database
from opskit.facts.interface import Known
from opskit.facts.rds import DbInstance, DbInstances

STARTABLE = ("stopped", "stopping", "inaccessible-encryption-credentials-recoverable")
"""States from which an instance can be started; for `stopping` a fix first waits for its end."""


def _modify_instance(state: State, arguments: Mapping[str, Any]) -> None:
    changes: dict[str, Any] = {}
    if arguments.get("ApplyImmediately"):
        # Changes that wait for the maintenance window are applied too (RDS User Guide, modifying).
        changes["pending"] = ()
    if "PubliclyAccessible" in arguments:
        changes["is_public"] = arguments["PubliclyAccessible"]
    if "BackupRetentionPeriod" in arguments:
        changes["backup_days"] = arguments["BackupRetentionPeriod"]
    if "VpcSecurityGroupIds" in arguments:
        groups = tuple(arguments["VpcSecurityGroupIds"])
        refuse_groups(state, groups, state.value(Database).instance.vpc_id)
        changes["security_group_ids"] = groups
    if "AllocatedStorage" in arguments:
        changes |= {"allocated_gib": arguments["AllocatedStorage"], "status": "available"}
    if "CACertificateIdentifier" in arguments:
        changes |= {
            "ca_identifier": arguments["CACertificateIdentifier"],
            "certificate_valid_till": None,
        }
        state.facts[Certificate] = STALE
    _change_database(state, arguments, changes)


def _start_instance(state: State, arguments: Mapping[str, Any]) -> None:
    database: Database = state.value(Database)
    if database.instance.status not in STARTABLE:
        raise CallRejected(f"{database.instance.identifier} is {database.instance.status}")
    _change_database(state, arguments, {"status": "available", "restarts_at": None})


def _stop_instance(state: State, arguments: Mapping[str, Any]) -> None:
    _change_database(state, arguments, {"status": "stopped"})


def _reboot_instance(state: State, arguments: Mapping[str, Any]) -> None:
    database: Database = state.value(Database)
    groups = tuple((name, "in-sync") for name, _ in database.instance.parameter_groups)
    _change_database(state, arguments, {"parameter_groups": groups, "pending": ()})


def _change_database(state: State, arguments: Mapping[str, Any], changes: dict[str, Any]) -> None:
    database: Database = state.value(Database)
    if arguments["DBInstanceIdentifier"] != database.instance.identifier:
        raise CallRejected(
            f"{arguments['DBInstanceIdentifier']} is not the database that was judged"
        )
    changed: DbInstance = replace(database.instance, **changes)
    state.set(replace(database, instance=changed))
    listed = state.facts.get(DbInstances)
    if isinstance(listed, Known):
        rows = tuple(changed if i.identifier == changed.identifier else i for i in listed.value.all)
        state.facts[DbInstances] = replace(listed, value=DbInstances(rows))


EFFECTS: Effects = {
    ("rds", "ModifyDBInstance"): _modify_instance,
    ("rds", "RebootDBInstance"): _reboot_instance,
    ("rds", "StartDBInstance"): _start_instance,
    ("rds", "StopDBInstance"): _stop_instance,
}
