"""`--debug`: one line a record, with its area and time, and no secret in any of them."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from opskit.cli import debug_log
from opskit.errors import NotExecuted
from opskit.redaction import RedactingStream
from opskit.secret import Secret
from opskit.transport.debug_log import LoggedTransport, logged
from opskit.transport.interface import CommandResult, OnOutput, discard_output


class Echo:
    """A transport whose result is prepared."""

    name = "echo"

    def __init__(self, result: CommandResult | NotExecuted) -> None:
        self._result = result

    def run(
        self, script: str, *, timeout_s: float, on_output: OnOutput = discard_output
    ) -> CommandResult:
        if isinstance(self._result, NotExecuted):
            raise self._result
        return self._result


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """The log of a process that was started with `--debug`."""
    stream = io.StringIO()
    root = logging.getLogger("opskit")
    before = root.handlers[:], root.propagate, root.level
    monkeypatch.setattr("sys.stderr", RedactingStream(stream))
    debug_log.start_log(is_on=True)
    yield stream
    root.handlers[:], root.propagate = before[:2]
    root.setLevel(before[2])


def test_without_the_option_nothing_is_logged() -> None:
    debug_log.start_log(is_on=False)
    transport = Echo(CommandResult(0, "", ""))
    assert logged(transport) is transport


def test_a_command_is_logged_without_its_script_and_output(lines: io.StringIO) -> None:
    transport = logged(Echo(CommandResult(3, "answer", "no", lost="standard output after 6")))
    transport.run("echo script", timeout_s=5)
    [begins, ends] = lines.getvalue().splitlines()
    assert "transport" in begins
    assert begins.endswith("echo: runs 11 characters, at most 5 s")
    assert "echo: exit status 3 after" in ends
    assert ends.endswith("6 + 2 characters, standard output after 6")
    assert "answer" not in lines.getvalue()


def test_a_refusal_is_logged_and_raised(lines: io.StringIO) -> None:
    with pytest.raises(NotExecuted):
        LoggedTransport(Echo(NotExecuted("no agent"))).run("true", timeout_s=1)
    assert "echo: NotExecuted after" in lines.getvalue()
    assert lines.getvalue().endswith("no agent\n")


def test_foreign_text_stays_in_its_line_and_secrets_are_redacted(lines: io.StringIO) -> None:
    password = Secret("correct-horse-battery").reveal()
    log = logging.getLogger("opskit.transport.session")
    log.debug("answers %s", f"\x1b[2J two\nlines {password}")
    [line] = lines.getvalue().splitlines()
    assert "transport.session" in line
    assert "\x1b" not in line
    assert password not in line
