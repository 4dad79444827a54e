"""`opskit run`: what arrives, and what is said of what does not."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from opskit import aws, discovery
from opskit.cli import main
from opskit.errors import ExitStatus
from opskit.transport.interface import CommandResult, OnOutput
from opskit.transport.run_command import CUT_MARK, MOST_ERRORS, MOST_OUTPUT
from tests.transport.test_run_command import Ssm, ended
from tests.transport.test_run_command import run as run_command


@pytest.mark.parametrize(
    ("stdout", "stderr", "words"),
    [
        ("x" * MOST_OUTPUT, "", "standard output after 24,000 characters"),
        ("x" * 200 + CUT_MARK, "", "standard output after 24,000 characters"),
        ("", "x" * MOST_ERRORS, "standard error after 8,000 characters"),
        ("x" * MOST_OUTPUT, "x" * MOST_ERRORS, "characters and standard error"),
        ("x" * (MOST_OUTPUT - 1), "x" * (MOST_ERRORS - 1), ""),
    ],
)
def test_run_command_says_what_was_cut(stdout: str, stderr: str, words: str) -> None:
    answer = ended("Success", StandardOutputContent=stdout, StandardErrorContent=stderr)
    done = run_command(Ssm(answer))
    assert done.is_truncated is bool(words)
    assert words in done.lost
    assert bool(done.lost) is bool(words)


@pytest.mark.parametrize(
    ("status", "lost", "expected"),
    [
        (0, "", 0),
        (0, "it was cut", ExitStatus.NOT_JUDGED),
        (7, "it was cut", 7),
    ],
)
def test_a_cut_output_is_no_success(
    status: int,
    lost: str,
    expected: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class FakeTransport:
        name = "run-command"

        def run(self, _: str, *, timeout_s: float, on_output: OnOutput) -> CommandResult:
            on_output(False, b"some of it\n")
            return CommandResult(status, "some of it\n", "", lost=lost)

    class Aws:
        region = "us-east-1"

        def __init__(self, *_: Any) -> None:
            return

    monkeypatch.setattr(aws, "Aws", Aws)
    monkeypatch.setattr(discovery, "connect_to_workload", lambda *_: FakeTransport())
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO()))
    assert main.run(["run", "--prefix", "/linkbox", "--", "true"]) == expected
    message = capsys.readouterr().err
    assert lost in message
    assert ("--via session-manager" in message) is bool(lost)
