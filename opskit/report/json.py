"""The diagnosis as one JSON object, `opskit.diagnosis/1`, described by `diagnosis.schema.json`."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from opskit.checks.interface import Judged
from opskit.diagnosis import Diagnosis
from opskit.report import path
from opskit.report.interface import Style

SCHEMA = "opskit.diagnosis/1"


def render(diagnosis: Diagnosis, style: Style) -> str:
    """One object, keys in a fixed order."""
    return json.dumps(document(diagnosis, style.runbooks), indent=2, ensure_ascii=not style.unicode)


def document(diagnosis: Diagnosis, runbooks: Mapping[str, str]) -> dict[str, Any]:
    """The object that is written."""
    return {
        "schema": SCHEMA,
        "format_version": "1.1",
        "target": asdict(diagnosis.place),
        "verdict": str(diagnosis.verdict),
        "exit_code": int(diagnosis.exit_status),
        "root_causes": [_check(j, runbooks) for j in diagnosis.root_causes],
        "checks": [_check(j, runbooks) for j in diagnosis.judged],
        "path": path.document(diagnosis.ways) if diagnosis.ways else None,
        "aws": {"calls": diagnosis.calls, "rounds": diagnosis.rounds},
        "seconds": round(diagnosis.seconds, 3),
    }


def schema() -> str:
    """The JSON Schema of the object, as shipped."""
    package = importlib.resources.files("opskit.report")
    return (package / "diagnosis.schema.json").read_text(encoding="utf-8")


def _check(judged: Judged, runbooks: Mapping[str, str]) -> dict[str, Any]:
    finding = judged.finding
    fix = finding.fix
    return {
        "code": judged.check.code,
        "layer": judged.check.layer,
        "title": judged.check.title,
        "status": str(finding.status),
        "summary": finding.summary,
        "evidence": [{"text": e.text, "basis": str(e.basis)} for e in finding.evidence],
        "fix": [{"does": fix.does, "command": c, "note": fix.note} for c in fix.commands]
        if fix
        else [],
        "missing": list(finding.missing),
        "caused_by": judged.caused_by,
        "runbook": runbooks.get(judged.check.code),
    }
