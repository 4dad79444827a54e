"""The workflows of `rotate-password repair` and `create-combined-parameter`: one write, after consent."""

from __future__ import annotations

from dataclasses import dataclass

from opskit.errors import CannotProceed, ExitStatus, RotationUnfinished, UsageError
from opskit.rotation.interaction import Prompter, Reporter
from opskit.rotation.planning.context import RotationContext
from opskit.rotation.protocol.journal import Record
from opskit.rotation.repair.proposals import Repair
from opskit.rotation.service import Service


@dataclass(frozen=True, slots=True)
class RepairRequest:
    """The options of `rotate-password repair`.

    Attributes:
        password_from_stdin: try and write a password that the user knows.
        makes_new: set a generated password through RDS if no known one logs in.
        key_id: the KMS key of a parameter that has to be created; empty to find it.
    """

    password_from_stdin: bool = False
    makes_new: bool = False
    key_id: str = ""


def repair_password(
    service: Service, request: RepairRequest, reporter: Reporter, prompter: Prompter
) -> ExitStatus:
    """Find the password that logs in, and write it to the parameter.

    Raises:
        Declined: the user does not consent.
        CannotProceed: there is no repair, or it did not help.
        RotationUnfinished: resuming the unfinished rotation is the repair.
    """
    if request.password_from_stdin and request.makes_new:
        raise UsageError("--password-stdin and --new-password exclude each other")
    supplied = prompter.password("Password to try") if request.password_from_stdin else None
    unfinished = service.unfinished()
    if unfinished is not None and not _is_repairable(service, unfinished):
        raise RotationUnfinished(
            "a rotation is unfinished: resuming it is the repair",
            "opskit rotate-password --status   shows its status",
        )
    context = service.load_context(reporter.waiting, may_be_missing=True)
    if request.key_id and not context.is_missing:
        raise UsageError("--key-id is for a parameter that has to be created, and this one exists")
    repair = service.repairs.propose(context, supplied, makes_new=request.makes_new)
    if not repair.proposal and context.is_missing and supplied is None and prompter.is_interactive:
        _report_state(repair, context, reporter)
        supplied = prompter.password(
            f"Password of {repair.user} (it is tried before it is written)"
        )
        repair = service.repairs.propose(context, supplied)
    if repair.is_sound:
        reporter.say(f"{repair.parameter} logs in as {repair.user}: there is nothing to repair")
        return ExitStatus.HEALTHY
    _report_state(repair, context, reporter)
    if not repair.proposal:
        raise CannotProceed(repair.sentence, repair.advice)
    if context.is_missing:
        context, because = service.repairs.with_key(context, request.key_id)
        key = context.properties.key_id
        reporter.say(f"{repair.parameter} becomes a SecureString under the key {key}: {because}")
    reporter.say(f"the smallest repair: {repair.proposal}")
    prompter.confirm("Do that now?")
    service.apply_repair(repair, context)
    reporter.say(f"{repair.parameter} logs in as {repair.user}")
    reporter.say("restart what still runs on another password; then:")
    reporter.say(f"opskit diagnose db {context.target.flags}".rstrip())
    return ExitStatus.HEALTHY


def _is_repairable(service: Service, record: Record) -> bool:
    """Whether an unfinished rotation is this target's and needs `repair` to continue."""
    return not service.verify(record).problems and service.status(record).needs_repair


def _report_state(repair: Repair, context: RotationContext, reporter: Reporter) -> None:
    """Report the state, and the passwords that do not log in."""
    state = "does not exist" if context.is_missing else f"does not log in as {repair.user}"
    tried = f". Tried without success: {'; '.join(repair.tried)}" if repair.tried else ""
    reporter.say(f"{repair.parameter} {state}{tried}")


def create_combined_parameter(
    service: Service, name: str, reporter: Reporter, prompter: Prompter
) -> ExitStatus:
    """Create a parameter that holds user name and password together.

    Raises:
        Declined: the user does not consent.
        CannotProceed: it exists already, or cannot be created.
    """
    context = service.load_context(reporter.waiting)
    reporter.say(f'{name} will hold {{"username": "{context.user}", "password": "..."}}')
    prompter.confirm("Create it?")
    service.repairs.create_combined_parameter(context, name)
    reporter.say(f"{name} is there. Let the app read it in place of the two; then name it twice:")
    reporter.say(f"opskit.toml: parameter_username = parameter_password = {name!r}")
    return ExitStatus.HEALTHY
