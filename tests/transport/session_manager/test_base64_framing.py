"""Two streams in one: through words, through a terminal, and however they are cut."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opskit.errors import OutcomeUnknown
from opskit.transport.session_manager.base64_framing import (
    MOST_LINE,
    OUT,
    Demultiplexer,
    command,
    command_for_input,
    input_of,
)
from opskit.transport.session_manager.commands import OutputCollector

SCRIPT = "echo out; printf 'err\\r\\n\\303\\244' >&2; head -c 5000 /dev/zero | tr '\\0' y; exit 7"
SAID = subprocess.run(shlex.split(command(SCRIPT, 30)), capture_output=True, check=False).stdout


def decoded(parts: list[bytes]) -> tuple[int, str, str, str]:
    heard = OutputCollector(lambda *_: None)
    frames = Demultiplexer(heard)
    for part in parts:
        frames.take(part)
    done = heard.result("", "i-1")
    return done.exit_status, done.stdout, done.stderr, frames.unframed


@given(st.lists(st.integers(1, 400), max_size=30))
def test_it_is_the_same_however_it_is_cut(cuts: list[int]) -> None:
    parts, rest = [b"Starting session\r\n"], SAID.replace(b"\n", b"\r\n")
    for length in cuts:
        parts.append(rest[:length])
        rest = rest[length:]
    status, out, err, spare = decoded([*parts, rest, b"\nExiting session with id x.\n"])
    assert (status, out, err) == (7, "out\n" + "y" * 5000, "err\r\nä")
    assert "Starting session" in spare
    assert "Exiting session" in spare


def test_a_stream_that_is_cut_is_no_result() -> None:
    with pytest.raises(OutcomeUnknown):
        decoded([SAID[: len(SAID) // 2]])


def test_input_that_is_repeated_late_is_no_output() -> None:
    """The kernel wakes the reader of a line before it has repeated it."""
    begun, mark, rest = SAID.partition(f"{OUT}\n".encode())
    parts = [begun, mark, input_of("echo " + "z" * 3000), rest]
    status, out, err, _ = decoded([part.replace(b"\n", b"\r\n") for part in parts])
    assert (status, out, err) == (7, "out\n" + "y" * 5000, "err\r\nä")


@pytest.mark.parametrize("tools", ["sh base64 id sudo stty head tr printf", "sh base64 id head tr"])
def test_through_a_terminal(tools: str, tmp_path: Path) -> None:
    """With echo switched off, and in an image that has no stty."""
    for tool in tools.split():
        if found := shutil.which(tool):
            (tmp_path / tool).symlink_to(found)
    own, theirs = os.openpty()
    with subprocess.Popen(
        shlex.split(command_for_input(30)), stdin=theirs, stdout=theirs, stderr=theirs,
        env={"PATH": str(tmp_path)}, executable=shutil.which("sh"), start_new_session=True,
    ) as process:  # fmt: skip
        os.close(theirs)
        heard = OutputCollector(lambda *_: None)
        frames, is_sent = Demultiplexer(heard), False
        while True:
            try:
                data = os.read(own, 1024)
            except OSError:
                break
            frames.take(data)
            if frames.is_ready and not is_sent:
                is_sent = True
                typed = input_of(SCRIPT + "\n#" + "z" * 20_000)
                for at in range(0, len(typed), 1024):
                    os.write(own, typed[at : at + 1024])
        os.close(own)
    assert process.returncode == 0
    done = heard.result("", "i-1")
    assert (done.exit_status, done.stdout, done.stderr) == (7, "out\n" + "y" * 5000, "err\r\nä")


def test_no_line_of_input_is_longer_than_a_terminal_takes() -> None:
    lines = input_of("x" * 50_000).split(b"\n")
    assert max(map(len, lines)) <= MOST_LINE
    assert lines[-2:] == [b".", b""]


def test_the_command_that_reads_is_short() -> None:
    assert len(command_for_input(30)) < 800


def test_what_is_missing_is_known(tmp_path: Path) -> None:
    without = subprocess.run(
        shlex.split(command("true", 30)), env={"PATH": str(tmp_path)}, executable="/bin/sh",
        capture_output=True, check=False,
    )  # fmt: skip
    frames = Demultiplexer(OutputCollector(lambda *_: None))
    frames.take(without.stdout)
    assert frames.cannot
    frames = Demultiplexer(OutputCollector(lambda *_: None))
    frames.take(b'exec: "sh": executable file not found in $PATH\r\n')
    assert frames.has_no_shell
