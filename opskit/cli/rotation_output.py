"""Output of `rotate-password`: text for people, one JSON object a line for programs."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

import click
from tabulate import tabulate

from opskit.cli.main import say_error
from opskit.cli.terminal import Spinner, shows_unicode, width_of
from opskit.errors import ExitStatus, OpskitError
from opskit.escaping import visible, visible_lines
from opskit.rotation.planning.plan import Plan
from opskit.rotation.protocol.runner import NOT_VERIFIED
from opskit.rotation.protocol.services import Event, RotationResult
from opskit.rotation.protocol.state_machine import DatabaseState, Direction, ParameterState
from opskit.rotation.status import (
    OpenWork,
    RotationStatus,
    logins_fail_now,
    resume_words,
    rollback_words,
)
from opskit.rotation.steps.restart import is_readable, read

if TYPE_CHECKING:
    from opskit.config import Target
    from opskit.rotation.protocol.journal import Record
    from opskit.rotation.protocol.record_verification import RecordVerification

ENDED = {
    Direction.FORWARD: "rotated",
    Direction.ROLLBACK: "rolled back to the old password",
    Direction.SUPERSEDED: "superseded",
}
RESTART_IT = "the app was not restarted: whatever of it runs on another password fails at its next connection"
MARKS = {True: ("✓", "·", "✗", "!"), False: ("ok", "-", "x", "!")}


class Output:
    """Writes to stdout, and shows on the spinner what the rotation waits for."""

    def __init__(self, target: Target, spinner: Spinner, *, as_json: bool) -> None:
        self._target, self._spinner, self._as_json = target, spinner, as_json
        self._command = f"opskit rotate-password {target.flags}".rstrip()
        self._marks = MARKS[shows_unicode(sys.stdout)]
        self._width = width_of(sys.stdout)
        self._printed: set[str] = set()
        self._started = time.monotonic()

    def begin(self) -> None:
        """Start the clock of the printed times."""
        self._started = time.monotonic()

    def say(self, text: str) -> None:
        """Write a sentence."""
        self._write("note", text)

    def waiting(self, text: str, *, stays: bool = False) -> None:
        """Show what the rotation waits for.

        Args:
            stays: also write it once as a line, for output without a terminal.
        """
        self._spinner.update(text)
        key = text.split(":", 1)[0]
        if stays and key not in self._printed:
            self._printed.add(key)
            self._write("wait", text)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Hide the spinner's line during a question."""
        self._spinner.pause()
        try:
            yield
        finally:
            self._spinner.go_on()

    def event(self, event: Event) -> None:
        """Write an event of the rotation."""
        if event.kind == "wait":
            self.waiting(event.text, stays=event.name == "hold")
            return
        took = {} if event.seconds is None else {"seconds": round(event.seconds, 3)}
        self._write(event.kind, event.text, name=event.name, **took, **event.details)

    def plan(self, plan: Plan, *, dry_run: bool) -> None:
        """Write the plan, its warnings and its problems."""
        if self._as_json:
            problems = [{"problem": s, "next_step": n} for s, n in plan.problems]
            self._json(
                "plan",
                plan=dict([*plan.lines, *self._config_line()]),
                warnings=plan.warnings,
                problems=problems,
                wait_s=plan.wait_s,
            )
            return
        lines = [
            click.style("PLAN", bold=True) + ("  (dry run: nothing is changed)" if dry_run else "")
        ]
        rows = [*plan.lines, *self._config_line()]
        width = max(len(topic) for topic, _ in rows)
        lines += [self._fit(f"  {topic:{width}}  ", text) for topic, text in rows]
        lines += [self._fit(f"  {self._marks[3]} ", text) for text in plan.warnings]
        if plan.wait_s:
            lines.append(
                f"  {self._marks[3]} it begins in {plan.wait_s:.0f} s: see --no-wait and --fence"
            )
        for sentence, next_step in plan.problems:
            lines.append(self._fit(f"  {self._marks[2]} ", sentence))
            lines += [f"      {line}" for line in visible_lines(next_step)]
        if plan.problems:
            lines.append("nothing was changed: see the lines marked above")
        self._print("\n".join(lines))

    def _config_line(self) -> list[tuple[str, str]]:
        """Return a plan line with the opskit.toml that supplied a setting."""
        file = self._target.config_file
        return [("settings", f"from {file}")] if file else []

    def result(self, result: RotationResult) -> None:
        """Write the result, and the next steps."""
        went = result.direction is Direction.FORWARD
        version = result.versions[0] if result.versions else None
        next_step = f"opskit diagnose db {self._target.flags}".rstrip()
        if self._as_json:
            self._json(
                "end",
                direction=result.direction,
                why=result.why,
                version=version,
                window_s=_rounded(result.window_s),
                restarts_s=_rounded(result.restarts_s),
                verified=list(result.verified),
                next_step=next_step,
            )
            return
        name = self._target.parameters["password"]
        word = ENDED[result.direction or Direction.ROLLBACK]
        why = "" if went else f": {result.why}"
        lines = ["", click.style(f"DONE  {word}{visible(why)}", bold=True)]
        lines.append(f"  parameter  {visible(name)}, version {version}")
        lines.append(self._fit("  verified   ", " · ".join(result.verified)))
        if NOT_VERIFIED in result.verified:
            lines.append(self._fit(f"  {self._marks[3]} ", RESTART_IT))
        if result.window_s is not None:
            lines.append(f"  new logins could fail for {result.window_s:.2f} s at most")
        if result.restarts_s is not None:
            lines.append(
                f"  new connections of running processes could fail for {result.restarts_s:.1f} s at most"
            )
        lines.append(f"THEN  {visible(next_step)}")
        self._print("\n".join(lines))

    def status(
        self,
        situation: RotationStatus | None,
        fence_s: float,
        advice: str = "",
        trust: RecordVerification | None = None,
    ) -> int:
        """Write the unfinished rotation's status, the effect of --resume and --rollback, and the advice."""
        if situation is None:
            self.say("no unfinished rotation")
            return int(ExitStatus.HEALTHY)
        record, intent, observation = situation.record, situation.intent, situation.observation
        resume, rollback = resume_words(situation), rollback_words(situation, fence_s)
        name = intent.published[0].name
        busy = f" ({situation.control})" if observation.is_pending else ""
        rows = [
            ("opened", f"{_moment(record.opened_at)} by {intent.by} on {intent.where}"),
            ("strategy", intent.strategy),
            ("decided", str(observation.decision or "not yet")),
            ("database", _database_state(observation.database) + busy),
            ("parameter", f"{name} {_holds(observation.parameter)}"),
            ("host", f"{intent.host}:{intent.port}"),
            (
                "restart",
                ", ".join(_describe_target(b) for b in intent.restart_targets) or "nothing",
            ),
            ("written", f"by {(trust and trust.writer) or 'an unknown user'}"),
        ]
        joiners = [e for e in record.entries if e.body.get("kind") == "join"]
        rows += [
            ("joined", f"{_moment(e.at)} by {e.body.get('by')} on {e.body.get('where')}")
            for e in joiners
        ]
        next_steps = [
            (f"{self._command} --resume", resume),
            (f"{self._command} --rollback", rollback),
        ]
        logins_failing = logins_fail_now(situation)
        if self._as_json:
            self._json(
                "unfinished",
                number=record.number,
                logins_failing=logins_failing,
                **dict(rows[:8]),
                doubts=list(trust.doubts) if trust else [],
                resume=resume,
                rollback=rollback,
                next_step=advice,
            )
            return int(ExitStatus.UNFINISHED)
        heading = f"UNFINISHED  rotation {record.number} of {visible(name)}"
        lines = [click.style(heading, bold=True)]
        lines += [self._fit(f"  {topic:9}  ", text) for topic, text in rows]
        for doubt in trust.doubts if trust else ():
            lines.append(self._fit(f"  {self._marks[3]} ", doubt))
        if logins_failing:
            lines.append(
                f"  {self._marks[3]} new processes cannot log in now: go on at once, either way"
            )
        for command, words in next_steps:
            lines += [f"  {visible(command)}", self._fit("      ", words)]
        lines += [f"THEN  {visible(line)}" for line in advice.splitlines()]
        self._print("\n".join(lines))
        return int(ExitStatus.UNFINISHED)

    def history(self, records: Sequence[Record], openers: Mapping[int, tuple[str, str]]) -> int:
        """Write past rotations, newest first.

        Args:
            openers: number -> (initiator, strategy), of those that could be read.
        """
        rows = []
        for record in reversed(records):
            close = record.close
            body = close.body if close else {}
            told = body.get("by", ""), body.get("strategy", "")
            by, strategy = openers.get(record.number, told)
            rows.append(
                {
                    "number": record.number,
                    "opened": _moment(record.opened_at),
                    "by": by,
                    "strategy": strategy,
                    "ended": str(record.decision) if close else "unfinished",
                    "version": (body.get("versions") or [""])[0],
                    "window_s": _rounded(body.get("window_s")),
                }
            )
        if self._as_json:
            for row in rows:
                self._json("rotation", **row)
        elif rows:
            shown = [{key: _cell(value) for key, value in row.items()} for row in rows]
            self._print(tabulate(shown, headers="keys", tablefmt="plain"))
        else:
            self.say(f"{self._target.parameters['password']} was never rotated by opskit")
        return int(ExitStatus.HEALTHY)

    def interrupted(self, standing: OpenWork) -> int:
        """Report an interruption: the unfinished work, and the command that resumes it."""
        if standing is OpenWork.REPAIR:
            again = f"{self._command} repair   looks again"
            self._error("interrupted; the one write may have been made", again)
        elif standing is not OpenWork.NOTHING:
            self._say_open("interrupted", standing)
        else:
            self._error("interrupted; nothing was changed")
        return int(ExitStatus.INTERRUPTED)

    def error(self, error: OpskitError, *, standing: OpenWork) -> int:
        """Report an error, with the command that resumes unfinished work."""
        is_open = standing in (OpenWork.ROTATION, OpenWork.MANAGED)
        status = ExitStatus.UNFINISHED if is_open else error.exit_status
        if is_open:
            self._say_open(error.sentence, standing, error.next_step)
        else:
            self._error(error.sentence, error.next_step)
        return int(status)

    def _say_open(self, why: str, standing: OpenWork, next_step: str = "") -> None:
        if standing is OpenWork.MANAGED:
            repair = f"{self._command} repair   writes what the secret holds to the parameter"
            self._error(
                f"{why}; RDS keeps the password that works in its secret, so nothing is lost",
                f"{next_step}\n{repair}".strip(),
            )
            return
        next_steps = [f"{self._command} --status     shows its status"]
        if next_step:
            next_steps.insert(0, next_step)
        else:
            next_steps += [
                f"{self._command} --resume     resumes it",
                f"{self._command} --rollback   rolls it back",
            ]
        self._error(f"{why}; the rotation is unfinished and nothing is lost", "\n".join(next_steps))

    def _error(self, sentence: str, next_step: str = "") -> None:
        if self._as_json:
            self._json("error", error=sentence, next_step=next_step)
            return
        with _goes_on_alone(sys.stderr):
            self._spinner.pause()
            say_error(OpskitError(sentence, next_step))

    def _write(self, kind: str, text: str, **more: Any) -> None:
        if self._as_json:
            self._json(kind, text=text, **more)
            return
        mark = self._marks[0 if more.get("outcome") in (None, "applied") else 3]
        at = f"{time.monotonic() - self._started:6.1f} s  "
        self._print(self._fit(f"{at}{mark if kind == 'step' else self._marks[1]} ", text))

    def _fit(self, head: str, text: str) -> str:
        """Wrap a text behind its head to the terminal's width, escaped; names are not split."""
        rest = " " * len(head)
        return textwrap.fill(
            visible(text),
            self._width,
            initial_indent=head,
            subsequent_indent=rest,
            break_long_words=False,
            break_on_hyphens=False,
        )

    def _json(self, kind: str, **fields: Any) -> None:
        row = {"schema": "opskit.rotation/1", "event": kind, **fields}
        self._print(json.dumps(row, default=str))

    def _print(self, text: str) -> None:
        with _goes_on_alone(sys.stdout), self._spinner.aside():
            click.echo(text)
            sys.stdout.flush()


@contextlib.contextmanager
def _goes_on_alone(stream: TextIO) -> Iterator[None]:
    """Discard output once the reader has closed it (`| head`).

    The rotation must still be completed; the exit status reports its result.
    """
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _cell(value: Any) -> Any:
    return visible(value) if isinstance(value, str) else value


def _database_state(database: DatabaseState) -> str:
    return {
        DatabaseState.NEW: "accepts the new password",
        DatabaseState.OLD: "accepts the old password",
        DatabaseState.HELD: "accepts what the parameter holds: another user has changed both",
        DatabaseState.OTHER: "accepts an earlier password: another user has changed it",
        DatabaseState.NONE: "accepts no password that is known",
        DatabaseState.UNJUDGED: "could not be asked",
    }[database]


def _holds(parameter: ParameterState) -> str:
    return {
        ParameterState.NEW: "holds the new password",
        ParameterState.OLD: "holds the old password",
        ParameterState.MIXED: "holds one half of each",
        ParameterState.OTHER: "holds another password: another user has written it",
        ParameterState.ABSENT: "does not exist: it was deleted, and is created again from the journal",
    }[parameter]


def _describe_target(text: str) -> str:
    """Describe a restart target from the journal, whose text may be anything."""
    return str(read(text)) if is_readable(text) else repr(text)


def _moment(at: Any) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S %Z").strip() if at is not None else "?"


def _rounded(seconds: Any) -> float | None:
    return None if seconds is None else round(float(seconds), 3)
