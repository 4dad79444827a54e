"""Renders a diagnosis: one file per format. Nothing here decides anything."""

from __future__ import annotations

FORMATS: dict[str, str] = {
    "text": "opskit.report.diagnosis_text:render",
    "json": "opskit.report.diagnosis_json:render",
}
"""Name for `--output` -> function of a diagnosis and a `Style` that renders it; imported when used."""
