"""Renders the diagnosis as one JSON object, `opskit.diagnosis/1`, described by `diagnosis.schema.json`."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from opskit.checks.fix import Fix
from opskit.checks.interface import CheckResult
from opskit.checks.shell_rendering import Caller
from opskit.checks.shell_rendering import render as render_command
from opskit.checks.state_changes import summary
from opskit.diagnosis.result import Diagnosis
from opskit.diagnosis.unexplained import UnexplainedSymptom
from opskit.escaping import to_json
from opskit.report import network_path
from opskit.report.interface import Style

SCHEMA = "opskit.diagnosis/1"


def render(diagnosis: Diagnosis, style: Style) -> str:
    """Render the JSON object, with its keys in a fixed order."""
    return to_json(document(diagnosis, style.runbooks), indent=2, ascii_only=not style.unicode)


def document(diagnosis: Diagnosis, runbooks: Mapping[str, str]) -> dict[str, Any]:
    """Return the JSON object."""
    return {
        "schema": SCHEMA,
        "format_version": "1.4",
        "target": asdict(diagnosis.target),
        "verdict": str(diagnosis.verdict),
        "exit_code": int(diagnosis.exit_status),
        "judged_at": _moment(diagnosis.judged_at),
        "root_causes": [_check(j, runbooks, diagnosis.caller) for j in diagnosis.root_causes],
        "unexplained": [_unexplained(u, diagnosis.target.operator) for u in diagnosis.unexplained],
        "not_judged": [_not_judged(j) for j in diagnosis.not_judged],
        "checks": [_check(j, runbooks, diagnosis.caller) for j in diagnosis.judged],
        "path": network_path.document(diagnosis.network_paths) if diagnosis.network_paths else None,
        "aws": {"calls": diagnosis.calls, "rounds": diagnosis.rounds},
        "seconds": round(diagnosis.seconds, 3),
    }


def schema() -> str:
    """Return the JSON Schema of the object, as shipped."""
    package = importlib.resources.files("opskit.report")
    return (package / "diagnosis.schema.json").read_text(encoding="utf-8")


def _check(judged: CheckResult, runbooks: Mapping[str, str], caller: Caller) -> dict[str, Any]:
    finding = judged.finding
    return {
        "code": judged.check.code,
        "layer": judged.check.layer,
        "title": judged.check.title,
        "status": str(finding.status),
        "summary": finding.summary,
        "evidence": [{"text": e.text, "basis": str(e.basis)} for e in finding.evidence],
        "fix": _fix(finding.fix, caller) if finding.fix else None,
        "advice": finding.advice,
        "advice_commands": [render_command(c, caller) for c in finding.advice_commands],
        "missing": [str(missing) for missing in finding.missing],
        "caused_by": judged.caused_by,
        "symptom": str(finding.symptom.kind) if finding.symptom else None,
        "runbook": runbooks.get(judged.check.code),
    }


def _unexplained(symptom: UnexplainedSymptom, operator: str | None) -> dict[str, Any]:
    return {
        "code": symptom.result.check.code,
        "sentence": symptom.sentence(operator),
        "missing": [str(missing) for missing in symptom.missing],
        "not_judged": [j.check.code for j in symptom.not_judged],
        "not_run": [check.code for check in symptom.not_run],
    }


def _not_judged(result: CheckResult) -> dict[str, Any]:
    return {
        "code": result.check.code,
        "why": result.finding.summary,
        "missing": [str(missing) for missing in result.finding.missing],
        "caused_by": result.caused_by,
    }


def _moment(moment: datetime | None) -> str | None:
    """A time of the whole second in UTC, with its zone."""
    return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else None


def _fix(fix: Fix, caller: Caller) -> dict[str, Any]:
    return {
        "does": fix.does or summary(fix.changes),
        "changes": [
            {"subject": c.subject, "before": c.before, "after": c.after} for c in fix.changes
        ],
        "dangers": [str(danger) for danger in fix.dangers],
        "ask": fix.ask,
        "caution": fix.caution,
        "commands": [render_command(c, caller) for c in fix.commands],
        "undo": [render_command(c, caller) for c in fix.undo],
        "no_undo": fix.no_undo,
    }
