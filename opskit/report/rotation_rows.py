"""The rows that both formats of a rotation's output have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from opskit import utc
from opskit.config import Target
from opskit.rotation.planning.plan import Plan
from opskit.rotation.protocol.journal import Record
from opskit.rotation.protocol.record_verification import RecordVerification
from opskit.rotation.protocol.state_machine import CredentialState, DatabaseState
from opskit.rotation.status import RotationStatus
from opskit.rotation.steps.restart import is_readable, read

DATABASE_STATES = {
    DatabaseState.NEW: "accepts the new password",
    DatabaseState.OLD: "accepts the old password",
    DatabaseState.HELD: "accepts what the parameter holds: another user has changed both",
    DatabaseState.OTHER: "accepts an earlier password: another user has changed it",
    DatabaseState.NONE: "accepts no password that is known",
    DatabaseState.UNJUDGED: "could not be asked",
}
CREDENTIAL_STATES = {
    CredentialState.NEW: "holds the new password",
    CredentialState.OLD: "holds the old password",
    CredentialState.MIXED: "holds one half of each",
    CredentialState.OTHER: "holds another password: another user has written it",
    CredentialState.ABSENT: "does not exist: it was deleted, and is created again from the journal",
}


def plan_rows(plan: Plan, target: Target) -> list[tuple[str, str]]:
    """Return the plan's (topic, text), and the opskit.toml that supplied a setting."""
    file = target.config_file
    return [*plan.lines, *([("settings", f"from {file}")] if file else [])]


def status_rows(status: RotationStatus, verification: RecordVerification) -> list[tuple[str, str]]:
    """Return the (topic, text) of an unfinished rotation."""
    record, intent, observation = status.record, status.intent, status.observation
    busy = f" ({status.control.description})" if observation.is_pending else ""
    targets = ", ".join(_describe_target(text) for text in intent.restart_targets)
    parameter = f"{intent.published[0].name} {CREDENTIAL_STATES[observation.stored]}"
    return [
        ("opened", f"{moment(record.opened_at)} by {intent.by} on {intent.where}"),
        ("strategy", intent.strategy),
        ("decided", str(observation.decision or "not yet")),
        ("database", DATABASE_STATES[observation.database] + busy),
        ("parameter", parameter),
        ("host", f"{intent.host}:{intent.port}"),
        ("restart", targets or "nothing"),
        ("written", f"by {verification.writer or 'an unknown user'}"),
    ]


def history_rows(
    records: Sequence[Record], initiators: Mapping[int, tuple[str, str]]
) -> list[dict[str, Any]]:
    """Return a row for each rotation, newest first.

    Args:
        initiators: number -> (initiator, strategy), of those that could be read.
    """
    rows = []
    for record in reversed(records):
        close = record.close
        body = close.body if close else {}
        closed_by = body.get("by", ""), body.get("strategy", "")
        by, strategy = initiators.get(record.number, closed_by)
        rows.append(
            {
                "number": record.number,
                "opened": moment(record.opened_at),
                "by": by,
                "strategy": strategy,
                "ended": str(record.decision) if close else "unfinished",
                "version": (body.get("versions") or [""])[0],
                "window_s": rounded(body.get("window_s")),
            }
        )
    return rows


def diagnose_command(target: Target) -> str:
    """Return the command that verifies the result of a rotation."""
    return f"opskit diagnose db {target.flags}".rstrip()


def moment(at: datetime | None) -> str:
    """Return a time to the second, with its zone; `?` if it is unknown."""
    return utc.second(at) if at is not None else "?"


def rounded(seconds: Any) -> float | None:
    """Return seconds to the millisecond."""
    return None if seconds is None else round(float(seconds), 3)


def _describe_target(text: str) -> str:
    """Describe a restart target from the journal, whose text may be anything."""
    return str(read(text)) if is_readable(text) else repr(text)
