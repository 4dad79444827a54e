"""The command `opskit tunnel`: a local port to the database, through the app's instance."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opskit.cli.debug_log import debug_option, start_log
from opskit.cli.options import check_ca_file, make_target, target_options
from opskit.errors import UsageError
from opskit.escaping import visible

if TYPE_CHECKING:
    from opskit.transport.interface import Tunnel
    from opskit.tunnel import Destination

ADDRESS = "127.0.0.1"
OF_THE_CLIENT = (signal.SIGINT, signal.SIGQUIT)
"""Signals of the terminal, Ctrl-C and Ctrl-\\, that would leave the password's file behind."""
CLIENT_ENDS_WITHIN_S = 3
"""Time for a terminated client to roll back and disconnect; then it is killed."""


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--local-port",
    metavar="PORT",
    type=click.IntRange(0, 65535),
    default=0,
    help="Local port to listen on; 0 takes any free port.",
)
@debug_option
@target_options
def tunnel(command: tuple[str, ...], local_port: int, debug: bool, **options: Any) -> int:
    """Open a local port to the database, or run a client through it.

    The port is on 127.0.0.1 and accepts many connections at once, until Ctrl-C. A command gets the
    variables of the database's own client, and the password in a private file, which is deleted afterwards.

    \b
    Examples:
      opskit tunnel --prefix /linkbox --local-port 15432
      opskit tunnel --prefix /linkbox -- psql -c 'select 1'
      opskit tunnel --prefix /linkbox --via ssh-session -- psql
    """
    from opskit.aws import Aws
    from opskit.cli.terminal import Spinner, say
    from opskit.tunnel import find, open_tunnel

    start_log(is_on=debug)
    target = make_target(options)
    check_ca_file(target)
    with Spinner(quiet=False) as spinner:
        aws = Aws(target, spinner)
        destination = find(target, aws, aws.region)
        carried = open_tunnel(destination, target, aws, say)
    try:
        port = _listen(carried, local_port)
        client = destination.engine.client(
            host=destination.host,
            address=ADDRESS,
            port=port,
            user=destination.user,
            database=destination.database,
            trust=destination.trust,
        )
        if not destination.trust.ca_file:
            say(f"{destination.host} is {destination.trust.words}; --ca-file FILE verifies it")
        if command:
            with _password_file(destination, port) as path:
                arguments, variables = destination.engine.client_command(client, command, path)
                status = _run(arguments, {**os.environ, **variables})
            if carried.is_closed.is_set():
                say(f"the tunnel ended: {carried.failure or 'the session is over'}")
            return status
        print(
            visible(
                f"{ADDRESS}:{port} leads to {destination.host}:{destination.port} through "
                f"{destination.instance_label}; Ctrl-C ends it"
            ),
            file=sys.stderr,
        )
        print(visible(client.example), flush=True)
        carried.is_closed.wait()
        say(f"the tunnel ended: {carried.failure or 'the session is over'}")
        return 3
    finally:
        carried.close()


def _listen(carried: Tunnel, local_port: int) -> int:
    try:
        return carried.start(local_port)
    except OSError as error:
        raise UsageError(
            f"port {local_port} of this machine cannot be taken: {error.strerror}",
            "--local-port 0   takes any that is free",
        ) from None


@contextmanager
def _password_file(destination: Destination, port: int) -> Iterator[str]:
    """Create a private password file for as long as the client runs; empty without a password."""
    if destination.password is None:
        yield ""
        return
    content = destination.engine.password_file(
        host=destination.host,
        port=port,
        user=destination.user,
        database=destination.database,
        password=destination.password,
    )
    with tempfile.TemporaryDirectory(prefix="opskit-") as directory, _gone_with_us(directory):
        path = Path(directory) / "password"
        path.touch(mode=0o600)
        path.write_text(content.reveal(), encoding="utf-8")
        yield str(path)


@contextmanager
def _gone_with_us(directory: str) -> Iterator[None]:
    """Remove a directory even if this process is killed: a watcher waits for the end of our pipe."""
    watcher = subprocess.Popen(
        ["sh", "-c", 'read _; rm -rf -- "$0"', directory],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # In its own session the watcher gets no Ctrl-C and no SIGHUP when the terminal closes.
        start_new_session=True,
    )
    try:
        yield
    finally:
        assert watcher.stdin is not None  # noqa: S101  stdin=PIPE
        watcher.stdin.close()
        watcher.wait()


def _run(command: tuple[str, ...], environment: dict[str, str]) -> int:
    """Run the client; it handles the terminal's signals itself, and is ended if this process must end."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in OF_THE_CLIENT}
    try:
        process = subprocess.Popen(
            command,
            env=environment,
            preexec_fn=_with_signals,
        )
    except OSError as error:
        if _is_nowhere(command[0], environment, error):
            print(f"opskit: there is no command {command[0]} here", file=sys.stderr)
            return 127
        print(f"opskit: {command[0]} cannot be run: {error.strerror}", file=sys.stderr)
        return 126
    else:
        status = _wait(process)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return status if status >= 0 else 128 - status


def _is_nowhere(name: str, environment: dict[str, str], error: OSError) -> bool:
    """Whether there is no such command; an unsearchable directory in PATH does not count."""
    if isinstance(error, FileNotFoundError) or os.sep in name:
        return isinstance(error, FileNotFoundError)
    return shutil.which(name, os.F_OK, environment.get("PATH")) is None


def _with_signals() -> None:
    for number in OF_THE_CLIENT:
        signal.signal(number, signal.SIG_DFL)


def _wait(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait()
    except BaseException:
        process.terminate()
        try:
            process.wait(CLIENT_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise
