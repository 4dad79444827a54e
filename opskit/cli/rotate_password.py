"""The command `opskit rotate-password` and its subcommands."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from opskit.cli.debug_log import debug_option, start_log
from opskit.cli.options import Seconds, check_ca_file, make_target, target_options
from opskit.errors import ExitStatus, UsageError
from opskit.report import ROTATION_FORMATS

if TYPE_CHECKING:
    from opskit.cli.rotation_terminal import RotationTerminal
    from opskit.config import Target
    from opskit.rotation.service import Service
    from opskit.rotation.workflow import RotationRequest

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
        type=click.Choice(list(ROTATION_FORMATS)),
        default="text",
        show_default=True,
        help="Output format.",
    ),
    debug_option,
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

    options = _with_parents(options)

    def work(service: Service, terminal: RotationTerminal) -> ExitStatus:
        from opskit.rotation.workflow import RotationWorkflow

        return RotationWorkflow(service, _request(options), terminal, terminal).run()

    return _run(options, work)


def _request(options: dict[str, Any]) -> RotationRequest:
    from opskit.rotation.workflow import RequestedAction, RotationRequest

    fence_s, fence_origin = _fence(options)
    named = [a for a in RequestedAction if options.get(a.value)]
    return RotationRequest(
        action=named[0] if named else RequestedAction.ROTATE,
        fence_s=fence_s,
        fence_origin=fence_origin,
        restart=options["restart"],
        take_over=options["take_over"],
        dry_run=options["dry_run"],
        no_wait=options["no_wait"],
        strategy=options["strategy"],
        admin_parameter=options["admin_parameter"],
        password_length=options["password_length"],
        password_from_stdin=options["password_stdin"],
        previous_password=options["previous_password"],
    )


@rotate_password.command()
@_options(COMMON_OPTIONS)
def history(**options: Any) -> int:
    """List past rotations: time, user, parameter version and result. Show no secrets."""
    options = _with_parents(options)

    def work(service: Service, terminal: RotationTerminal) -> ExitStatus:
        from opskit.rotation.workflow import show_history

        return show_history(service, terminal)

    return _run(options, work)


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
    options = _with_parents(options)

    def work(service: Service, terminal: RotationTerminal) -> ExitStatus:
        from opskit.rotation.repair.workflow import RepairRequest, repair_password

        request = RepairRequest(
            password_from_stdin=options["password_stdin"],
            makes_new=options["new_password"],
            key_id=options["key_id"],
        )
        return repair_password(service, request, terminal, terminal)

    return _run(options, work)


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
    options = _with_parents(options)

    def work(service: Service, terminal: RotationTerminal) -> ExitStatus:
        from opskit.rotation.repair.workflow import create_combined_parameter

        return create_combined_parameter(service, options["name"], terminal, terminal)

    return _run(options, work)


def _refuse_selectors(target: Target) -> None:
    """Refuse references with a version or label: a rotation writes, and reads the newest version back."""
    for purpose, reference in target.references.items():
        if reference.selector:
            raise UsageError(
                f"{reference.text} selects one version of a parameter; rotate-password writes new ones",
                f"--parameter-{purpose} {reference.name}",
            )


def _run(options: dict[str, Any], work: Callable[[Service, RotationTerminal], ExitStatus]) -> int:
    """Create the service and the terminal, do the work, and return the exit status."""
    from opskit.aws import Aws
    from opskit.cli.internal_error import report
    from opskit.cli.rotation_terminal import RotationTerminal
    from opskit.cli.terminal import Spinner
    from opskit.rotation.error_report import run_reported
    from opskit.rotation.protocol.fence import Fence
    from opskit.rotation.service import Service

    target = make_target(options)
    check_ca_file(target)
    _refuse_selectors(target)
    start_log(is_on=options["debug"])
    with Spinner(quiet=False) as spinner:
        terminal = RotationTerminal(
            target, spinner, options["output"], assumes_yes=bool(options.get("yes"))
        )

        def create_service() -> Service:
            return Service(
                target,
                Aws(target, spinner),
                Fence(_fence(options)[0]),
                stall_timeout_s=options.get("stall_timeout") or 600,
                health_timeout_s=options.get("health_timeout") or 60,
                stops_on_unhealthy=options.get("on_unhealthy") == "stop",
                on_event=terminal.event,
            )

        command = f"opskit rotate-password {target.flags}".rstrip()
        return int(
            run_reported(
                create_service, terminal, command, report, lambda service: work(service, terminal)
            )
        )


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


def _fence(options: dict[str, Any]) -> tuple[float, str]:
    """Return the fence in seconds, and the option or variable that gave it.

    Raises:
        UsageError: the variable does not hold a number of seconds.
    """
    from opskit.rotation.protocol.fence import DEFAULT_S

    if options.get("fence"):
        return float(options["fence"]), "--fence"
    text = os.environ.get("OPSKIT_ROTATION_FENCE")
    if not text:
        return DEFAULT_S, ""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 86400:
        raise UsageError(
            f"OPSKIT_ROTATION_FENCE='{text}' is not a number of seconds from 1 to 86400"
        )
    return seconds, "OPSKIT_ROTATION_FENCE"
