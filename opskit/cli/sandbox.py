"""The command `opskit sandbox`."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING

import click

from opskit.cli.terminal import Spinner
from opskit.errors import UsageError

if TYPE_CHECKING:
    from opskit.sandbox.lifecycle import RunningSandbox

NAME = click.option(
    "--name", metavar="NAME", help="Name of the sandbox, needed if several are running."
)
LATENCY = click.option(
    "--latency-ms",
    type=click.IntRange(0, 10_000),
    default=0,
    help="Delay of every AWS call in milliseconds.",
)
MODE = click.option(
    "--mode",
    type=click.Choice(["auto", "packets", "loopback"]),
    default="auto",
    show_default=True,
    help="Filter real packets, or run everything on 127.0.0.1.",
)
WAIT = click.option(
    "--wait",
    "limit_s",
    metavar="SECONDS",
    type=click.IntRange(1, 3600),
    default=240,
    show_default=True,
    help="Limit for the start, which is slow on a busy machine.",
)
PASS_ON = {"allow_interspersed_args": False}
"""From its first word on, the rest is the command's."""


@click.group()
def sandbox() -> None:
    """Run a small AWS on this machine: LinkBox with a real database behind real packet filters.

    \b
    Examples:
      opskit sandbox run -- opskit diagnose db --prefix /linkbox
      opskit sandbox up && opskit sandbox inject ingress-removed && opskit sandbox shell
    """


def _shows(spinner: Spinner, limit_s: int) -> Callable[[str], None]:
    """Return the callback that shows what a start waits for."""
    return lambda stage: spinner.update(f"the sandbox waits for {stage}, at most {limit_s} s")


def _lifecycle() -> ModuleType:
    from opskit.sandbox import lifecycle

    lifecycle.require_packages()
    return lifecycle


@sandbox.command(context_settings=PASS_ON)
@LATENCY
@MODE
@WAIT
@click.option("--name", metavar="NAME", help="Name of the sandbox, for other commands meanwhile.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(
    latency_ms: int, mode: str, limit_s: int, name: str | None, command: tuple[str, ...]
) -> int:
    """Run COMMAND as the operator in a temporary sandbox; return its exit status.

    \b
    Examples:
      opskit sandbox run -- opskit diagnose db --prefix /linkbox
      opskit sandbox run --latency-ms 50 -- sh
    """
    lifecycle = _lifecycle()
    with contextlib.ExitStack() as stack:
        with Spinner(quiet=False) as spinner:
            starting = lifecycle.temporary(
                latency_ms, mode, limit_s, _shows(spinner, limit_s), name
            )
            running = stack.enter_context(starting)
        return _execute(running, command)


@sandbox.command()
@LATENCY
@MODE
@WAIT
@click.option("--json", "as_json", is_flag=True, help="Print the sandbox as one JSON object.")
@NAME
def up(latency_ms: int, mode: str, limit_s: int, as_json: bool, name: str | None) -> None:
    """Start a sandbox in the background; a terminal shows what the start waits for."""
    lifecycle = _lifecycle()
    with Spinner(quiet=False) as spinner:
        running = lifecycle.up(
            name or lifecycle.DEFAULT_NAME, latency_ms, mode, limit_s, _shows(spinner, limit_s)
        )
    if as_json:
        shown = {"schema": "opskit.sandbox/1", "name": running.name, "ids": running.ids}
        click.echo(json.dumps(shown, indent=2))
        return
    click.echo(f"sandbox '{running.name}' is up: LinkBox on instance {running.ids['instance']}")
    click.echo("opskit sandbox exec -- opskit diagnose db --prefix /linkbox", err=True)


@sandbox.command("exec", context_settings=PASS_ON)
@NAME
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_(name: str | None, command: tuple[str, ...]) -> int:
    """Run COMMAND in the running sandbox as the operator."""
    return _execute(_lifecycle().get(name), command)


@sandbox.command()
@NAME
@click.option(
    "--on",
    type=click.Choice(["ops", "instance", "db"]),
    default="ops",
    show_default=True,
    help="Machine to open the shell on.",
)
def shell(name: str | None, on: str) -> int:
    """Open a shell on one of the machines."""
    running = _lifecycle().get(name)
    host = {"instance": "app"}.get(on, on)
    if host == "app":
        from pathlib import Path

        from opskit.sandbox import instance, topology

        api = f"http://{topology.RESOLVER_ADDRESS}:{topology.API_PORT}"
        api = running.api_url if running.dns_server else api
        environment = instance.environment(Path(running.directory) / "instance", api)
        environment |= {"TERM": os.environ.get("TERM", "dumb"), "PS1": "instance# "}
        settings = [f"{key}={value}" for key, value in environment.items()]
        return _execute(running, ["/usr/bin/env", "-i", *settings, "sh"], host)
    return _execute(running, [os.environ.get("SHELL", "sh")], host)


@sandbox.command()
@NAME
def down(name: str | None) -> None:
    """Stop the sandbox and delete everything of it."""
    lifecycle = _lifecycle()
    running = lifecycle.get(name)
    lifecycle.down(running)
    click.echo(f"sandbox '{running.name}' is gone")


@sandbox.command()
@NAME
def reset(name: str | None) -> None:
    """Restore the sandbox to its state at the end of `up`, in under a second.

    It restores the AWS account, the database with its roles and settings, packet rules, the instance's files
    and containers. It ends sessions, commands and processes on the instance. It leaves alone the operator's
    processes, and files outside the sandbox's own directory and /srv.
    """
    lifecycle = _lifecycle()
    running = lifecycle.get(name)
    lifecycle.send_command(running, "reset")
    click.echo(f"sandbox '{running.name}' is as it was after `up`")


@sandbox.command()
@NAME
def status(name: str | None) -> None:
    """Show the status of the sandbox and its injected faults."""
    lifecycle = _lifecycle()
    running = lifecycle.get(name)
    answer = lifecycle.send_command(running, "status")
    broken = ", ".join(answer["broken"]) or "none"
    click.echo(f"sandbox '{running.name}' is up; faults: {broken}; /health {answer['health']}")
    own = "the sandbox's own (a real one needs the Debian package dnsmasq-base)"
    click.echo(f"resolver: {own if answer['resolver'] == 'own' else answer['resolver']}")


@sandbox.command()
def faults() -> None:
    """List the faults that can be injected."""
    _lifecycle()
    from tabulate import tabulate

    from opskit.sandbox.faults import ALL

    rows = [(f.name, f.code or "a session error", f.summary) for f in ALL.values()]
    click.echo(tabulate(rows, headers=("fault", "found as", "description"), tablefmt="plain"))


@sandbox.command()
@NAME
@click.argument("names", metavar="FAULT...", nargs=-1, required=True)
def inject(name: str | None, names: tuple[str, ...]) -> None:
    """Inject one or more faults."""
    _send(name, "inject", names)


@sandbox.command()
@NAME
@click.argument("names", metavar="[FAULT]...", nargs=-1)
def revert(name: str | None, names: tuple[str, ...]) -> None:
    """Revert faults; without a name, all of them."""
    _send(name, "revert", names)


def _send(name: str | None, command: str, names: Sequence[str]) -> None:
    lifecycle = _lifecycle()
    from opskit.sandbox.faults import ALL

    for fault in names:
        if fault not in ALL:
            near = difflib.get_close_matches(fault, ALL, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else "opskit sandbox faults   lists them"
            raise UsageError(f"there is no fault '{fault}'", hint)
    answer = lifecycle.send_command(lifecycle.get(name), command, names)
    click.echo(f"faults now: {', '.join(answer['broken']) or 'none'}")


def _execute(running: RunningSandbox, command: Sequence[str], host: str = "ops") -> int:
    """Run a command inside with our own streams, and return its exit status."""
    process = subprocess.Popen(running.command(command, host), env=running.environment())
    # The child handles Ctrl-C: the terminal sends it SIGINT too, and this process ends with it.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        status = process.wait()
    finally:
        signal.signal(signal.SIGINT, before)
    sys.stdout.flush()
    return status if status >= 0 else 128 - status
