"""The command `opskit run`: runs a command on the app's instance."""

from __future__ import annotations

import shlex
import sys
from typing import Any

import click

from opskit.cli.debug_log import debug_option, start_log
from opskit.cli.options import Seconds, make_target, target_options
from opskit.errors import ExitStatus


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option(
    "--timeout",
    type=Seconds(1, 3600),
    default=60,
    show_default=True,
    help="Overall time limit in seconds.",
)
@debug_option
@target_options
def run(command: tuple[str, ...], timeout: float, debug: bool, **options: Any) -> int:
    """Run a command on the app's instance or in its ECS task, as root where that is allowed.

    Its stdout and stderr are passed on unchanged, control characters included, as with ssh; its exit
    status becomes opskit's. Run Command returns at most 24,000 characters of output and 8,000 of errors:
    if it has cut the output, opskit reports that, and the exit status is 3 instead of 0. Never put a
    secret into the command: AWS keeps a history of commands and sessions.

    \b
    Examples:
      opskit run --prefix /linkbox -- docker ps
      opskit run --prefix /linkbox --via session-manager -- sh -c 'ss -tn | head'
      opskit run --prefix /linkbox --ecs-task prod/service:web -- cat /etc/resolv.conf
    """
    from opskit.aws import Aws
    from opskit.cli.terminal import Spinner, say
    from opskit.discovery import connect_to_workload

    start_log(is_on=debug)
    target = make_target(options)
    with Spinner(quiet=False) as spinner:
        aws = Aws(target, spinner)
        transport = connect_to_workload(target, aws, aws.region)

    def show(is_error: bool, data: bytes) -> None:
        stream = sys.stderr if is_error else sys.stdout
        stream.buffer.write(data)
        stream.flush()

    try:
        result = transport.run(shlex.join(command), timeout_s=timeout, on_output=show)
    except KeyboardInterrupt:
        say("interrupted; what the command has done until now stays so")
        return int(ExitStatus.INTERRUPTED)
    for notice in result.notices:
        say(notice)
    if not result.lost:
        return result.exit_status
    say(result.lost)
    print("        --via session-manager carries all of it", file=sys.stderr)
    return result.exit_status or int(ExitStatus.NOT_JUDGED)
