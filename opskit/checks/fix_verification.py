"""Verifies a fix on the state after it; a fix that does not end its finding is not shown."""

from __future__ import annotations

from dataclasses import replace

from opskit.checks import database_doubt
from opskit.checks.catalogue import default_checks as default_checks
from opskit.checks.fix import Danger, Fix
from opskit.checks.fix_effects import CallRejected, apply
from opskit.checks.interface import Check, Finding, Status
from opskit.checks.run import run_check
from opskit.checks.shell_rendering import Caller, Unprintable, chain
from opskit.checks.state_changes import INSTANCE_FIELDS, describe_changes
from opskit.commands import AwsCall, Command, InstanceCommand
from opskit.facts.database import Database
from opskit.facts.snapshot import Snapshot

OBSERVED_LAYERS = frozenset({"dns", "tcp", "tls", "auth", "app"})
"""Layers whose findings rest on observations; after a change they are unknown until the next probe."""
AGENT_CONNECTED = "OPR008"
"""The one finding about the operator that rests on an observation: the agent's last connection."""
DANGERS: dict[tuple[str, str], set[Danger]] = {
    ("ec2", "AuthorizeSecurityGroupIngress"): {Danger.WIDENS_ACCESS},
    ("ec2", "AuthorizeSecurityGroupEgress"): {Danger.WIDENS_ACCESS},
    ("ec2", "CreateNetworkAclEntry"): {Danger.WIDENS_ACCESS},
    ("ec2", "ReplaceNetworkAclEntry"): {Danger.WIDENS_ACCESS},
    ("ec2", "ModifyInstanceMetadataOptions"): {Danger.WIDENS_ACCESS},
    ("ec2", "ModifyNetworkInterfaceAttribute"): {Danger.WIDENS_ACCESS},
    ("iam", "CreatePolicyVersion"): {Danger.WIDENS_ACCESS, Danger.GUARDRAIL},
    ("iam", "PutRolePolicy"): {Danger.WIDENS_ACCESS},
    ("iam", "PutUserPolicy"): {Danger.WIDENS_ACCESS},
    ("kms", "PutKeyPolicy"): {Danger.WIDENS_ACCESS, Danger.GUARDRAIL},
    ("ecs", "UpdateService"): {Danger.RESTARTS_APP},
    ("rds", "RebootDBInstance"): {Danger.INTERRUPTS_DATABASE},
    ("route53", "DeleteHostedZone"): {Danger.IRREVERSIBLE},
}
"""Operation -> its possible side effects, independent of its purpose."""
NOT_RESTORED = "evaluated, it would not restore the state before"
INVISIBLE = "a value in it has a control character or another invisible one"


def verify_fix(check: Check, finding: Finding, snapshot: Snapshot, caller: Caller) -> Finding:
    """The finding with its fix evaluated, labelled with its changes, and its undo verified.

    The fix becomes advice if AWS would refuse it, if the finding remains, or if it changes a database
    that is not certainly the app's.
    """
    fix = finding.fix
    if fix is None:
        return finding
    try:
        chain(fix.commands, caller)
        chain(fix.undo, caller)
    except Unprintable:
        return _without(finding, INVISIBLE)
    doubt = database_doubt.of(snapshot)
    if doubt and any(database_doubt.concerns(snapshot, c) for c in fix.commands):
        return _without(finding, doubt)
    try:
        after = apply(snapshot, fix.commands)
    except CallRejected as refusal:
        return _without(finding, f"AWS would not accept it: {refusal}")
    if doubt and database_doubt.changes_paths(snapshot, after):
        return _without(finding, doubt)
    if any(isinstance(c, AwsCall) for c in fix.commands) and not _is_gone(check, after):
        return _without(finding, "evaluated on the state that it leads to, it does not end this")
    broken = _broken_by(snapshot, after)
    if broken:
        return _without(finding, f"evaluated on the state that it leads to, this fails: {broken}")
    changes = describe_changes(snapshot, after)
    undo, no_undo = fix.undo, fix.no_undo
    if not _restores(snapshot, after, undo):
        undo, no_undo = (), NOT_RESTORED
    waiting = _applied_too(fix, snapshot)
    caution = " ".join(filter(None, (fix.caution, waiting)))
    dangers = _dangers(fix, interrupts=bool(waiting))
    proven = replace(
        fix, undo=undo, no_undo=no_undo, changes=changes, dangers=dangers, caution=caution
    )
    return replace(finding, fix=proven)


def _is_gone(check: Check, after: Snapshot) -> bool:
    status = run_check(check, after).status
    if status is Status.UNKNOWN:
        return check.layer in OBSERVED_LAYERS or check.code == AGENT_CONNECTED
    return status in (Status.PASS, Status.SKIP)


def _broken_by(before: Snapshot, after: Snapshot) -> str:
    """The summary of a check that fails only after the change; empty when none does."""
    for check in default_checks():
        # The app's settings are observations, and changing them is the purpose of a restart.
        if check.layer == "app":
            continue
        finding = run_check(check, after)
        if finding.status is Status.FAIL and run_check(check, before).status is not Status.FAIL:
            return f"{check.code}, {finding.summary}"
    return ""


def _restores(before: Snapshot, after: Snapshot, undo: tuple[Command, ...]) -> bool:
    """Whether the undo restores the state before."""
    if not undo:
        return True
    try:
        remaining = describe_changes(before, apply(after, undo, origin=before))
    except CallRejected:
        return False
    return all(change.subject.endswith(INSTANCE_FIELDS["pending"]) for change in remaining)


def _applied_too(fix: Fix, snapshot: Snapshot) -> str:
    """The pending changes of the database that a fix applies as well, as a sentence; empty without any."""
    database: Database | None = snapshot.value(Database)
    is_immediate = any(
        isinstance(c, AwsCall) and c.parameters.get("ApplyImmediately") for c in fix.commands
    )
    if database is None or not database.instance.pending or not is_immediate:
        return ""
    pending = ", ".join(database.instance.pending)
    return f"Its pending changes are applied at once too, which no undo takes back: {pending}."


def _dangers(fix: Fix, *, interrupts: bool) -> tuple[Danger, ...]:
    dangers = set(fix.dangers) | ({Danger.INTERRUPTS_DATABASE} if interrupts else set())
    for command in fix.commands:
        if isinstance(command, AwsCall):
            dangers |= DANGERS.get((command.service, command.operation), set())
    if fix.restarts or any(_restarts(c) for c in fix.commands):
        dangers.add(Danger.RESTARTS_APP)
    return tuple(danger for danger in Danger if danger in dangers)


def _restarts(command: Command) -> bool:
    """Whether a command restarts a container's process."""
    return isinstance(command, InstanceCommand) and any(
        "restart" in program or "--force-recreate" in program for program in command.programs
    )


def _without(finding: Finding, why: str) -> Finding:
    """The finding with advice instead of its fix."""
    fix = finding.fix
    does = f" ({fix.does})" if fix is not None and fix.does else ""
    return replace(finding, fix=None, advice=f"No command is offered{does}: {why}.")
