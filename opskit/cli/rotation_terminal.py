"""Writes a rotation's reports to stdout, shows what it waits for on the spinner, and asks the user."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

import click

from opskit.cli.terminal import Spinner, shows_unicode, wants_color, width_of
from opskit.errors import UsageError
from opskit.report import create_rotation_renderer
from opskit.report.interface import Style
from opskit.rotation.interaction import Declined
from opskit.secret import Secret

if TYPE_CHECKING:
    from opskit.config import Target
    from opskit.rotation.planning.plan import Plan
    from opskit.rotation.protocol.journal import Record
    from opskit.rotation.protocol.record_verification import RecordVerification
    from opskit.rotation.protocol.services import Event, RotationResult
    from opskit.rotation.status import RotationStatus


class RotationTerminal:
    """The `Reporter` and `Prompter` of the command line.

    Args:
        output_format: a name in `ROTATION_FORMATS`.
        assumes_yes: every confirmation is given in advance.
    """

    def __init__(
        self, target: Target, spinner: Spinner, output_format: str, *, assumes_yes: bool
    ) -> None:
        style = Style(
            color=wants_color(sys.stdout, "auto"),
            unicode=shows_unicode(sys.stdout),
            width=width_of(sys.stdout),
        )
        self._renderer = create_rotation_renderer(output_format, target, style)
        self._spinner, self._color, self.assumes_yes = spinner, style.color, assumes_yes
        self._reported = set[str]()
        self._started = time.monotonic()

    @property
    def is_interactive(self) -> bool:
        """Whether stdin is a terminal, and confirmations are not given in advance."""
        return sys.stdin.isatty() and not self.assumes_yes

    def restart_clock(self) -> None:
        """Count the printed times from now."""
        self._started = time.monotonic()

    def say(self, text: str) -> None:
        """Write a sentence."""
        self._write_event("note", text, {})

    def waiting(self, text: str, *, key: str = "") -> None:
        """Show what is waited for; with a key also as a line, for output without a terminal."""
        self._spinner.update(text)
        if key and key not in self._reported:
            self._reported.add(key)
            self._write_event("wait", text, {})

    def event(self, event: Event) -> None:
        """Write an event, or show it on the spinner if it is a wait."""
        if event.kind == "wait":
            self.waiting(event.text, key=event.name if event.is_long else "")
            return
        took = {} if event.seconds is None else {"seconds": round(event.seconds, 3)}
        self._write_event(event.kind, event.text, {"name": event.name, **took, **event.details})

    def plan(self, plan: Plan, *, dry_run: bool) -> None:
        """Write the plan, its warnings and its problems."""
        self._write(self._renderer.plan(plan, dry_run=dry_run))

    def result(self, result: RotationResult) -> None:
        """Write the result, and the next step."""
        self._write(self._renderer.result(result))

    def status(
        self,
        status: RotationStatus,
        fence_s: float,
        advice: str,
        verification: RecordVerification,
    ) -> None:
        """Write an unfinished rotation's status."""
        self._write(self._renderer.status(status, fence_s, advice, verification))

    def history(self, records: Sequence[Record], initiators: Mapping[int, tuple[str, str]]) -> None:
        """Write past rotations, newest first."""
        self._write(self._renderer.history(records, initiators))

    def error(self, sentence: str, next_step: str) -> None:
        """Write an error to stderr, or to stdout if the format is for programs."""
        text = self._renderer.error(sentence, next_step)
        if not self._renderer.errors_to_stderr:
            self._write(text)
            return
        with _survives_closed_pipe(sys.stderr):
            self._spinner.pause()
            click.echo(text, err=True)

    def confirm(self, question: str) -> None:
        """Ask on the terminal; return at once if consent is given in advance.

        Raises:
            Declined: the answer is no.
            UsageError: there is no terminal.
        """
        if self.assumes_yes:
            return
        if not sys.stdin.isatty():
            raise UsageError("there is no terminal to ask on", "--yes   goes on without asking")
        with self._paused():
            if not click.confirm(question, err=True):
                raise Declined

    def password(self, prompt: str) -> Secret:
        """Read a password from stdin, or from the terminal without echo.

        Raises:
            UsageError: stdin is empty.
        """
        if sys.stdin.isatty():
            with self._paused():
                return Secret(click.prompt(prompt, hide_input=True, err=True))
        text = sys.stdin.readline().rstrip("\r\n")
        if not text:
            raise UsageError("--password-stdin was said, and stdin is empty")
        return Secret(text)

    @contextlib.contextmanager
    def _paused(self) -> Iterator[None]:
        """Hide the spinner's line during a question."""
        self._spinner.pause()
        try:
            yield
        finally:
            self._spinner.go_on()

    def _write_event(self, kind: str, text: str, fields: Mapping[str, Any]) -> None:
        at_s = time.monotonic() - self._started
        self._write(self._renderer.event(kind, text, at_s, fields))

    def _write(self, text: str) -> None:
        if text:
            with _survives_closed_pipe(sys.stdout), self._spinner.aside():
                click.echo(text, color=self._color)
                sys.stdout.flush()


@contextlib.contextmanager
def _survives_closed_pipe(stream: TextIO) -> Iterator[None]:
    """Discard output once the reader has closed it (`| head`).

    The rotation must still be completed; the exit status reports its result.
    """
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
