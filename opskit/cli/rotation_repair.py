"""The command `opskit rotate-password repair`: proposes one change, and makes it after confirmation."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from opskit.cli.rotate_password import confirm, supplied_password
from opskit.errors import CannotProceed, ExitStatus, RotationUnfinished, UsageError

if TYPE_CHECKING:
    from opskit.cli.rotation_output import Output
    from opskit.rotation.planning.context import RotationContext
    from opskit.rotation.protocol.journal import Record
    from opskit.rotation.repair import Repair
    from opskit.rotation.service import Service


def run(service: Service, output: Output, options: dict[str, Any]) -> int:
    """Find the password that logs in, and write it to the parameter."""
    if options["password_stdin"] and options["new_password"]:
        raise UsageError("--password-stdin and --new-password exclude each other")
    supplied = supplied_password("Password to try") if options["password_stdin"] else None
    unfinished = service.unfinished()
    if unfinished is not None and not _is_repairable(service, unfinished):
        raise RotationUnfinished(
            "a rotation is unfinished: resuming it is the repair",
            "opskit rotate-password --status   shows its status",
        )
    context = service.load_context(output.waiting, may_be_missing=True)
    if options["key_id"] and not context.is_missing:
        raise UsageError("--key-id is for a parameter that has to be created, and this one exists")
    repair = service.repairs.propose(context, supplied, makes_new=options["new_password"])
    if not repair.proposal and context.is_missing and supplied is None:
        repair = _ask(service, context, repair, output, options)
    if repair.is_sound:
        output.say(f"{repair.parameter} logs in as {repair.user}: there is nothing to repair")
        return int(ExitStatus.HEALTHY)
    _tell(repair, context, output)
    if not repair.proposal:
        raise CannotProceed(repair.sentence, repair.advice)
    if context.is_missing:
        context, because = service.repairs.with_key(context, options["key_id"])
        key = context.key["KeyId"]
        output.say(f"{repair.parameter} becomes a SecureString under the key {key}: {because}")
    output.say(f"the smallest repair: {repair.proposal}")
    confirm("Do that now?", output, options)
    service.apply_repair(repair, context)
    output.say(f"{repair.parameter} logs in as {repair.user}")
    output.say("restart what still runs on another password; then:")
    output.say(f"opskit diagnose db {context.target.flags}".rstrip())
    return int(ExitStatus.HEALTHY)


def _is_repairable(service: Service, record: Record) -> bool:
    """Whether an unfinished rotation is this target's and needs `repair` to continue."""
    return not service.verify(record).problems and service.status(record).needs_repair


def _tell(repair: Repair, context: RotationContext, output: Output) -> None:
    """Report the state, and the passwords that do not log in."""
    state = "does not exist" if context.is_missing else f"does not log in as {repair.user}"
    tried = f". Tried without success: {'; '.join(repair.tried)}" if repair.tried else ""
    output.say(f"{repair.parameter} {state}{tried}")


def _ask(
    service: Service,
    context: RotationContext,
    repair: Repair,
    output: Output,
    options: dict[str, Any],
) -> Repair:
    """Ask for the password of a missing parameter if stdin is a terminal."""
    if options["yes"] or not sys.stdin.isatty():
        return repair
    _tell(repair, context, output)
    with output.paused():
        supplied = supplied_password(
            f"Password of {repair.user} (it is tried before it is written)"
        )
    return service.repairs.propose(context, supplied)
