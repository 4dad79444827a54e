"""The commands `opskit diagnose db` and `opskit diagnose LAYER`."""

from __future__ import annotations

import json
import pkgutil
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from opskit.cli.debug_log import debug_option, start_log
from opskit.cli.options import Seconds, check_ca_file, make_target, target_options
from opskit.errors import Bug, ExitStatus, OpskitError
from opskit.report import FORMATS

if TYPE_CHECKING:
    from opskit.config import Target
    from opskit.report.interface import Style

LAYER_HELP = {
    "db": "Check everything, from the parameters to the app.",
    "parameters": "Check that the four SSM parameters exist, are readable and match RDS.",
    "iam": "Check that the instance's role may read and decrypt the parameters.",
    "database": "Check the RDS instance: availability, storage, pending settings.",
    "dns": "Check that the database's name resolves, here and on the instance.",
    "network": "Check security groups, network ACLs and routes between app and database.",
    "tcp": "Check that the instance can connect to the database's port.",
    "tls": "Check forced TLS, the server's certificate and the app's TLS mode.",
    "auth": "Check a login with the parameters' values.",
    "app": "Check the app's container, its settings and its health.",
    "hygiene": "Check for settings that work but are risky.",
    "operator": "Check that you have every permission that opskit needs.",
}
"""Name of the command -> its help line; every name except `db` is a layer."""


@click.group()
def diagnose() -> None:
    """Find out why the app cannot reach its database.

    It changes nothing: it reads AWS and runs one read-only command on the app's instance.

    \b
    Examples:
      opskit diagnose db --prefix /linkbox
      opskit diagnose network --prefix /linkbox --output json
    """


OWN_OPTIONS: dict[str, Callable[[Any], Any]] = {
    "iam": click.option(
        "--for",
        "whose",
        type=click.Choice(["instance", "operator"]),
        default="instance",
        help="Whose permissions to check: the app instance's, or your own.",
    ),
    "network": click.option(
        "--from",
        "path_from",
        type=click.Choice(["app", "alb"]),
        help="Show the network path from there, with every checkpoint.",
    ),
}
"""Layer -> the option that only this layer has."""


def _command(name: str) -> click.Command:
    def command(**options: Any) -> int:
        return _run(name, options)

    command.__doc__ = f"""{LAYER_HELP[name]}

    \b
    Examples:
      opskit diagnose {name} --prefix /linkbox
      opskit diagnose {name} --target production --verbose
    """
    for option in reversed(
        (
            click.option("--output", type=click.Choice(list(FORMATS)), help="Output format."),
            click.option(
                "--quiet", "-q", is_flag=True, help="Show only the verdict, cause and fix."
            ),
            click.option(
                "--verbose", "-v", is_flag=True, help="Show every check with its evidence."
            ),
            debug_option,
            click.option(
                "--color",
                type=click.Choice(["auto", "always", "never"]),
                default="auto",
                show_default=True,
                help="When to use colors.",
            ),
            click.option("--no-color", is_flag=True, help="Same as --color never."),
            click.option(
                "--timeout",
                type=Seconds(1, 600),
                default=60,
                show_default=True,
                help="Overall time limit in seconds.",
            ),
            click.option(
                "--fail-on",
                type=click.Choice(["fail", "warning"]),
                default="fail",
                show_default=True,
                help="Lowest severity that gives exit status 1.",
            ),
        )
    ):
        command = option(command)
    if name in OWN_OPTIONS:
        command = OWN_OPTIONS[name](command)
    return click.command(name, short_help=LAYER_HELP[name])(target_options(command))


for _name in LAYER_HELP:
    diagnose.add_command(_command(_name))


def _run(name: str, options: dict[str, Any]) -> int:
    try:
        return _diagnose(name, options)
    except OpskitError as error:
        if options["output"] != "json":
            raise
        # With --output json an error before the diagnosis is JSON too.
        answer = {
            "schema": "opskit.error/1",
            "error": error.sentence,
            "next_step": error.next_step,
            "exit_code": int(error.exit_status),
        }
        click.echo(json.dumps(answer, indent=2))
        return int(error.exit_status)
    except KeyboardInterrupt as end:
        if options["output"] == "json":
            answer = {
                "schema": "opskit.error/1",
                "error": "interrupted",
                "next_step": "",
                "exit_code": int(getattr(end, "exit_status", ExitStatus.INTERRUPTED)),
            }
            click.echo(json.dumps(answer, indent=2))
        raise


def _diagnose(name: str, options: dict[str, Any]) -> int:
    from opskit.aws import Aws
    from opskit.checks.catalogue import checks_of_layer, default_checks
    from opskit.cli.terminal import Spinner, say
    from opskit.diagnosis.run import diagnose as run
    from opskit.report.interface import Style

    target = make_target(options)
    check_ca_file(target)
    start_log(is_on=options["debug"])
    layer = "operator" if options.get("whose") == "operator" else name
    checks = default_checks() if name == "db" else checks_of_layer(layer)
    with Spinner(quiet=options["quiet"]) as spinner:
        aws = Aws(target, spinner)
        diagnosis = run(
            target, aws, aws.region, checks, timeout_s=options["timeout"], on_wait=spinner.update
        )
    diagnosis = replace(diagnosis, fails_on_warning=options["fail_on"] == "warning")
    for notice in diagnosis.notices:
        say(notice)
    for bug in diagnosis.bugs:
        say(Bug(bug).sentence)
    if options["verbose"]:
        _say_origins(target)
    style = _style(name, options, target, Style)
    render = pkgutil.resolve_name(FORMATS[options["output"] or "text"])
    click.echo(render(diagnosis, style), color=True)
    return int(diagnosis.exit_status)


def _style(name: str, options: dict[str, Any], target: Target, make: type[Style]) -> Style:
    from opskit.cli.terminal import shows_unicode, wants_color, width_of
    from opskit.runbook.catalogue import all_runbooks

    color = "never" if options["no_color"] else options["color"]
    return make(
        color=wants_color(sys.stdout, color),
        unicode=shows_unicode(sys.stdout),
        width=width_of(sys.stdout),
        detail=0 if options["quiet"] else 2 if options["verbose"] or options["debug"] else 1,
        command=_same_again(name, options, target),
        operator_command=f"opskit diagnose operator {target.flags}",
        path_from=options.get("path_from") or "",
        runbooks={code: book.name for book in all_runbooks() for code in book.codes},
    )


def _same_again(name: str, options: dict[str, Any], target: Target) -> str:
    """Return the command that repeats this diagnosis, with the same target options."""
    arguments = ["opskit", "diagnose", name, target.flags]
    if options.get("whose") == "operator":
        arguments += ["--for", "operator"]
    if options.get("path_from"):
        arguments += ["--from", options["path_from"]]
    return " ".join(arguments)


def _say_origins(target: Target) -> None:
    from opskit.cli.terminal import say

    for setting, origin in sorted(target.origins.items()):
        value = getattr(target, setting, None) or target.parameters.get(
            setting.removeprefix("parameter_")
        )
        say(f"{setting} = {value} (from {origin})")
