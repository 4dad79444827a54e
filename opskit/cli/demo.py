"""The command `opskit demo`: diagnosis, fix and rotation from start to end, in the sandbox."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from opskit.errors import CannotProceed

if TYPE_CHECKING:
    from opskit.sandbox.lifecycle import RunningSandbox

DIAGNOSE = ("opskit", "diagnose", "db", "--prefix", "/linkbox")
ROTATE = ("opskit", "rotate-password", "--prefix", "/linkbox")
KILLED_AFTER = "RDS has accepted"
HEALED_WITHIN_S = 20
WITHOUT_PACKETS = "password-mismatch"


@click.command()
@click.option(
    "--fault",
    metavar="NAME",
    default="ingress-wrong-group",
    show_default=True,
    help="Fault to inject.",
)
def demo(fault: str) -> int:
    """Watch opskit find and fix a fault, without an AWS account.

    Start a small AWS, inject a fault, diagnose it, run the printed fix and verify it; then rotate the
    password, kill the rotation halfway and resume it.

    \b
    Examples:
      opskit demo
      opskit demo --fault password-mismatch
    """
    from opskit.sandbox import lifecycle
    from opskit.sandbox.faults import FAULTS

    lifecycle.require_packages()
    if fault not in FAULTS:
        raise click.UsageError(f"there is no fault '{fault}'; opskit sandbox faults   lists them")
    _say("a small AWS starts: LinkBox and a real PostgreSQL")
    with lifecycle.temporary(0) as running:
        if running.dns_server and FAULTS[fault].needs_packets:
            _say(f"{fault} needs packets; here it is {WITHOUT_PACKETS}")
            fault = WITHOUT_PACKETS
        _say("1  everything is well")
        _expect(0, _show(running, DIAGNOSE))
        _say(f"2  {FAULTS[fault].summary}")
        lifecycle.send_command(running, "inject", [fault])
        time.sleep(1)
        _say("3  the phone rings")
        _expect(1, _show(running, DIAGNOSE))
        _say("4  the fix, pasted as printed")
        for command in _fix(running):
            _expect(0, _show(running, ("sh", "-c", command), shown=command))
        _say("5  is it fixed?")
        _wait_healed(running)
        _expect(0, _show(running, DIAGNOSE))
        _say("6  a new password; the process is killed as soon as RDS has accepted it (SIGKILL)")
        _kill_half_way(running)
        _say("7  another process resumes it")
        _expect(5, _show(running, (*ROTATE, "--status")))
        _say("8  and brings it to its end")
        _expect(0, _show(running, (*ROTATE, "--resume", "--yes")))
        _expect(0, _show(running, DIAGNOSE))
    _say("the sandbox is gone; nothing is left.  Next: opskit sandbox up, inject, shell")
    return 0


def _say(text: str) -> None:
    click.echo(click.style(f"\n── {text}", bold=True))
    sys.stdout.flush()


def _show(running: RunningSandbox, command: tuple[str, ...], shown: str = "") -> int:
    """Run a command as the operator, and show it and its output."""
    click.echo(f"$ {shown or ' '.join(command)}")
    sys.stdout.flush()
    return subprocess.call(running.command(command), env=running.environment())


def _kill_half_way(running: RunningSandbox) -> None:
    """Rotate visibly, and kill the rotation with all its child processes."""
    command = (*ROTATE, "--yes")
    click.echo(f"$ {' '.join(command)}")
    with subprocess.Popen(
        running.command(command),
        env=running.environment(),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None  # noqa: S101  stdout=PIPE
        for line in process.stdout:
            click.echo(line, nl=False)
            if KILLED_AFTER in line:
                os.killpg(process.pid, signal.SIGKILL)
                click.echo("Killed")
                return
    raise CannotProceed("the rotation in the demo ended before it was killed")


def _fix(running: RunningSandbox) -> list[str]:
    report = _quietly(running)
    causes: list[dict[str, Any]] = report["root_causes"]
    return [command for cause in causes if cause["fix"] for command in cause["fix"]["commands"]]


def _quietly(running: RunningSandbox) -> dict[str, Any]:
    process = subprocess.run(
        running.command([*DIAGNOSE, "--output", "json"]),
        env=running.environment(),
        capture_output=True,
        check=False,
    )
    answer: dict[str, list[dict[str, list[dict[str, str]]]]] = json.loads(process.stdout)
    return answer


def _wait_healed(running: RunningSandbox) -> None:
    """Wait for the fix to take effect: apps and load balancers notice it a moment later."""
    limit = time.monotonic() + HEALED_WITHIN_S
    while _quietly(running)["root_causes"] and time.monotonic() < limit:
        time.sleep(0.5)


def _expect(wanted: int, status: int) -> None:
    if status != wanted:
        raise CannotProceed(f"the demo expected exit status {wanted} and got {status}")
