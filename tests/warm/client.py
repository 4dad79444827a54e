"""Starts the fork server of this worker, and commands in it: a `Process` is used like a `Popen`."""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib.util
import io
import json
import locale
import os
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from opskit.sandbox.lifecycle import RunningSandbox

HERE = Path(__file__).parent
AWS_MAIN = str(
    Path(getattr(importlib.util.find_spec("awscli"), "origin", "")).parent / "__main__.py"
)
"""Found, not imported: it would put its own botocore in place of ours."""
OPSKIT = str(Path(sys.executable).parent / "opskit")
AT_START = ("PYTHON", "LC_", "LANG", "LD_", "OPENSSL_", "MALLOC_", "TZ")
"""Variables that a process reads once, when it starts: with others than ours it has to be started."""
NOT_AT_START = ("PYTHONFAULTHANDLER",)
ALL = ["user", "pid", "net", "mnt"]


class Process:
    """A forked command, with what the tests need of `subprocess.Popen`."""

    def __init__(
        self, connection: socket.socket, args: Sequence[str], pipes: Mapping[str, int | None]
    ) -> None:
        self.args = list(args)
        self._connection = connection
        self._message = b""
        self.returncode: int | None = None
        self.stdin = _opened(pipes["stdin"], "w")
        self.stdout = _opened(pipes["stdout"], "r")
        self.stderr = _opened(pipes["stderr"], "r")
        try:
            self.pid = int(self._line(None) or 0)
        except RuntimeError:
            self.__exit__()
            raise

    def _line(self, limit_s: float | None) -> str | None:
        """The next line of the server's; None at the limit."""
        until = None if limit_s is None else time.monotonic() + limit_s
        while b"\n" not in self._message:
            left = None if until is None else max(0.0, until - time.monotonic())
            self._connection.settimeout(left)
            try:
                more = self._connection.recv(100)
            except (TimeoutError, BlockingIOError):
                return None
            if not more:
                raise RuntimeError(f"the fork server could not run {self.args}")
            self._message += more
        line, _, self._message = self._message.partition(b"\n")
        return line.decode()

    def poll(self) -> int | None:
        """The exit status, if it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, negative for a signal."""
        if self.returncode is None:
            line = self._line(timeout)
            if line is None:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = int(line)
            self._connection.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What is left of its output, up to its end."""
        until = None if timeout is None else time.monotonic() + timeout
        if self.stdin is not None:
            self.stdin.close()
        output: dict[str, bytes] = {"stdout": b"", "stderr": b""}
        with selectors.DefaultSelector() as open_ones:
            for name in output:
                stream = getattr(self, name)
                if stream is not None and not stream.closed:
                    open_ones.register(stream, selectors.EVENT_READ, name)
            while open_ones.get_map():
                left = None if until is None else until - time.monotonic()
                if left is not None and left <= 0:
                    raise subprocess.TimeoutExpired(self.args, timeout or 0)
                for key, _ in open_ones.select(left):
                    part = os.read(key.fd, 1 << 16)
                    output[key.data] += part
                    if not part:
                        open_ones.unregister(key.fileobj)
                        key.fileobj.close()  # type: ignore[union-attr]
        self.wait(None if until is None else max(0.0, until - time.monotonic()))
        return _text(output["stdout"]), _text(output["stderr"])

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the pipes; a command that still runs is ended."""
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        self._connection.close()


def _opened(descriptor: int | None, mode: str) -> IO[str] | None:
    return None if descriptor is None else os.fdopen(descriptor, mode)


def _text(data: bytes) -> str:
    """As `subprocess` decodes with `text=True`."""
    return io.TextIOWrapper(io.BytesIO(data), encoding=locale.getencoding()).read()


class ForkServer:
    """The server of one program, and a directory for its socket."""

    def __init__(self, program: str) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix=f"opskit-warm-{program}-"))
        self.path = str(self.directory / "socket")
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "server.py"), program, self.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            raise RuntimeError("the fork server did not start")

    def close(self) -> None:
        """End it and what it started."""
        self._process.communicate()
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(
        self,
        running: RunningSandbox,
        argv: Sequence[str],
        environment: Mapping[str, str],
        *,
        stdin: bool = False,
        merged: bool = False,
    ) -> Process:
        """Fork a command on the operator's machine.

        Args:
            stdin: whether it is written to; else it reads what we would read.
            merged: whether both outputs come as one.
        """
        namespaces: list[object] = []
        if not running.dns_server:
            namespaces = [[running.first_pid, ALL], [running.hosts["ops"], ["net", "mnt"]]]
        request = {
            "argv": list(argv),
            "environment": dict(environment),
            "directory": str(Path.cwd()),
            "namespaces": namespaces,
        }
        out, error = os.pipe(), None if merged else os.pipe()
        into = os.pipe() if stdin else None
        theirs = [into[0] if into else 0, out[1], error[1] if error else out[1]]
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(self.path)
            text = json.dumps(request).encode() + b"\n"
            sent = socket.send_fds(connection, [text], theirs)
            connection.sendall(text[sent:])
        finally:
            for descriptor in {*theirs} - {0}:
                os.close(descriptor)
        pipes = {
            "stdin": into and into[1],
            "stdout": out[0],
            "stderr": error and error[0],
        }
        return Process(connection, argv, pipes)


@functools.cache
def fork_server(program: str) -> ForkServer:
    """The one of this worker."""
    server = ForkServer(program)
    atexit.register(server.close)
    return server


def is_possible() -> bool:
    """Whether a fork can enter a sandbox on this system."""
    return sys.platform == "linux"


def for_scripts(running: RunningSandbox) -> dict[str, Any]:
    """What a script's environment needs so that its `opskit` and `aws` are forks."""
    path = running.environment()["PATH"]
    return {"PATH": f"{_shims(running)}:{path}"} if is_possible() else {}


def _shims(running: RunningSandbox) -> str:
    """A directory with an `opskit` and an `aws` that hand over to the fork servers."""
    location = fork_server("opskit").directory / running.name
    if location.exists():
        return str(location)
    location.mkdir()
    for program, real in (("opskit", OPSKIT), ("aws", AWS_MAIN)):
        words = [sys.executable, "-I", "-S", str(HERE / "command.py")]
        words += [fork_server(program).path, program, real, str(location)]
        (location / program).write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        (location / program).chmod(0o755)
    return str(location)


def start(
    running: RunningSandbox,
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdin: bool = False,
    merged: bool = False,
) -> Process | None:
    """Fork a command of the operator's; None where it has to be started as a process of its own."""
    found = shutil.which(command[0], path=environment["PATH"])
    # The sandbox's `aws` is a script of one line.
    aws = [AWS_MAIN, "--endpoint-url", environment["AWS_ENDPOINT_URL"]]
    words = {OPSKIT: [OPSKIT], f"{running.directory}/bin/aws": aws}
    if found not in words or not is_possible() or not _starts_like_us(environment):
        return None
    argv = [*words[found], *command[1:]]
    server = fork_server("opskit" if found == OPSKIT else "aws")
    return server.start(running, argv, environment, stdin=stdin, merged=merged)


def _starts_like_us(environment: Mapping[str, str]) -> bool:
    def of_start(all_of_them: Mapping[str, str]) -> dict[str, str]:
        return {
            name: value
            for name, value in all_of_them.items()
            if name.startswith(AT_START) and name not in NOT_AT_START
        }

    return of_start(environment) == of_start(os.environ)
