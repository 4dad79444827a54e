"""Renders the output of `rotate-password` as text for people."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from tabulate import tabulate

from opskit.config import Target
from opskit.escaping import visible, visible_lines
from opskit.report.interface import Style
from opskit.report.rotation_rows import (
    diagnose_command,
    history_rows,
    moment,
    plan_rows,
    status_rows,
)
from opskit.rotation.planning.plan import Plan
from opskit.rotation.protocol.journal import Record
from opskit.rotation.protocol.record_verification import RecordVerification
from opskit.rotation.protocol.services import RotationResult
from opskit.rotation.protocol.state_machine import CallOutcome, Direction
from opskit.rotation.status import RotationStatus, logins_fail_now, resume_words, rollback_words

ENDED = {
    Direction.FORWARD: "rotated",
    Direction.ROLLBACK: "rolled back to the old password",
    Direction.SUPERSEDED: "superseded",
}
NOT_RESTARTED = (
    "the app was not restarted: its processes that run on another password fail at their next "
    "connection"
)
MARKS = {True: ("✓", "·", "✗", "!"), False: ("ok", "-", "x", "!")}


class RotationText:
    """Renders each report of a rotation as lines; errors belong to stderr."""

    errors_to_stderr = True

    def __init__(self, target: Target, style: Style) -> None:
        self._target, self._style = target, style
        self._applied, self._other, self._problem, self._warning = MARKS[style.unicode]

    def event(self, kind: str, text: str, at_s: float, fields: Mapping[str, Any]) -> str:
        """Render an event, with the seconds since the rotation began."""
        mark = self._other
        if kind == "step":
            outcome = fields.get("outcome", CallOutcome.APPLIED)
            mark = self._applied if outcome == CallOutcome.APPLIED else self._warning
        return self._fit(f"{at_s:6.1f} s  {mark} ", text)

    def plan(self, plan: Plan, *, dry_run: bool) -> str:
        """Render the plan, its warnings and its problems."""
        lines = [self._bold("PLAN") + ("  (dry run: nothing is changed)" if dry_run else "")]
        rows = plan_rows(plan, self._target)
        width = max(len(topic) for topic, _ in rows)
        lines += [self._fit(f"  {topic:{width}}  ", text) for topic, text in rows]
        lines += [self._fit(f"  {self._warning} ", text) for text in plan.warnings]
        if plan.wait_s:
            wait = f"it begins in {plan.wait_s:.0f} s: see --no-wait and --fence"
            lines.append(f"  {self._warning} {wait}")
        for sentence, next_step in plan.problems:
            lines.append(self._fit(f"  {self._problem} ", sentence))
            lines += [f"      {line}" for line in visible_lines(next_step)]
        if plan.problems:
            lines.append("nothing was changed: see the lines marked above")
        return "\n".join(lines)

    def result(self, result: RotationResult) -> str:
        """Render the result of a closed rotation, and the next step."""
        name = self._target.parameters["password"]
        version = result.versions[0] if result.versions else None
        ended = ENDED[result.direction or Direction.ROLLBACK]
        why = "" if result.direction is Direction.FORWARD else f": {result.why}"
        lines = ["", self._bold(f"DONE  {ended}{visible(why)}")]
        lines.append(f"  parameter  {visible(name)}, version {version}")
        lines.append(self._fit("  verified   ", " · ".join(result.verified)))
        if not result.is_app_verified:
            lines.append(self._fit(f"  {self._warning} ", NOT_RESTARTED))
        if result.window_s is not None:
            lines.append(f"  new logins could fail for {result.window_s:.2f} s at most")
        if result.restarts_s is not None:
            lines.append(
                f"  new connections of running processes could fail for {result.restarts_s:.1f} s at most"
            )
        lines.append(f"THEN  {visible(diagnose_command(self._target))}")
        return "\n".join(lines)

    def status(
        self,
        status: RotationStatus,
        fence_s: float,
        advice: str,
        verification: RecordVerification,
    ) -> str:
        """Render the unfinished rotation, the effect of --resume and --rollback, and the advice."""
        command = f"opskit rotate-password {self._target.flags}".rstrip()
        rows = status_rows(status, verification)
        rows += [
            ("joined", f"{moment(e.at)} by {e.body.get('by')} on {e.body.get('where')}")
            for e in status.record.joins
        ]
        name = status.intent.published[0].name
        heading = f"UNFINISHED  rotation {status.record.number} of {visible(name)}"
        lines = [self._bold(heading)]
        lines += [self._fit(f"  {topic:9}  ", text) for topic, text in rows]
        lines += [self._fit(f"  {self._warning} ", doubt) for doubt in verification.doubts]
        if logins_fail_now(status):
            lines.append(
                f"  {self._warning} new processes cannot log in now: go on at once, either way"
            )
        for option, effect in (
            ("--resume", resume_words(status)),
            ("--rollback", rollback_words(status, fence_s)),
        ):
            lines += [f"  {visible(command)} {option}", self._fit("      ", effect)]
        lines += [f"THEN  {visible(line)}" for line in advice.splitlines()]
        return "\n".join(lines)

    def history(self, records: Sequence[Record], initiators: Mapping[int, tuple[str, str]]) -> str:
        """Render past rotations as a table, newest first."""
        rows = [
            {key: visible(v) if isinstance(v, str) else v for key, v in row.items()}
            for row in history_rows(records, initiators)
        ]
        if rows:
            return tabulate(rows, headers="keys", tablefmt="plain")
        return f"{visible(self._target.parameters['password'])} was never rotated by opskit"

    def error(self, sentence: str, next_step: str) -> str:
        """Render an error as every command does."""
        steps = visible_lines(next_step) if next_step else []
        return "\n".join([f"opskit: {visible(sentence)}", *(f"        {step}" for step in steps)])

    def _bold(self, text: str) -> str:
        return f"\033[1m{text}\033[0m" if self._style.color else text

    def _fit(self, head: str, text: str) -> str:
        """Wrap a text behind its head to the width, escaped; names are not split."""
        return textwrap.fill(
            visible(text),
            self._style.width,
            initial_indent=head,
            subsequent_indent=" " * len(head),
            break_long_words=False,
            break_on_hyphens=False,
        )
