"""The fork server: imports once what a program needs, `opskit` or `aws`, then forks one process a request.

It stands outside of all sandboxes and has one thread and no connection of its own. For each request it
forks a monitor; that enters the namespaces that were asked for, as `nsenter` would, and forks the
command. A request is a line of JSON with the command's three streams beside it (SCM_RIGHTS):

    {"argv": [...], "environment": {...}, "directory": "...", "namespaces": [[PID, [kind, ...]], ...]}

PIDs are those that the monitor sees by then; 0 stands for whoever asks. The replies are lines: the
command's PID as seen from outside, then its exit status, negative for the signal that ended it. Who
closes the connection before ends the command.

It ends when its standard input does. Each program has a server of its own: `awscli` brings its own
botocore, which takes the place of the one that boto3 uses.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import faulthandler
import gc
import importlib
import io
import json
import os
import select
import signal
import socket
import struct
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

KINDS = {"user": 0x10000000, "pid": 0x20000000, "net": 0x40000000, "mnt": 0x00020000}
"""Namespace -> its flag for setns(2)."""
SERVICES = [
    "autoscaling",
    "ec2",
    "ec2-instance-connect",
    "ecs",
    "elbv2",
    "iam",
    "kms",
    "organizations",
    "rds",
    "route53",
    "secretsmanager",
    "ssm",
    "sts",
]
OTHER_MODULES = (
    "boto3",
    "botocore.session",
    "botocore.httpsession",
    "cryptography.x509",
    "dns.rdtypes.IN.A",
    "dns.resolver",
    "importlib.readers",
    "importlib.resources.readers",
    "paramiko",
    "psycopg",
    "tabulate",
    "websockets.sync.client",
)
"""What opskit imports from others, and late."""
CHANGED_SIGNALS = (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM)

_libc = ctypes.CDLL(None, use_errno=True)
_parsed: dict[str, Any] = {}
"""File -> what a JSON file of botocore's holds, for the first who asks: it may change it."""


def warm_opskit() -> None:
    """Import what its commands import, and parse what they parse."""
    import opskit

    for name in OTHER_MODULES:
        importlib.import_module(name)
    # All of them: a diagnosis alone imports each check when it comes to it.
    root = Path(opskit.__file__).parent
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        if parts[1] != "sandbox":
            importlib.import_module(".".join(parts).removesuffix(".__init__"))

    def make_clients() -> None:
        import boto3

        session = boto3.Session("AKIA", "secret", region_name="us-east-1")
        for service in SERVICES:
            session.client(service)

    _parse_models(make_clients)


def warm_aws() -> None:
    """The same of the AWS CLI, which makes its commands from the models."""
    import awscli.clidriver
    import awscli.handlers

    def make_commands() -> None:
        driver = awscli.clidriver.create_clidriver()
        commands = driver._get_command_table()
        for service in SERVICES:
            commands[service].create_help_command()
            driver.session.create_client(
                service, "us-east-1", aws_access_key_id="AKIA", aws_secret_access_key="secret"
            )

    _parse_models(make_commands)


def _parse_models(use: Callable[[], None]) -> None:
    """Keep the JSON that a use reads, for the first who asks for it in each command."""
    from botocore.loaders import JSONFileLoader

    load = JSONFileLoader.load_file
    seen = []

    def remember(self: Any, path: str) -> Any:
        found = load(self, path)
        if found is not None:
            seen.append(path)
        return found

    def first_from_memory(self: Any, path: str) -> Any:
        found = _parsed.pop(path, None)
        return load(self, path) if found is None else found

    JSONFileLoader.load_file = remember
    use()
    for path in dict.fromkeys(seen):
        # Again: what was used has merged other things into the first.
        _parsed[path] = load(JSONFileLoader(), path)
    JSONFileLoader.load_file = first_from_memory


def serve(listener: socket.socket, run: Callable[[], None]) -> None:
    """Fork for each who connects, until standard input ends."""

    def reap(*_: object) -> None:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass

    signal.signal(signal.SIGCHLD, reap)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert threading.active_count() == 1
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            try:
                _monitor(connection, run)
            except BaseException:
                traceback.print_exc()
            os._exit(70)
        connection.close()


def _monitor(connection: socket.socket, run: Callable[[], None]) -> None:
    """Start what is asked for, and report on it to its end."""
    for number in CHANGED_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    request, streams = _receive(connection)
    peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    # Asked now: in another mount namespace /proc does not have us.
    ours = _namespaces("self", KINDS)
    for pid, kinds in request["namespaces"]:
        _enter(pid or struct.unpack("3i", peer)[0], kinds, ours)
    # Entering a PID namespace counts for children only.
    child = os.fork()
    if child == 0:
        connection.close()
        _become(request, streams, run)
    for stream in streams:
        os.close(stream)
    with contextlib.suppress(OSError):
        connection.sendall(f"{child}\n".encode())
    ended = os.pidfd_open(child)
    ready, _, _ = select.select([ended, connection.fileno()], [], [])
    if ended not in ready:
        _kill(child)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(OSError):
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _kill(child: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)


def _receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    text, streams, _, _ = socket.recv_fds(connection, 1 << 16, 3)
    while not text.endswith(b"\n"):
        more = connection.recv(1 << 16)
        if not more:
            raise EOFError("a request was cut off")
        text += more
    return json.loads(text), streams


def _namespaces(pid: int | str, kinds: Iterable[str]) -> dict[str, str]:
    return {kind: str(Path(f"/proc/{pid}/ns/{kind}").readlink()) for kind in kinds}


def _enter(pid: int, kinds: list[str], ours: dict[str, str]) -> None:
    """Enter a process's namespaces, but for those in which we have been from the beginning."""
    others = [kind for kind, name in _namespaces(pid, kinds).items() if name != ours[kind]]
    opened = [(os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY), KINDS[kind]) for kind in others]
    for descriptor, flag in opened:
        if _libc.setns(descriptor, flag) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"setns: {os.strerror(number)}")
        os.close(descriptor)


def _become(request: dict[str, Any], streams: list[int], run: Callable[[], None]) -> None:
    """Be a process that has just been started with this command; does not come back."""
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    try:
        os.chdir(request["directory"])
    except OSError:
        os.chdir("/")
    os.environ.clear()
    os.environ.update(request["environment"])
    if request["environment"].get("PYTHONFAULTHANDLER"):
        faulthandler.enable()
    sys.argv = request["argv"]
    _renew_streams()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os._exit(_exit_status(run))


def _renew_streams() -> None:
    """Text streams on the new descriptors, made as the interpreter makes them."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        old = getattr(sys, name)
        is_raw = isinstance(old.buffer, io.RawIOBase)
        raw = io.FileIO(number, "w" if number else "r", closefd=False)
        raw.name = f"<{name}>"
        buffer = raw if is_raw else io.BufferedWriter(raw) if number else io.BufferedReader(raw)
        made = io.TextIOWrapper(
            buffer,
            encoding=old.encoding,
            errors=old.errors,
            newline="\n",
            line_buffering=not is_raw and (number == 2 or os.isatty(number)),
            write_through=is_raw,
        )
        made.mode = "w" if number else "r"  # type: ignore[misc]
        setattr(sys, name, made)
        setattr(sys, f"__{name}__", made)


def _exit_status(run: Callable[[], None]) -> int:
    """Run the program, then end as the interpreter does."""
    status = 0
    try:
        run()
    except SystemExit as end:
        if isinstance(end.code, int):
            status = end.code & 0xFF
        elif end.code is not None:
            print(end.code, file=sys.stderr)
            status = 1
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        if isinstance(error, KeyboardInterrupt):
            sys.stdout.flush()
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        message = traceback.format_exception_only(error)[-1]
        sys.stderr.write(f"Exception ignored in: {sys.stdout!r}\n{message}")
        status = 120
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    return status


def run_opskit() -> None:
    """As its console script."""
    from opskit.__main__ import main

    main()
    sys.exit()


def run_aws() -> None:
    """As `python -m awscli`, whose package reads the environment when it is imported."""
    import awscli.clidriver

    importlib.reload(awscli)
    sys.exit(awscli.clidriver.main())


PROGRAMS = {"opskit": (warm_opskit, run_opskit), "aws": (warm_aws, run_aws)}


def main() -> None:
    """Warm up, say so, and serve."""
    program, path = sys.argv[1:]
    # As a console script's.
    sys.path[0] = str(Path(sys.executable).parent)
    warm, run = PROGRAMS[program]
    warm()
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        print("ready", flush=True)
        serve(listener, run)


if __name__ == "__main__":
    main()
