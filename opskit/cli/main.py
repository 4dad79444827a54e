"""The command tree: names, help lines and the module of each command."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import TextIO, cast

import click

from opskit import __version__
from opskit.cli.signals import handle_termination
from opskit.errors import EXIT_STATUS_MEANING, ExitStatus, OpskitError
from opskit.escaping import visible, visible_lines
from opskit.redaction import RedactingStream, expose

COMMANDS: dict[str, tuple[str, str]] = {
    "diagnose": ("opskit.cli.diagnose:diagnose", "Find out why the app cannot reach its database."),
    "rotate-password": (
        "opskit.cli.rotate_password:rotate_password",
        "Rotate the database user's password, without losing the one that works.",
    ),
    "run": ("opskit.cli.run:run", "Run a command on the app's instance."),
    "tunnel": ("opskit.cli.tunnel:tunnel", "Open a local port to the database."),
    "explain": ("opskit.cli.explain:explain", "Explain a finding code, offline."),
    "runbook": ("opskit.cli.runbook:runbook", "List and show the runbooks."),
    "init": (
        "opskit.cli.init:init",
        "Write a commented opskit.toml with the discovered resources.",
    ),
    "demo": (
        "opskit.cli.demo:demo",
        "Watch opskit find and fix a fault, without an AWS account.",
    ),
    "sandbox": (
        "opskit.cli.sandbox:sandbox",
        "Run a small AWS on this machine, to inject faults and to learn.",
    ),
    "completion": (
        "opskit.cli.completion:completion",
        "Print the completion script for bash, zsh or fish.",
    ),
    "schema": ("opskit.cli.schema:schema", "Print the JSON Schema of `diagnose --output json`."),
    "version": (
        "opskit.cli.version:version",
        "Print the versions of opskit and its dependencies.",
    ),
}
"""Name -> (dotted path, help line). A command is imported only when it is used."""


class LazyGroup(click.Group):
    """A click group that imports a command when it is run, not when it is listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table: most used first."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command; None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)  # noqa: S101  the table above is ours
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve a command as click does, and suggest the nearest name for a mistyped one."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            ctx.fail(f"No such command '{name}'.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, importing none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit status: "
    + ", ".join(f"{int(status)} {meaning}" for status, meaning in EXIT_STATUS_MEANING.items())
    + ".",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Find out in seconds why an app on AWS cannot reach its database, and verify the fix.

    \b
    Examples:
      opskit diagnose db --prefix /linkbox
      opskit explain NET001
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command line, until it ends, is interrupted or is terminated by a signal.

    Returns:
        The exit status. Every message about a failure has been written to stderr.
    """
    expose(*arguments)
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast("TextIO", RedactingStream(stream)) for stream in streams)
    try:
        with handle_termination() as stop:
            return stop.status(_run(arguments))
    finally:
        sys.stdout, sys.stderr = streams


def _run(arguments: Sequence[str]) -> int:
    try:
        status = cli.main(list(arguments), prog_name="opskit", standalone_mode=False)
        return status if isinstance(status, int) else int(ExitStatus.HEALTHY)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return int(ExitStatus.USAGE)
    except OpskitError as error:
        say_error(error)
        return int(error.exit_status)
    except (KeyboardInterrupt, click.Abort):
        print("opskit: interrupted; nothing was changed", file=sys.stderr)
        return int(ExitStatus.INTERRUPTED)
    except BrokenPipeError:
        # The reader of stdout has closed it (`| head`): end without an error, also in the interpreter's
        # final flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitStatus.HEALTHY)
    except Exception as error:  # a bug in opskit: report it without any values
        from opskit.cli.internal_error import report

        report(error)
        return int(ExitStatus.BUG)


def say_error(error: OpskitError) -> None:
    """Write an error's sentence and next step to stderr."""
    print(f"opskit: {visible(error.sentence)}", file=sys.stderr)
    if error.next_step:
        for line in visible_lines(error.next_step):
            print(f"        {line}", file=sys.stderr)
