"""Commands over SSH: what the road promises, and what is left on the instance when it cannot keep it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from opskit.errors import NotExecuted, OutcomeUnknown
from opskit.transport.interface import CommandResult
from opskit.transport.ssh.commands import MOST_OUTPUT, Ssh, whole
from tests.transport.ssh.scene import Scene


def run(scene: Scene, script: str, limit_s: float = 20) -> CommandResult:
    return Ssh(scene.plain()).run(script, timeout_s=limit_s)


def test_status_and_both_streams(scene: Scene) -> None:
    done = run(scene, "echo out; echo err >&2; exit 42")
    assert (done.exit_status, done.stdout, done.stderr) == (42, "out\n", "err\n")


def test_it_comes_while_the_command_runs(scene: Scene) -> None:
    """It goes on only when its first line was heard."""
    heard: list[tuple[bool, bytes]] = []
    was_heard = scene.home / "was-heard"

    def listen(is_error: bool, data: bytes) -> None:
        heard.append((is_error, data))
        was_heard.touch()

    script = f"echo 1; until [ -e {was_heard} ]; do sleep 0.05; done; echo 2 >&2"
    Ssh(scene.plain()).run(script, timeout_s=60, on_output=listen)
    assert heard == [(False, b"1\n"), (True, b"2\n")]


def test_a_long_script_and_what_eats_its_input(scene: Scene) -> None:
    lines = [f"echo {n:040}" for n in range(3000)]
    done = run(scene, "\n".join(["cat >/dev/null", *lines]))
    assert done.stdout == "".join(f"{n:040}\n" for n in range(3000))


def test_output_is_kept_up_to_a_limit(scene: Scene) -> None:
    done = run(scene, f"head -c {2 * MOST_OUTPUT} /dev/zero | tr '\\0' x; echo end >&2; exit 3")
    assert (done.exit_status, len(done.stdout), done.stderr) == (3, MOST_OUTPUT, "end\n")
    assert done.is_truncated


def test_a_signal_is_minus_one(scene: Scene) -> None:
    assert run(scene, "kill -KILL $$").exit_status in (-1, 137)


def test_what_a_command_leaves_behind_does_not_hold_it_open(scene: Scene) -> None:
    done = run(scene, "sleep 600 & echo $!", limit_s=60)
    assert done.exit_status == 0
    # It still runs; otherwise there would be nobody to end.
    os.kill(int(done.stdout), signal.SIGKILL)


@pytest.mark.parametrize("over", ["session", "plain"])
def test_the_limit_ends_it_on_the_instance_too(scene: Scene, tmp_path: Path, over: str) -> None:
    route = scene.over_session() if over == "session" else scene.plain()
    pid = tmp_path / "pid"
    with pytest.raises(OutcomeUnknown, match="did not end within 3 s"):
        Ssh(route).run(f"echo $$ >{pid}; sleep 600; echo never", timeout_s=3)
    limit = time.monotonic() + 60
    while Path(f"/proc/{pid.read_text().strip()}").exists():
        assert time.monotonic() < limit, "it still runs"
        time.sleep(0.02)


def test_a_broken_connection_is_lost_and_not_repeated(scene: Scene, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    route = scene.plain()
    opened = route.open
    connections: list[Any] = []

    def open_and_keep() -> Any:
        connections.append(opened())
        return connections[-1]

    def break_off(*_: object) -> None:
        connections[-1].transport.sock.close()

    route.open = open_and_keep  # type: ignore[method-assign]
    with pytest.raises(OutcomeUnknown, match="broke"):
        Ssh(route).run(f"echo x >>{proof}; echo; sleep 30", timeout_s=60, on_output=break_off)
    assert proof.read_text() == "x\n"


def test_half_a_script_is_never_run() -> None:
    """Every beginning of it, as a connection that breaks would leave it."""
    script = whole("echo one\necho two")
    for length in range(len(script) - 1):
        done = subprocess.run(
            ["sh", "-s"], input=script[:length].encode(), capture_output=True, check=False
        )
        is_begun = script[:length].rfind("\n}") >= 0
        assert done.stdout in (b"", b"one\ntwo\n") if is_begun else done.stdout == b"", length


def test_a_server_that_runs_no_commands(scene: Scene) -> None:
    scene.know_both()
    with pytest.raises(NotExecuted, match="runs no commands"):
        Ssh(scene.plain(ssh_host=f"127.0.0.1:{scene.bastion}")).run("true", timeout_s=5)
