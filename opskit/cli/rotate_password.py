"""The command `opskit rotate-password` and its subcommands."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from opskit.cli.options import Seconds, check_ca_file, make_target, target_options
from opskit.errors import (
    AwsError,
    CannotProceed,
    ExitStatus,
    OpskitError,
    RotationUnfinished,
    UsageError,
)

if TYPE_CHECKING:
    from opskit.cli.rotation_output import Output
    from opskit.config import Target
    from opskit.rotation.planning.plan import Plan
    from opskit.rotation.protocol.journal import Record
    from opskit.rotation.protocol.record_verification import RecordVerification
    from opskit.rotation.protocol.services import RotationResult
    from opskit.rotation.service import Service

YOUNG_S = 120.0
"""Another process may still be running a rotation that was touched this recently."""
OWN_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--dry-run",
        is_flag=True,
        help="Run the preflight checks and show the plan; change nothing.",
    ),
    click.option("--resume", is_flag=True, help="Resume the unfinished rotation."),
    click.option(
        "--rollback", is_flag=True, help="Roll back the unfinished rotation to the old password."
    ),
    click.option("--status", is_flag=True, help="Show the status of the unfinished rotation."),
    click.option(
        "--strategy",
        type=click.Choice(["auto", "master", "role", "alternating"]),
        default="auto",
        show_default=True,
        help="How to change the password: through RDS, by SQL, or with two alternating roles.",
    ),
    click.option(
        "--admin-parameter",
        metavar="NAME",
        default="",
        help="Parameter with an administrator's login as JSON, used to create the second role.",
    ),
    click.option(
        "--restart",
        multiple=True,
        metavar="WORKLOAD",
        help="What to restart: auto, none, container:NAME, ecs:CLUSTER/SERVICE or asg:NAME; repeatable.",
    ),
    click.option(
        "--on-unhealthy",
        type=click.Choice(["rollback", "stop"]),
        default="rollback",
        show_default=True,
        help="What to do if the app is unhealthy with the new password.",
    ),
    click.option(
        "--health-timeout",
        type=Seconds(1, 3600),
        default=60,
        show_default=True,
        help="Time limit for a restarted workload to become healthy.",
    ),
    click.option("--password-stdin", is_flag=True, help="Read the new password from stdin."),
    click.option(
        "--previous-password",
        is_flag=True,
        help="Rotate to the password used before the last rotation.",
    ),
    click.option(
        "--take-over",
        is_flag=True,
        help="Resume another user's rotation; end one whose password others have replaced.",
    ),
    click.option(
        "--password-length",
        metavar="CHARACTERS",
        type=click.IntRange(12, 128),
        default=32,
        show_default=True,
        help="Length of the generated password.",
    ),
    click.option(
        "--stall-timeout",
        type=Seconds(1, 86400),
        default=600,
        show_default=True,
        help="Stop after this many seconds without progress.",
    ),
    click.option(
        "--no-wait", is_flag=True, help="Fail if an earlier rotation would have to be waited for."
    ),
    click.option(
        "--fence",
        type=Seconds(1, 86400),
        help="Wait this long before closing, so that no delayed request can still arrive "
        "[OPSKIT_ROTATION_FENCE, 1200].",
    ),
    click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation."),
)
COMMON_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--output",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="Output format.",
    ),
    click.option("--debug", is_flag=True, help="Log every AWS call to stderr."),
)


def _options(*groups: tuple[Callable[[Any], Any], ...]) -> Callable[[Any], Any]:
    def add(function: Any) -> Any:
        function = target_options(function)
        for option in reversed([o for group in groups for o in group]):
            function = option(function)
        return function

    return add


@click.group("rotate-password", invoke_without_command=True)
@_options(OWN_OPTIONS, COMMON_OPTIONS)
@click.pass_context
def rotate_password(context: click.Context, /, **options: Any) -> int:
    """Rotate the database user's password: change it, update the parameter, restart the app, verify.

    The command can be killed at any moment: both passwords are stored before anything is changed, and
    --resume or --rollback finish the rotation from any machine.

    \b
    Examples:
      opskit rotate-password --prefix /linkbox
      opskit rotate-password --prefix /linkbox --dry-run
      opskit rotate-password --prefix /linkbox --status
      opskit rotate-password --prefix /linkbox --resume
    """
    if context.invoked_subcommand is not None:
        _refuse_others(context, context.invoked_subcommand)
        return 0
    if sum(bool(options[option]) for option in ("resume", "rollback", "status", "dry_run")) > 1:
        raise UsageError("--resume, --rollback, --status and --dry-run exclude each other")
    return _with_service(options, _rotate)


@rotate_password.command()
@_options(COMMON_OPTIONS)
def history(**options: Any) -> int:
    """List past rotations: time, user, parameter version and result. Show no secrets."""
    return _with_service(options, _history)


def _history(service: Service, output: Output, _: dict[str, Any]) -> int:
    return output.history(service.journal.all(), service.credentials.initiators())


@rotate_password.command()
@click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
@click.option(
    "--password-stdin", is_flag=True, help="Read the password to try and write from stdin."
)
@click.option(
    "--new-password",
    is_flag=True,
    help="If no known password logs in, set a generated one through RDS (master user only).",
)
@click.option(
    "--key-id", metavar="KEY", default="", help="KMS key for a parameter that has to be created."
)
@_options(COMMON_OPTIONS)
def repair(**options: Any) -> int:
    """Find the password that logs in, and write it to the parameter.

    Use it if the database rejects the parameter's password, or if the parameter does not exist. It
    tries the parameter's value, corrected forms of it (without a stray newline, extracted from a JSON
    secret), the managed secret, earlier versions, and the records of rotations. If none logs in, RDS
    can set the master password to the parameter's value, if that is a valid password.

    \b
    Examples:
      opskit rotate-password repair --prefix /linkbox
      opskit rotate-password repair --prefix /linkbox --password-stdin
    """
    from opskit.cli.rotation_repair import run

    return _with_service(options, run)


@rotate_password.command()
@click.argument("name")
@click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
@_options(COMMON_OPTIONS)
def create_combined_parameter(**options: Any) -> int:
    """Create the parameter NAME with user name and password as JSON.

    Two parameters cannot be changed at the same time; a combined one can. With it, no new login fails
    during a rotation with --strategy alternating.

    \b
    Examples:
      opskit rotate-password create-combined-parameter /linkbox/db-credentials --prefix /linkbox
    """
    return _with_service(options, _create_combined_parameter)


def _create_combined_parameter(service: Service, output: Output, options: dict[str, Any]) -> int:
    name = options["name"]
    context = service.load_context(output.waiting)
    output.say(f'{name} will hold {{"username": "{context.user}", "password": "..."}}')
    confirm("Create it?", output, options)
    service.repairs.create_combined_parameter(context, name)
    output.say(f"{name} is there. Let the app read it in place of the two; then name it twice:")
    output.say(f"opskit.toml: parameter_username = parameter_password = {name!r}")
    return int(ExitStatus.HEALTHY)


def _refuse_selectors(target: Target) -> None:
    """Refuse references with a version or label: a rotation writes, and reads the newest version back."""
    for purpose, reference in target.references.items():
        if reference.selector:
            raise UsageError(
                f"{reference.text} selects one version of a parameter; rotate-password writes new ones",
                f"--parameter-{purpose} {reference.name}",
            )


def _with_service(
    options: dict[str, Any], work: Callable[[Service, Output, dict[str, Any]], int]
) -> int:
    """Create the service, do the work, and end every error with one clear sentence."""
    from opskit.aws import Aws
    from opskit.cli.internal_error import report
    from opskit.cli.rotation_output import Output
    from opskit.cli.terminal import Spinner
    from opskit.rotation.protocol.fence import Fence
    from opskit.rotation.service import Service
    from opskit.rotation.status import OpenWork

    target = make_target(_with_parents(options))
    check_ca_file(target)
    _refuse_selectors(target)
    _log(options["debug"])
    with Spinner(quiet=False) as spinner:
        output = Output(target, spinner, as_json=options["output"] == "json")
        try:
            service = Service(
                target,
                Aws(target, spinner),
                Fence(_fence_s(options)),
                stall_timeout_s=options.get("stall_timeout") or 600,
                health_timeout_s=options.get("health_timeout") or 60,
                stops_on_unhealthy=options.get("on_unhealthy") == "stop",
                on_event=output.event,
            )
            try:
                return work(service, output, options)
            except KeyboardInterrupt:
                return output.interrupted(service.open_work)
            except OpskitError as error:
                return output.error(error, standing=service.open_work)
            except AwsError as error:
                message = CannotProceed(
                    f"{error.permission} failed: {error.code} {error.message[:200]}"
                )
                return output.error(message, standing=service.open_work)
            except Exception as error:
                # A bug in opskit, during work that has to be resumed.
                if service.open_work not in (OpenWork.ROTATION, OpenWork.MANAGED):
                    raise
                report(error)
                return output.error(RotationUnfinished("it stopped"), standing=service.open_work)
            finally:
                service.close()
        except OpskitError as error:
            return output.error(error, standing=OpenWork.NOTHING)


def _with_parents(options: dict[str, Any]) -> dict[str, Any]:
    """Merge in options that were written before the subcommand."""
    context = click.get_current_context()
    parent = context.parent
    if parent is None:
        return options
    from_parent = {k for k in options if _is_given(parent, k) and not _is_given(context, k)}
    return {k: parent.params[k] if k in from_parent else v for k, v in options.items()}


def _is_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _refuse_others(context: click.Context, name: str) -> None:
    """Refuse options that only a rotation has: a user must not believe that `--dry-run` took effect."""
    command = rotate_password.get_command(context, name)
    known = {p.name for p in command.params} if command is not None else set()
    for option in rotate_password.params:
        if option.name not in known and _is_given(context, str(option.name)):
            raise UsageError(f"{option.opts[0]} is about a rotation, and {name} is none")


def _log(debug: bool) -> None:
    """Show opskit's own log if asked for; the SDK's contains passwords, and `opskit.aws` silences it."""
    import logging

    if debug:
        logging.basicConfig(stream=sys.stderr, format="%(message)s")
        logging.getLogger("opskit").setLevel(logging.DEBUG)


def _fence_s(options: dict[str, Any]) -> float:
    from opskit.rotation.protocol.fence import DEFAULT_S

    message = options.get("fence")
    if message:
        return float(message)
    text = os.environ.get("OPSKIT_ROTATION_FENCE")
    if not text:
        return DEFAULT_S
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 86400:
        raise UsageError(
            f"OPSKIT_ROTATION_FENCE='{text}' is not a number of seconds from 1 to 86400"
        )
    return seconds


def _warn_of_short_fence(options: dict[str, Any], output: Output) -> None:
    from opskit.rotation.protocol.fence import DEFAULT_S

    seconds = _fence_s(options)
    if seconds < DEFAULT_S:
        source = "--fence" if options["fence"] else "OPSKIT_ROTATION_FENCE"
        output.say(
            f"{source} {seconds:g}: another process that still works on a rotation of this password, or "
            "a request of theirs under way, may undo this one after it is closed"
        )


def _rotate(service: Service, output: Output, options: dict[str, Any]) -> int:
    from opskit.rotation.planning.plan import ParameterOvertaken

    if not options["status"]:
        _warn_of_short_fence(options, output)
    unfinished = service.unfinished()
    if options["resume"] or options["rollback"]:
        return _go_on(service, output, options, unfinished)
    if options["status"] or unfinished is not None:
        # A user who asks for a new password sees the rotation that is unfinished.
        return _report(service, output, options, unfinished)
    try:
        return _begin(service, output, options)
    except ParameterOvertaken as error:
        return _report_overtaken(service, output, options, error)


def _report(
    service: Service, output: Output, options: dict[str, Any], unfinished: Record | None
) -> int:
    if unfinished is None:
        return output.status(None, _fence_s(options))
    trust = _trust(service, unfinished)
    situation = service.status(unfinished)
    advice = service.advise(situation.stop)
    return output.status(situation, _fence_s(options), advice, trust)


def _report_overtaken(
    service: Service, output: Output, options: dict[str, Any], error: OpskitError
) -> int:
    """Report the rotation that another user started a moment before this one."""
    unfinished = service.unfinished()
    if unfinished is None:
        raise RotationUnfinished(
            f"{error.sentence}, and it is over already",
            "the same command again rotates once more",
        )
    output.say(error.sentence)
    return _report(service, output, options, unfinished)


def _go_on(
    service: Service, output: Output, options: dict[str, Any], unfinished: Record | None
) -> int:
    from opskit.rotation.protocol.state_machine import REPLACED, Direction

    if unfinished is None:
        output.say("no unfinished rotation: nothing to resume")
        return int(ExitStatus.HEALTHY)
    restart = options["restart"]
    if restart and restart != ("none",):
        raise UsageError(
            f"--restart {restart[0]}: an unfinished rotation restarts what it was started with",
            "--restart none   leaves the restart to you",
        )
    _ask_before_joining(service, unfinished, output, options)
    direction = Direction.FORWARD if options["resume"] else Direction.ROLLBACK
    takes_over, restarts = options["take_over"], not restart
    result = service.resume(unfinished, direction, takes_over=takes_over, restarts=restarts)
    if result.stop == REPLACED and is_interactive(options):
        output.say(result.why)
        confirm("End this rotation, and keep what is there now?", output, options)
        result = service.resume(unfinished, direction, takes_over=True, restarts=restarts)
        takes_over = True
    is_agreed = takes_over and result.direction is Direction.SUPERSEDED
    return _end(service, output, result, wanted=Direction.SUPERSEDED if is_agreed else direction)


def is_interactive(options: dict[str, Any]) -> bool:
    return sys.stdin.isatty() and not options["yes"]


def _begin(service: Service, output: Output, options: dict[str, Any]) -> int:
    from opskit.rotation.planning.plan import RotationOptions
    from opskit.rotation.protocol.state_machine import Direction

    if options["password_stdin"] and options["previous_password"]:
        raise UsageError("--password-stdin and --previous-password exclude each other")
    supplied = supplied_password("New password") if options["password_stdin"] else None
    context = service.load_context(output.waiting)
    if options["previous_password"]:
        supplied = service.credentials.previous(context.user)
    rotation_options = RotationOptions(
        strategy=options["strategy"],
        restart=options["restart"] or ("auto",),
        length=options["password_length"],
        supplied=supplied,
        admin_parameter=options["admin_parameter"],
    )
    output.waiting("the database")
    plan = service.plan(context, rotation_options)
    output.plan(plan, dry_run=options["dry_run"])
    if plan.problems:
        return int(ExitStatus.NOT_JUDGED)
    if options["dry_run"]:
        return int(ExitStatus.HEALTHY)
    if plan.wait_s and options["no_wait"]:
        raise OpskitError(
            f"the last rotation was not closed clean, so a late request may arrive for {plan.wait_s:.0f} s "
            "more, and --no-wait was said"
        )
    confirm("Rotate now?", output, options)
    output.begin()
    _wait_for_fence(plan, output)
    result = service.rotate_managed_secret(plan, context) if plan.managed else service.begin(plan)
    return _end(service, output, result, wanted=Direction.FORWARD)


def _end(service: Service, output: Output, result: RotationResult, wanted: str) -> int:
    from opskit.rotation.status import OpenWork

    if result.direction is None:
        raise RotationUnfinished(f"it stopped: {result.why}", service.advise(result.stop))
    output.result(result)
    service.open_work = OpenWork.NOTHING
    # Pruning may fail or be interrupted: it is no part of the rotation, and the next one prunes again.
    with contextlib.suppress(AwsError, OpskitError, KeyboardInterrupt):
        service.prune()
    return int(ExitStatus.HEALTHY if result.direction == wanted else ExitStatus.FAULT)


def _wait_for_fence(plan: Plan, output: Output) -> None:
    import time

    until = time.monotonic() + plan.wait_s
    while (left := until - time.monotonic()) > 0:
        output.waiting(
            f"the last rotation was not closed clean: a late request of it may arrive for {left:.0f} s",
            stays=True,
        )
        time.sleep(min(1.0, left))


def _ask_before_joining(
    service: Service, record: Record, output: Output, options: dict[str, Any]
) -> None:
    """Refuse a record that is not this target's; ask before resuming another user's rotation."""
    trust = _trust(service, record)
    if trust.needs_consent and not options["take_over"]:
        _ask_to_take_over(service, record, trust, output, options)
        return
    touched = record.touched_at
    if touched is not None and record.age_s(touched) < YOUNG_S and not options["yes"]:
        # A courtesy only: joining is safe at any time.
        ago = record.age_s(touched)
        output.say(
            f"another process touched this rotation {ago:.0f} s ago and may still be running"
        )
        confirm("Go on all the same?", output, options)


def _trust(service: Service, record: Record) -> RecordVerification:
    """Verify that a record is this target's.

    Raises:
        RotationUnfinished: it is not; the record is not used, not even for an observation.
    """
    trust = service.verify(record)
    if trust.problems:
        opened = f"{service.journal.path}/{record.number}/open"
        raise RotationUnfinished(
            f"the record of rotation {record.number} is not this target's: {'; '.join(trust.problems)}. "
            f"Nothing of it was obeyed. It was written by {trust.writer or 'an unknown user'}",
            "--parameter-password and --db-instance name the right target, if this is the wrong one\n"
            f"aws ssm delete-parameter --name {opened}   only when it is known to be forged: "
            "a real one may hold the only copy of a password",
        )
    return trust


def _ask_to_take_over(
    service: Service,
    record: Record,
    trust: RecordVerification,
    output: Output,
    options: dict[str, Any],
) -> None:
    for doubt in trust.doubts:
        output.say(f"rotation {record.number}: {doubt}")
    writer = trust.writer or "a user whom Parameter Store does not name"
    if not is_interactive(options):
        raise RotationUnfinished(
            f"rotation {record.number} was started by {writer}, and there is no terminal to ask on",
            "--take-over   goes on with it; --status shows what it restarts and where it logs in",
        )
    _report(service, output, options, record)
    confirm(f"{writer} began this rotation. Go on with it?", output, options)


def confirm(question: str, output: Output, options: dict[str, Any]) -> None:
    if options["yes"]:
        return
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask on", "--yes   goes on without asking")
    with output.paused():
        if not click.confirm(question, err=True):
            click.echo("opskit: nothing was changed", err=True)
            raise click.exceptions.Exit(int(ExitStatus.INTERRUPTED))


def supplied_password(prompt: str) -> Any:
    """Read a password from stdin, or from a terminal without echo."""
    from opskit.secret import Secret

    if sys.stdin.isatty():
        return Secret(click.prompt(prompt, hide_input=True, err=True))
    text = sys.stdin.readline().rstrip("\r\n")
    if not text:
        raise UsageError("--password-stdin was said, and stdin is empty")
    return Secret(text)
