"""Renders the output of `rotate-password` as JSON, `opskit.rotation/1`: one object a line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from opskit.config import Target
from opskit.report.interface import Style
from opskit.report.rotation_rows import (
    diagnose_command,
    history_rows,
    plan_rows,
    rounded,
    status_rows,
)
from opskit.rotation.planning.plan import Plan
from opskit.rotation.protocol.journal import Record
from opskit.rotation.protocol.record_verification import RecordVerification
from opskit.rotation.protocol.services import RotationResult
from opskit.rotation.status import RotationStatus, logins_fail_now, resume_words, rollback_words

SCHEMA = "opskit.rotation/1"


class RotationJson:
    """Renders each report of a rotation as one JSON object; errors too belong to stdout."""

    errors_to_stderr = False

    def __init__(self, target: Target, style: Style) -> None:
        self._target = target

    def event(self, kind: str, text: str, at_s: float, fields: Mapping[str, Any]) -> str:
        """Render an event; its time is that of the line."""
        return _line(kind, text=text, **fields)

    def plan(self, plan: Plan, *, dry_run: bool) -> str:
        """Render the plan; a dry run has the same."""
        return _line(
            "plan",
            plan=dict(plan_rows(plan, self._target)),
            warnings=plan.warnings,
            problems=[{"problem": s, "next_step": n} for s, n in plan.problems],
            wait_s=plan.wait_s,
        )

    def result(self, result: RotationResult) -> str:
        """Render the result of a closed rotation."""
        return _line(
            "end",
            direction=result.direction,
            why=result.why,
            version=result.versions[0] if result.versions else None,
            window_s=rounded(result.window_s),
            restarts_s=rounded(result.restarts_s),
            verified=list(result.verified),
            next_step=diagnose_command(self._target),
        )

    def status(
        self,
        status: RotationStatus,
        fence_s: float,
        advice: str,
        verification: RecordVerification,
    ) -> str:
        """Render the unfinished rotation."""
        return _line(
            "unfinished",
            number=status.record.number,
            logins_failing=logins_fail_now(status),
            **dict(status_rows(status, verification)),
            doubts=list(verification.doubts),
            resume=resume_words(status),
            rollback=rollback_words(status, fence_s),
            next_step=advice,
        )

    def history(self, records: Sequence[Record], initiators: Mapping[int, tuple[str, str]]) -> str:
        """Render past rotations, newest first; empty without any."""
        return "\n".join(_line("rotation", **row) for row in history_rows(records, initiators))

    def error(self, sentence: str, next_step: str) -> str:
        """Render an error."""
        return _line("error", error=sentence, next_step=next_step)


def _line(kind: str, **fields: Any) -> str:
    return json.dumps({"schema": SCHEMA, "event": kind, **fields}, default=str)
